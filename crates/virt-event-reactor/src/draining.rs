use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use crate::sys::{self, DrainSet, Moment};
use crate::turn::{Caller, Extent, SHORTEST_WAIT};
use crate::{NotDrained, Reactor, TurnError};

impl Reactor {
    /// Begins a [drain](Self::drain) that does not block, for adapters whose
    /// hosts wait in ways of their own. `limit` is measured from now.
    ///
    /// # Errors
    ///
    /// - [`NotDrained`] if the kernel has no descriptors to give (two are
    ///   needed), or in a forked child.
    pub fn start_drain(self: &Arc<Self>, limit: Duration) -> Result<Draining, NotDrained> {
        if self.is_forked() {
            return Err(NotDrained::forked());
        }
        let deadline = sys::after(sys::now(), limit);
        let set = match DrainSet::new(&self.poller, deadline) {
            Ok(set) => set,
            Err(error) => {
                let cause = Some(TurnError::Io(error));
                return Err(NotDrained::because(&self.lock(), cause));
            }
        };
        let mut state = self.lock();
        state.drainers += 1;
        state.tell_drainers(&self.poller);
        drop(state);
        Ok(Draining {
            reactor: Arc::clone(self),
            set,
            deadline,
        })
    }
}

/// A drain under way that does not block.
///
/// Whoever has it watches the descriptor ([`AsFd`]) for reading, and takes
/// [steps](Self::step) until the drain is over. Dropping it calls it off, and
/// loses nothing. It drains beside a driver as well as without one.
#[must_use = "a drain goes on only as far as its steps"]
pub struct Draining {
    reactor: Arc<Reactor>,
    set: DrainSet,
    deadline: Moment,
}

/// How far a [`Draining`] has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an edge-triggered host must come back at once after `Again`"]
pub enum DrainStep {
    /// Nothing is registered and nothing awaits freeing.
    Drained,
    /// There may be more to do at once. A level-triggered host may wait for
    /// the descriptor; an edge-triggered one **must** take another step without
    /// waiting.
    Again,
    /// Take another step when the descriptor is readable.
    Wait,
}

impl Draining {
    /// Takes one turn of one iteration, if nothing keeps it from that, without
    /// sleeping (but for 1 ms if another thread is in a turn).
    ///
    /// # Errors
    ///
    /// - [`NotDrained`], with a list of what is left, when the time is over; or
    ///   at once if no turn can be taken.
    ///
    /// # Panics
    ///
    /// When a callback panics, or its drop. Another step may be taken, and an
    /// edge-triggered host **must** not wait before it.
    pub fn step(&self) -> Result<DrainStep, NotDrained> {
        if self.is_over()? {
            return Ok(DrainStep::Drained);
        }
        let turn = self
            .reactor
            .turn_as(Caller::Drain, Some(Duration::ZERO), Extent::ONCE);
        let pending = match turn {
            Ok(turn) => turn.pending,
            // Its end wakes us. A host that watches the level would spin until
            // then, so that this sleeps a little.
            Err(TurnError::Busy) => {
                drop(
                    self.reactor
                        .wait_for_turn(self.reactor.lock(), SHORTEST_WAIT),
                );
                return Ok(DrainStep::Wait);
            }
            Err(TurnError::Forked) => return Err(NotDrained::forked()),
            Err(error) => return Err(NotDrained::because(&self.reactor.lock(), Some(error))),
        };
        Ok(if self.reactor.lock().is_idle() {
            DrainStep::Drained
        } else if pending {
            DrainStep::Again
        } else {
            DrainStep::Wait
        })
    }

    /// Whether nothing is left, without a turn: for a host that knows that its
    /// driver is at work. Look again when the descriptor is readable; on the
    /// way it becomes so for other reasons, too.
    ///
    /// # Errors
    ///
    /// - [`NotDrained`], with a list of what is left, when the time is over.
    pub fn is_over(&self) -> Result<bool, NotDrained> {
        if self.reactor.is_forked() {
            return Err(NotDrained::forked());
        }
        let mut state = self.reactor.lock();
        if state.is_idle() {
            return Ok(true);
        }
        // It may have been idle for a moment, and will say so only once unless
        // that is taken back.
        state.tell_drainers(&self.reactor.poller);
        if sys::now() >= self.deadline {
            return Err(NotDrained::because(&state, None));
        }
        Ok(false)
    }

    /// What is drained.
    pub fn reactor(&self) -> &Arc<Reactor> {
        &self.reactor
    }
}

impl Drop for Draining {
    fn drop(&mut self) {
        if self.reactor.is_forked() {
            return;
        }
        let mut state = self.reactor.lock();
        state.drainers -= 1;
        state.tell_drainers(&self.reactor.poller);
        state.pass_on_wakes(&self.reactor.poller);
    }
}

impl AsFd for Draining {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.set.as_fd()
    }
}

impl AsRawFd for Draining {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for Draining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draining")
            .field("reactor", &self.reactor)
            .finish_non_exhaustive()
    }
}
