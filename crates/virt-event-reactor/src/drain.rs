use std::time::Duration;

use crate::state::State;
use crate::sys;
use crate::turn::{Caller, Extent};
use crate::{Leftover, NotDrained, Reactor, TurnError};

impl Reactor {
    /// Turns, on the calling thread, until nothing is registered and nothing
    /// awaits freeing; this is how a program ends cleanly.
    ///
    /// libvirt keeps callbacks registered for a short time after
    /// `virConnectClose`, and for as long as a domain or another object holds
    /// the connection: drop those first.
    ///
    /// Works with and without a driver, also after its host loop has ended.
    /// While another thread is in a turn, that one does the work and this one
    /// waits. `limit` is measured on `CLOCK_MONOTONIC`; a limit of zero takes
    /// no turn, and so asks whether anything is left.
    ///
    /// Inside a callback it cannot succeed before that callback returns, and
    /// uses up all of `limit`.
    ///
    /// # Errors
    ///
    /// - [`NotDrained`], with a list of what is left, when `limit` is over; or
    ///   at once if no turn can be taken.
    ///
    /// # Panics
    ///
    /// When a callback panics, or its drop.
    pub fn drain(&self, limit: Duration) -> Result<(), NotDrained> {
        if self.is_forked() {
            return Err(NotDrained::forked());
        }
        let _wakes = PassesOnWakes(self);
        let deadline = sys::after(sys::now(), limit);
        let mut cause = None;
        loop {
            let mut state = self.lock();
            if state.is_idle() {
                return Ok(());
            }
            let left = Duration::from_nanos(deadline.saturating_sub(sys::now()));
            if left.is_zero() || cause.is_some() {
                return Err(NotDrained::because(&state, cause));
            }
            match state.turning {
                Some(turning) if turning.thread != sys::thread_mark() => {
                    drop(self.wait_for_turn(state, left));
                }
                _ => {
                    state.drainers += 1;
                    state.tell_drainers(&self.poller);
                    drop(state);
                    // Not asleep in the turn, which would keep a driver out.
                    let slept = self.poller.sleep(left);
                    let mut state = self.lock();
                    state.drainers -= 1;
                    state.tell_drainers(&self.poller);
                    drop(state);
                    let turned = slept.map_err(TurnError::from).and_then(|()| {
                        self.turn_as(Caller::Drain, Some(Duration::ZERO), Extent::ONCE)
                    });
                    match turned {
                        // Somebody began a turn in between: wait for it.
                        Ok(_) | Err(TurnError::Busy) => {}
                        Err(TurnError::Forked) => return Err(NotDrained::forked()),
                        Err(error) => cause = Some(error),
                    }
                }
            }
        }
    }
}

/// Does so when it is dropped, also by a panic.
struct PassesOnWakes<'a>(&'a Reactor);

impl Drop for PassesOnWakes<'_> {
    fn drop(&mut self) {
        if !self.0.is_forked() {
            self.0.lock().pass_on_wakes(&self.0.poller);
        }
    }
}

impl NotDrained {
    pub(crate) fn because(state: &State, cause: Option<TurnError>) -> Self {
        Self {
            left: leftovers(state),
            pending_frees: state.pending_frees(),
            cause,
        }
    }

    pub(crate) fn forked() -> Self {
        Self {
            left: Vec::new(),
            pending_frees: 0,
            cause: Some(TurnError::Forked),
        }
    }
}

fn leftovers(state: &State) -> Vec<Leftover> {
    let handles = state
        .handles
        .iter()
        .map(|(watch, fd, events)| Leftover::Handle { watch, fd, events });
    let timeouts = state
        .timers
        .iter()
        .map(|(timer, period)| Leftover::Timeout { timer, period });
    let mut left: Vec<_> = handles.chain(timeouts).collect();
    left.sort_by_key(|entry| match *entry {
        Leftover::Handle { watch, .. } => (0, watch.get()),
        Leftover::Timeout { timer, .. } => (1, timer.get()),
    });
    left
}
