use std::num::NonZeroU32;
use std::time::Duration;

use crate::state::State;
use crate::sys;
use crate::turn::Caller;
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
    /// waits. `limit` is measured on `CLOCK_MONOTONIC`.
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
            return Err(NotDrained {
                left: Vec::new(),
                pending_frees: 0,
                cause: Some(TurnError::Forked),
            });
        }
        let deadline = sys::after(sys::now(), limit);
        let mut cause = None;
        loop {
            let state = self.lock();
            if state.is_idle() {
                return Ok(());
            }
            let left = Duration::from_nanos(deadline.saturating_sub(sys::now()));
            if left.is_zero() || cause.is_some() {
                return Err(NotDrained {
                    left: leftovers(&state),
                    pending_frees: state.pending_frees(),
                    cause,
                });
            }
            match state.turning {
                Some(turning) if turning.thread != sys::thread_mark() => {
                    drop(self.wait_for_turn(state, Some(left)));
                }
                _ => {
                    drop(state);
                    match self.turn_as(Caller::Drain, Some(left), NonZeroU32::MIN) {
                        // Somebody began a turn in between: wait for it.
                        Ok(_) | Err(TurnError::Busy) => {}
                        Err(error) => cause = Some(error),
                    }
                }
            }
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
