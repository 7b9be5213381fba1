//! A subscription before it begins.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::error::Error;
use crate::event::table::for_every_event;
use crate::event::{
    AnyEvent, Event, EventKind, TypedEvent, domain, network, node_device, secret, storage_pool,
};
use crate::events::Events;
use crate::fan::Joining;
use crate::ffi::{Object, RawObject, Sink};
use crate::monitor::Hub;
use crate::queue::Queue;
use crate::serial::Serial;
use crate::subscription::{Ends, Subscription};

/// How many events a stream holds, unless [`Subscribe::capacity`] says
/// otherwise.
pub const DEFAULT_CAPACITY: usize = 1024;

/// A subscription that has not begun yet: say what it is limited to, then end
/// with [`stream`](Self::stream) or [`callback`](Self::callback).
#[must_use = "a subscription begins with `stream` or `callback`"]
pub struct Subscribe<'a, E: Event> {
    hub: &'a Arc<Hub>,
    joinings: Vec<Joining<E>>,
    object: Option<Result<RawObject<'a>, virt::error::Error>>,
    capacity: usize,
}

impl<'a, E: TypedEvent> Subscribe<'a, E> {
    pub(crate) fn typed(hub: &'a Arc<Hub>) -> Self {
        Self::new(hub, vec![Joining::to::<E>()])
    }
}

impl<'a> Subscribe<'a, AnyEvent> {
    pub(crate) fn any(hub: &'a Arc<Hub>, kinds: impl IntoIterator<Item = EventKind>) -> Self {
        let kinds: BTreeSet<_> = kinds.into_iter().collect();
        Self::new(hub, kinds.into_iter().map(joining_any).collect())
    }
}

impl<'a, E: Event> Subscribe<'a, E> {
    fn new(hub: &'a Arc<Hub>, joinings: Vec<Joining<E>>) -> Self {
        Self {
            hub,
            joinings,
            object: None,
            capacity: DEFAULT_CAPACITY,
        }
    }

    /// Only what happens to `object`, which is a domain for
    /// [`subscribe_any`](crate::Monitor::subscribe_any), and has to be of this
    /// connection. The host chooses, so that the others cost nothing.
    pub fn of(mut self, object: &'a E::Object) -> Self {
        self.object = Some(object.raw());
        self
    }

    /// How many events a [stream](Self::stream) holds that have not been read:
    /// [`DEFAULT_CAPACITY`] otherwise. When one more comes, the oldest is
    /// dropped, and the reader is told how many were.
    pub fn capacity(mut self, events: usize) -> Self {
        self.capacity = events;
        self
    }

    /// Subscribes, for a reader that awaits the events. This is a call to the
    /// host for each kind of event and may block.
    ///
    /// # Errors
    ///
    /// - [`Error::Subscribe`] if libvirt refuses one of the kinds.
    /// - [`Error::ConnectionClosed`] if the connection is lost.
    /// - [`Error::Forked`] in a child process.
    /// - [`Error::OtherObject`], [`Error::NoKinds`] or [`Error::NoCapacity`] if
    ///   what is asked for makes no sense.
    ///
    /// With any of them nothing is subscribed to.
    #[doc(alias = "virConnectDomainEventRegisterAny")]
    pub fn stream(self) -> Result<Events<E>, Error> {
        if self.capacity == 0 {
            return Err(Error::NoCapacity);
        }
        let queue = Arc::new(Queue::new(self.capacity));
        let subscription = self.register(&queue)?;
        Ok(Events::new(queue, subscription))
    }

    /// Subscribes, and calls `closure` for each event on the loop's thread. It
    /// must not block: keepalive waits for it. It may use libvirt, and it may
    /// drop its own subscription. None of the events is lost.
    ///
    /// It is not told of the end of the connection:
    /// [`Monitor::on_close`](crate::Monitor::on_close) is for that.
    ///
    /// A panic of the closure ends that call only. It is caught, because libvirt
    /// is the caller, and the panic hook reports it.
    ///
    /// # Errors
    ///
    /// - Those of [`stream`](Self::stream). The closure is then dropped by the
    ///   loop.
    #[doc(alias = "virConnectDomainEventRegisterAny")]
    pub fn callback(self, closure: impl FnMut(E) + Send + 'static) -> Result<Subscription, Error> {
        self.register(&Arc::new(Serial::new(closure)))
    }

    fn register<S>(self, sink: &Arc<S>) -> Result<Subscription, Error>
    where
        S: Sink<E> + Ends + 'static,
    {
        // Dropped on the way out, it ends what has begun.
        let mut subscription = Subscription::new(self.hub, sink.clone());
        if self.hub.owner().is_parent() {
            return Err(Error::Forked);
        }
        if self.joinings.is_empty() {
            return Err(Error::NoKinds);
        }
        if let Some(reason) = self.hub.listeners().reason() {
            return Err(Error::ConnectionClosed(reason));
        }
        let object = self.object.transpose().map_err(|source| Error::Libvirt {
            attempt: "tell which object the subscription is limited to",
            source,
        })?;
        if let Some(object) = &object {
            let mut kinds = self.joinings.iter().map(|joining| joining.kind);
            if let Some(kind) = kinds.find(|kind| kind.object() != object.kind) {
                return Err(Error::OtherObject {
                    kind,
                    object: object.kind,
                });
            }
        }
        for Joining { kind, join } in self.joinings {
            let place = join(self.hub, object.as_ref(), sink.clone())
                .map_err(|source| Error::Subscribe { kind, source })?;
            subscription.add(place);
        }
        Ok(subscription)
    }
}

impl<E: Event> fmt::Debug for Subscribe<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<_> = self.joinings.iter().map(|joining| joining.kind).collect();
        f.debug_struct("Subscribe")
            .field("kinds", &kinds)
            .field("object", &self.object)
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

macro_rules! define {
    ($($name:ident, $module:ident::$ty:ident, $object:ident, $constant:ident, $word:literal, $since:literal;)+) => {
        /// How to have events of `kind` as [`AnyEvent`]s.
        fn joining_any(kind: EventKind) -> Joining<AnyEvent> {
            match kind {
                $(EventKind::$name => Joining::to::<$module::$ty>(),)+
            }
        }
    };
}

for_every_event!(define);
