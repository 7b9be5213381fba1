//! One callback of libvirt's for all the subscribers to the same events.
//!
//! libvirt takes one callback with the same function for the same events of a
//! connection, so subscriptions to the same share it. Only the first and the
//! last of them talk to the host.
//!
//! The very last callback of a connection stays until the monitor goes, idle if
//! nobody subscribes. libvirt (9.0) arms its timer for the first event in its
//! queue only, and looks whether it has callbacks before it takes the lock of
//! that queue; so an event that comes while the last callback is taken away may
//! stay in the queue, and no later one is ever delivered.

use std::any::Any;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use virt::connect::Connect;

use crate::event::{EventKind, TypedEvent};
use crate::ffi::{RawObject, Registration, Sink, register};
use crate::monitor::Hub;

/// How to join those who hear of one kind of event, in order to have a `T`.
pub(crate) struct Joining<T> {
    pub(crate) kind: EventKind,
    #[expect(clippy::type_complexity, reason = "said once")]
    pub(crate) join: fn(
        &Arc<Hub>,
        Option<&RawObject<'_>>,
        Arc<dyn Sink<T>>,
    ) -> Result<Place, virt::error::Error>,
}

impl<T: Send + 'static> Joining<T> {
    pub(crate) fn to<E: TypedEvent>() -> Self
    where
        T: From<E>,
    {
        Self {
            kind: E::KIND,
            join: |hub, object, sink| join::<E>(hub, object, Arc::new(Converted(sink))),
        }
    }
}

/// A subscriber's place, to be given up with [`Hub::leave`].
#[derive(Debug)]
pub(crate) struct Place {
    key: Key,
    id: u64,
}

/// Which events.
type Key = (EventKind, Option<String>);

/// The callbacks that libvirt has for a connection.
///
/// Locked for the length of a call to the host, so that of two subscribers one
/// is the first, and of two that leave one is the last. The loop's thread may
/// come here from within a callback and wait; the thread that it waits for needs
/// no loop in order to have its answer.
#[derive(Default)]
pub(crate) struct Fans {
    fans: Mutex<HashMap<Key, Registered>>,
}

struct Registered {
    fan: Arc<dyn AnyFan>,
    registration: Registration,
}

impl Fans {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Registered>> {
        self.fans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn join<E: TypedEvent>(
    hub: &Arc<Hub>,
    object: Option<&RawObject<'_>>,
    sink: Arc<dyn Sink<E>>,
) -> Result<Place, virt::error::Error> {
    let key: Key = (E::KIND, object.map(|object| object.key.clone()));
    let mut fans = hub.fans().lock();
    let id = match fans.entry(key.clone()) {
        Entry::Occupied(registered) => {
            let fan = Arc::clone(&registered.get().fan).into_any();
            let Ok(fan) = fan.downcast::<Fan<E>>() else {
                unreachable!("a kind of event has one type");
            };
            fan.add(sink)
        }
        Entry::Vacant(vacant) => {
            let fan = Arc::new(Fan::default());
            // Before the first event can come.
            let id = fan.add(sink);
            let registration = register::<E>(hub.connection(), object, fan.clone())?;
            vacant.insert(Registered { fan, registration });
            // Not the last one any more.
            let idle = fans.iter().find(|(_, other)| other.fan.is_idle());
            let idle = idle.map(|(key, _)| key.clone());
            if let Some(idle) = idle.and_then(|key| fans.remove(&key)) {
                idle.registration.remove(hub.connection());
            }
            id
        }
    };
    Ok(Place { key, id })
}

impl Hub {
    /// Gives a place up.
    pub(crate) fn leave(&self, place: Place) {
        let mut fans = self.fans().lock();
        let is_last_callback = fans.len() == 1;
        let Entry::Occupied(registered) = fans.entry(place.key) else {
            unreachable!("a callback is there as long as it has subscribers");
        };
        registered.get().fan.remove(place.id);
        if registered.get().fan.is_idle() && !is_last_callback {
            let registered = registered.remove();
            registered.registration.remove(self.connection());
        }
    }
}

impl Fans {
    /// Takes every callback away, as the monitor goes.
    pub(crate) fn clear(&mut self, connection: &Connect) {
        let fans = self.fans.get_mut().unwrap_or_else(PoisonError::into_inner);
        for (_, registered) in fans.drain() {
            registered.registration.remove(connection);
        }
    }
}

/// Tells each subscriber.
struct Fan<E> {
    state: Mutex<State<E>>,
}

struct State<E> {
    /// Shared with a delivery that is under way, and copied to be changed.
    subscribers: Arc<Vec<Subscriber<E>>>,
    next: u64,
}

struct Subscriber<E> {
    id: u64,
    sink: Arc<dyn Sink<E>>,
}

impl<E> Default for Fan<E> {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                subscribers: Arc::default(),
                next: 0,
            }),
        }
    }
}

impl<E> Fan<E> {
    fn add(&self, sink: Arc<dyn Sink<E>>) -> u64 {
        let mut state = self.lock();
        let id = state.next;
        state.next += 1;
        let mut subscribers = state.subscribers.to_vec();
        subscribers.push(Subscriber { id, sink });
        state.subscribers = Arc::new(subscribers);
        id
    }

    fn lock(&self) -> MutexGuard<'_, State<E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E: Clone + Send + 'static> Sink<E> for Fan<E> {
    fn accept(&self, event: E) {
        let subscribers = Arc::clone(&self.lock().subscribers);
        if let Some((last, others)) = subscribers.split_last() {
            for subscriber in others {
                let event = event.clone();
                subscriber.sink.accept(event);
            }
            last.sink.accept(event);
        }
    }
}

/// A [`Fan`] of whatever type.
trait AnyFan: Send + Sync {
    /// Removes a subscriber.
    fn remove(&self, id: u64);

    /// Whether it has no subscribers.
    fn is_idle(&self) -> bool;

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

impl<E: Send + 'static> AnyFan for Fan<E> {
    fn remove(&self, id: u64) {
        let mut state = self.lock();
        let mut subscribers = state.subscribers.to_vec();
        subscribers.retain(|subscriber| subscriber.id != id);
        state.subscribers = Arc::new(subscribers);
    }

    fn is_idle(&self) -> bool {
        self.lock().subscribers.is_empty()
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl<E> Clone for Subscriber<E> {
    fn clone(&self) -> Self {
        Self {
            id: self.id,
            sink: Arc::clone(&self.sink),
        }
    }
}

/// A sink for what an event becomes.
struct Converted<T>(Arc<dyn Sink<T>>);

impl<E, T: From<E>> Sink<E> for Converted<T> {
    fn accept(&self, event: E) {
        self.0.accept(event.into());
    }
}
