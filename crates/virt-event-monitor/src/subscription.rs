//! A subscription that has begun.

use std::fmt;
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
/// Dropping the last subscription to a kind of events on a connection, or the
/// last thing that came from its monitor, tells the host and waits for the
/// answer. From a host that has died without a word it never comes, unless `Connect::set_keep_alive(interval, count)` was called:
/// then the connection is given up after `interval` × (`count` + 1) seconds.
/// Asynchronous programs that talk to such hosts drop their subscriptions and
/// connections where blocking is allowed, such as in tokio's `spawn_blocking`.
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
