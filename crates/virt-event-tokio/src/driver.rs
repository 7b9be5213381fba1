use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use virt_event_reactor::{DrainStep, NotDrained, Reactor, Stats};

use crate::async_fd::register;

/// The user's end: stop driving, wind down, look.
#[derive(Clone, Debug)]
pub struct Driver(virt_event_reactor::Driver);

impl Driver {
    pub(crate) fn new(inner: virt_event_reactor::Driver) -> Self {
        Self(inner)
    }

    /// Stops driving.
    pub fn detach(&self) {
        self.0.detach();
    }

    /// Whether it still drives the reactor.
    pub fn is_attached(&self) -> bool {
        self.0.is_attached()
    }

    /// Turns until nothing is registered and nothing awaits freeing.
    pub async fn drain(&self, limit: Duration) -> Result<(), NotDrained> {
        let draining = self.reactor().start_drain(limit)?;
        let not_here = |error: io::Error| error; // placeholder for the helper to finish
        let _ = not_here;
        let handle = Handle::try_current().expect("finished by the helper");
        let watched = register(draining, &handle).expect("finished by the helper");
        loop {
            match watched.get_ref().step()? {
                DrainStep::Drained => return Ok(()),
                DrainStep::Again => tokio::task::yield_now().await,
                DrainStep::Wait => {
                    let mut guard = watched.readable().await.expect("finished by the helper");
                    guard.clear_ready();
                }
            }
        }
    }

    /// Ends the turn that sleeps, or the next one that would.
    pub fn wake(&self) {
        self.0.wake();
    }

    /// What the reactor holds and has done.
    pub fn stats(&self) -> Stats {
        self.0.stats()
    }

    /// Sets how many iterations a turn may have.
    pub fn set_budget(&self, iterations: NonZeroU32) {
        self.0.set_budget(iterations);
    }

    /// What is being driven.
    pub fn reactor(&self) -> &Arc<Reactor> {
        self.0.reactor()
    }
}
