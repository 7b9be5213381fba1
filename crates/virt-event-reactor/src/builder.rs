use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::Reactor;

/// Settings of a [`Reactor`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    pub(crate) first_id: i32,
    pub(crate) slow_callback: Duration,
    pub(crate) stall_after: Duration,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            first_id: 1,
            slow_callback: Duration::from_millis(100),
            stall_after: Duration::from_secs(5),
        }
    }

    /// The first id of watches and of timers; 1 unless set. Numbers below 1
    /// count as 1. For tests of what happens when ids run out.
    pub fn first_id(mut self, first_id: i32) -> Self {
        self.first_id = first_id.max(1);
        self
    }

    /// How long a callback may take before it is reported, once for each
    /// watch or timer; 100 ms unless set. A loop in a callback answers no
    /// keepalive probe.
    ///
    /// From 50 ms on, callbacks of watches are measured in ticks of the
    /// kernel's clock, 1 to 10 ms each: one that takes so much longer may pass
    /// unreported. Under 50 ms all are measured exactly, at the cost of a look at the
    /// clock around each call.
    pub fn slow_callback(mut self, threshold: Duration) -> Self {
        self.slow_callback = threshold;
        self
    }

    /// How long work may wait on a loop that nobody runs before that is
    /// reported; 5 s unless set.
    pub fn stall_after(mut self, threshold: Duration) -> Self {
        self.stall_after = threshold;
        self
    }

    /// Makes the reactor.
    ///
    /// # Errors
    ///
    /// - The kernel's, if it has no more descriptors to give (four are
    ///   needed).
    pub fn build(self) -> io::Result<Arc<Reactor>> {
        Reactor::with(&self).map(Arc::new)
    }
}
