use std::io;
use std::mem;
use std::num::NonZeroU32;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::yield_now;
use virt_event_reactor::{DrainStep, NotDrained, Reactor, Stats, TurnError};

use crate::async_fd::register;
use crate::attach::current;

/// The user's end: stop driving, wind down, look.
///
/// Dropping it changes nothing; the runtime goes on driving. All methods work
/// from any thread, also when the runtime is gone.
#[derive(Clone, Debug)]
pub struct Driver(virt_event_reactor::Driver);

impl Driver {
    pub(crate) fn new(inner: virt_event_reactor::Driver) -> Self {
        Self(inner)
    }

    /// Turns until nothing is registered and nothing awaits freeing; this is
    /// how a program ends cleanly.
    ///
    /// libvirt keeps callbacks registered for a short time after
    /// `virConnectClose`, and for as long as a domain or another object holds
    /// the connection: drop those first.
    ///
    /// It turns the reactor itself, beside the driver if that is alive, and
    /// works as well after [`detach`](Self::detach), on another runtime, and
    /// when the driver's runtime is gone. Without a runtime there is the one
    /// that blocks: [`Reactor::drain`].
    ///
    /// `limit` is measured on `CLOCK_MONOTONIC` from the first poll. A paused
    /// clock of tokio's does not matter to it (but would to a
    /// `tokio::time::timeout` around it, which fires at once while nothing
    /// but libvirt is waited for). A limit of zero takes no turn, and so asks
    /// whether anything is left.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future calls the drain off and loses nothing; what was not
    /// done yet is left to the driver, or to the next drain.
    ///
    /// # Errors
    ///
    /// - [`NotDrained`], with a list of what is left, when `limit` is over; or
    ///   at once, with the [`cause`](NotDrained::cause), if the current runtime
    ///   cannot wait: there is none, it does no IO, or it is being shut down.
    pub async fn drain(&self, limit: Duration) -> Result<(), NotDrained> {
        let draining = self.reactor().start_drain(limit)?;
        let watched = match current().and_then(|handle| register(draining, &handle)) {
            Ok(watched) => watched,
            Err(error) => {
                let error = format!("{error}; without one, `Reactor::drain` blocks instead");
                return self.look_what_is_left(io::Error::other(error));
            }
        };
        loop {
            // A callback's panic has been reported by the panic hook, and
            // must not decide whether everything else is wound down.
            let step = || watched.get_ref().step();
            match catch_unwind(AssertUnwindSafe(step)).map_err(mem::forget) {
                Ok(stepped) => match stepped? {
                    DrainStep::Drained => return Ok(()),
                    DrainStep::Wait => match watched.readable().await {
                        // Before the step, so that nothing is missed.
                        Ok(mut guard) => guard.clear_ready(),
                        Err(error) => return self.look_what_is_left(error),
                    },
                    DrainStep::Again => yield_now().await,
                },
                Err(()) => yield_now().await,
            }
        }
    }

    /// Stops driving: the task of [`attach`](crate::attach) and
    /// [`install`](crate::install) ends, and a [`Drive`](crate::Drive)
    /// resolves. When this returns no further turn of this driver begins (one
    /// that is in progress ends when its callbacks have returned), and another
    /// driver may be attached, on any runtime and any kind of loop; registered
    /// watches and timers wait for it.
    ///
    /// Doing it again does nothing.
    pub fn detach(&self) {
        self.0.detach();
    }

    /// Whether it still drives the reactor. False after
    /// [`detach`](Self::detach), and when the runtime was dropped.
    pub fn is_attached(&self) -> bool {
        self.0.is_attached()
    }

    /// Makes the driver take a turn.
    pub fn wake(&self) {
        self.0.wake();
    }

    /// What the reactor holds and has done.
    pub fn stats(&self) -> Stats {
        self.0.stats()
    }

    /// Sets how many iterations a turn may have: more is faster under load,
    /// fewer is fairer to the other tasks. After each turn the driver yields.
    /// [`DEFAULT_BUDGET`](virt_event_reactor::DEFAULT_BUDGET) unless set; 16 on
    /// a multi-thread runtime, where [others do not wait for a
    /// turn](crate#callbacks-that-block).
    pub fn set_budget(&self, iterations: NonZeroU32) {
        self.0.set_budget(iterations);
    }

    /// What is being driven.
    pub fn reactor(&self) -> &Arc<Reactor> {
        self.0.reactor()
    }

    /// For a drain that cannot wait, and has this reason for it.
    fn look_what_is_left(&self, reason: io::Error) -> Result<(), NotDrained> {
        self.reactor().drain(Duration::ZERO).map_err(|mut left| {
            left.cause.get_or_insert(TurnError::Io(reason));
            left
        })
    }
}
