use std::os::fd::RawFd;
use std::sync::Arc;

use crate::{
    Error, HandleCallback, HandleEvents, Period, Rejected, TimeoutCallback, TimerId, WatchId,
};

/// An event loop that libvirt can register with: its six callbacks, as one
/// object.
///
/// # For users
///
/// You never call these. Install an implementation once (each adapter crate
/// has an `install`), open connections, and use [`add_handle`](crate::add_handle)
/// and [`add_timeout`](crate::add_timeout) for descriptors and timers of your
/// own.
///
/// # For implementors
///
/// The whole contract is `docs/contract.md`, and `virt-event-conformance`
/// examines an implementation against it. In short:
///
/// - Every method **must** work from any thread at any time, also while the
///   loop sleeps, from inside a callback, and from inside the drop of a
///   callback. A change **must** take effect before the method returns.
/// - A method **must not** call or drop a callback. Both happen on the loop's
///   thread, later, with no lock of yours held: libvirt calls these methods
///   with its own locks held, and its callbacks take them again.
/// - An id **must** be at least 1 and **must not** be given out again while it
///   is live. A stale id **must** be harmless.
/// - Callbacks **must not** run concurrently with each other.
/// - A removed callback **must** be dropped exactly once, after its last call
///   has returned, in bounded time.
/// - Readiness **must** be level-triggered.
/// - An implementation **must** log the descriptors that it refuses: libvirt
///   swallows the error, and opens a connection without events.
/// - A callback **must not** be kept when its add fails.
///
/// Methods that are added to this trait later will have default bodies.
pub trait EventImpl: Send + Sync {
    /// Watches `fd` for `events`; the callback hears of them until the watch
    /// is removed. Empty `events` register a parked watch.
    ///
    /// A `RawFd`, because libvirt owns the descriptor and may close it while
    /// it is watched. An implementation **must** refuse a negative or closed
    /// one.
    ///
    /// # Errors
    ///
    /// - [`Error::Descriptor`] if `fd` cannot be watched. The callback comes
    ///   back undropped, with every error.
    #[doc(alias = "virEventAddHandle")]
    #[doc(alias = "virEventAddHandleFunc")]
    fn add_handle(
        &self,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>>;

    /// Changes what a watch asks for. An unknown id **must** do nothing.
    #[doc(alias = "virEventUpdateHandle")]
    #[doc(alias = "virEventUpdateHandleFunc")]
    fn update_handle(&self, watch: WatchId, events: HandleEvents);

    /// Ends a watch. When this returns the descriptor may be closed; the
    /// callback is dropped later, by the loop.
    ///
    /// # Errors
    ///
    /// - [`Error::UnknownWatch`] if no watch has this id.
    #[doc(alias = "virEventRemoveHandle")]
    #[doc(alias = "virEventRemoveHandleFunc")]
    fn remove_handle(&self, watch: WatchId) -> Result<(), Error>;

    /// Starts a timer that fires every `period`, counted from now.
    ///
    /// # Errors
    ///
    /// - Whatever keeps the implementation from taking it. The callback comes
    ///   back undropped.
    #[doc(alias = "virEventAddTimeout")]
    #[doc(alias = "virEventAddTimeoutFunc")]
    fn add_timeout(
        &self,
        period: Period,
        callback: TimeoutCallback,
    ) -> Result<TimerId, Rejected<TimeoutCallback>>;

    /// Changes a timer's period and starts it again from now. One of 0 ms that is
    /// set to 0 ms again **must** still fire in every iteration. An unknown id
    /// **must** do nothing.
    #[doc(alias = "virEventUpdateTimeout")]
    #[doc(alias = "virEventUpdateTimeoutFunc")]
    fn update_timeout(&self, timer: TimerId, period: Period);

    /// Ends a timer. The callback is dropped later, by the loop.
    ///
    /// # Errors
    ///
    /// - [`Error::UnknownTimer`] if no timer has this id.
    #[doc(alias = "virEventRemoveTimeout")]
    #[doc(alias = "virEventRemoveTimeoutFunc")]
    fn remove_timeout(&self, timer: TimerId) -> Result<(), Error>;
}

macro_rules! forward {
    ($($owner:ty),+) => {$(
        impl<T: EventImpl + ?Sized> EventImpl for $owner {
            fn add_handle(
                &self,
                fd: RawFd,
                events: HandleEvents,
                callback: HandleCallback,
            ) -> Result<WatchId, Rejected<HandleCallback>> {
                (**self).add_handle(fd, events, callback)
            }

            fn update_handle(&self, watch: WatchId, events: HandleEvents) {
                (**self).update_handle(watch, events);
            }

            fn remove_handle(&self, watch: WatchId) -> Result<(), Error> {
                (**self).remove_handle(watch)
            }

            fn add_timeout(
                &self,
                period: Period,
                callback: TimeoutCallback,
            ) -> Result<TimerId, Rejected<TimeoutCallback>> {
                (**self).add_timeout(period, callback)
            }

            fn update_timeout(&self, timer: TimerId, period: Period) {
                (**self).update_timeout(timer, period);
            }

            fn remove_timeout(&self, timer: TimerId) -> Result<(), Error> {
                (**self).remove_timeout(timer)
            }
        }
    )+};
}

forward!(&T, Box<T>, Arc<T>);

const _: () = {
    const fn object_safe(_: Option<&dyn EventImpl>) {}
    object_safe(None);
};
