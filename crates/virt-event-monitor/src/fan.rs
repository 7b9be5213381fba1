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
//! stay in the queue, and none is delivered to whoever subscribes next, until all
//! callbacks are gone once more.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

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
/// The lock is not held across a call to the host. A callback that is on its way
/// in or out has no registration meanwhile, and only who wants the same events
/// waits for it.
#[derive(Default)]
pub(crate) struct Fans {
    callbacks: Mutex<HashMap<Key, Callback>>,
    /// A callback has arrived or gone.
    changed: Condvar,
}

struct Callback {
    fan: Arc<dyn AnyFan>,
    /// `None` while a thread is with the host because of it.
    registration: Option<Registration>,
}

type Callbacks<'a> = MutexGuard<'a, HashMap<Key, Callback>>;

impl Fans {
    fn lock(&self) -> Callbacks<'_> {
        self.callbacks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a callback away from libvirt, as the caller has found that nobody
    /// needs it.
    fn remove(&self, mut callbacks: Callbacks<'_>, key: &Key, connection: &Connect) {
        let callback = callbacks.get_mut(key);
        let registration = callback.and_then(|callback| callback.registration.take());
        drop(callbacks);
        if let Some(registration) = registration {
            registration.remove(connection);
        }
        self.lock().remove(key);
        self.changed.notify_all();
    }

    /// Takes every callback away, as the monitor goes.
    pub(crate) fn clear(&mut self, connection: &Connect) {
        let callbacks = self.callbacks.get_mut();
        let callbacks = callbacks.unwrap_or_else(PoisonError::into_inner);
        for registration in callbacks.drain().filter_map(|(_, it)| it.registration) {
            registration.remove(connection);
        }
    }
}

fn join<E: TypedEvent>(
    hub: &Arc<Hub>,
    object: Option<&RawObject<'_>>,
    sink: Arc<dyn Sink<E>>,
) -> Result<Place, virt::error::Error> {
    let fans = hub.fans();
    let key: Key = (E::KIND, object.map(|object| object.key.clone()));
    let mut callbacks = fans.lock();
    while let Some(callback) = callbacks.get(&key) {
        if callback.registration.is_some() {
            let Ok(fan) = Arc::clone(&callback.fan).into_any().downcast::<Fan<E>>() else {
                unreachable!("a kind of event has one type");
            };
            let id = fan.add(sink);
            return Ok(Place { key, id });
        }
        callbacks = fans
            .changed
            .wait(callbacks)
            .unwrap_or_else(PoisonError::into_inner);
    }
    let fan = Arc::new(Fan::default());
    // Before the first event can come.
    let id = fan.add(sink);
    let callback = Callback {
        fan: fan.clone(),
        registration: None,
    };
    callbacks.insert(key.clone(), callback);
    drop(callbacks);

    let registered = register::<E>(hub.connection(), object, fan);

    let mut callbacks = fans.lock();
    let result = match registered {
        Ok(registration) => {
            if let Some(callback) = callbacks.get_mut(&key) {
                callback.registration = Some(registration);
            }
            Ok(Place { key, id })
        }
        Err(error) => {
            callbacks.remove(&key);
            Err(error)
        }
    };
    fans.changed.notify_all();
    if result.is_ok() {
        // One that was kept as the last is not the last any more.
        let idle = callbacks.iter().find(|(_, callback)| callback.is_idle());
        if let Some(key) = idle.map(|(key, _)| key.clone()) {
            fans.remove(callbacks, &key, hub.connection());
        }
    }
    result
}

impl Hub {
    /// Gives a place up.
    pub(crate) fn leave(&self, place: Place) {
        let callbacks = self.fans().lock();
        if let Some(callback) = callbacks.get(&place.key) {
            callback.fan.remove(place.id);
            let is_last = callbacks.values().filter(|it| it.is_there()).count() == 1;
            if callback.is_idle() && !is_last {
                self.fans().remove(callbacks, &place.key, self.connection());
            }
        }
    }
}

impl Callback {
    /// Whether libvirt has it, and nobody is about to change that.
    fn is_there(&self) -> bool {
        self.registration.is_some()
    }

    /// Whether libvirt has it for nobody.
    fn is_idle(&self) -> bool {
        self.is_there() && self.fan.is_idle()
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
