//! A subscription that has begun.

use std::fmt;
use std::mem;
use std::sync::Arc;

use crate::fan::Place;
use crate::monitor::Hub;
use crate::queue::Queue;
use crate::serial::Serial;

/// A subscription with a callback. Dropping it ends it: the callback is not
/// called again, but for a call that is under way on the loop's thread, and is
/// dropped a little later, by the loop, exactly once.
///
/// It may be dropped on any thread, also inside its own callback, and also
/// after the connection was closed.
///
/// # The connection
///
/// A subscription holds a reference on its connection, which stays open for
/// that long. So drop it before the end of the program, and before you `drain`
/// the loop.
///
/// # What may block
///
/// The host is told when the last subscription to a kind of events of an object,
/// or of all, is dropped, and when the last thing that came from a monitor is.
/// Both wait for its answer, and a host that has died without a word gives none.
/// After `Connect::set_keep_alive(interval, count)` the connection is given up
/// `interval` × (`count` + 1) seconds after the last word, *by the loop*: so on
/// another thread the wait ends then, and **on the loop's thread, as in a
/// callback, it does not**. Where a host may be dead, drop subscriptions,
/// monitors and connections on a thread that may block (in asynchronous programs
/// with `spawn_blocking`), and let callbacks only tell that thread.
///
/// The very last callback of a connection stays with libvirt until its monitor
/// goes, so the host goes on sending those events; they are dropped on arrival.
/// (Taking it away while an event comes in can leave libvirt 9.0 deaf.)
#[must_use = "dropping a Subscription ends it at once"]
pub struct Subscription {
    places: Vec<Place>,
    sink: Arc<dyn Ends>,
    hub: Arc<Hub>,
}

/// What a subscription feeds, and stops feeding.
pub(crate) trait Ends: Send + Sync {
    /// Nothing of the user's is called any more, nor kept.
    fn end(&self);
}

impl<T: Send + 'static> Ends for Serial<T> {
    fn end(&self) {
        self.end();
    }
}

impl<T: Send + 'static> Ends for Queue<T> {
    fn end(&self) {
        self.end();
    }
}

impl Subscription {
    /// One to nothing yet.
    pub(crate) fn new(hub: &Arc<Hub>, sink: Arc<dyn Ends>) -> Self {
        Self {
            places: Vec::new(),
            sink,
            hub: Arc::clone(hub),
        }
    }

    pub(crate) fn add(&mut self, place: Place) {
        self.places.push(place);
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if self.hub.owner().is_parent() {
            mem::forget(Arc::clone(&self.sink));
            mem::forget(mem::take(&mut self.places));
            return;
        }
        self.sink.end();
        for place in self.places.drain(..) {
            self.hub.leave(place);
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("places", &self.places)
            .finish_non_exhaustive()
    }
}
