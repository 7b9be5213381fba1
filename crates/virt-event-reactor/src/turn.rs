use std::any::Any;
use std::mem;
use std::num::{NonZeroU32, NonZeroU64};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use crate::handles::Ready;
use crate::report::Report;
use crate::state::{Removed, State, Turning};
use crate::sys::{self, Moment};
use crate::timers::Due;
use crate::{Reactor, TurnError};

/// What a turn did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "a driver of an edge-triggered loop must come back at once while `pending`"]
pub struct Turn {
    /// There may be more to do at once.
    ///
    /// A level-triggered host may ignore it: the descriptor stays readable.
    /// An edge-triggered host gets no new edge, and **must** take another turn
    /// without waiting for one. False only if the last fetch found nothing; or
    /// if there was no iteration, because another thread is in a turn, whose end
    /// gives a new edge if it leaves anything to do.
    pub pending: bool,
    /// How many iterations there were. None if the turn of another thread, a
    /// [drain](Reactor::drain) for one, was in the way.
    pub iterations: u32,
}

/// Who wants to turn.
#[derive(Clone, Copy)]
pub(crate) enum Caller {
    /// The driver with this number.
    Attachment(NonZeroU64),
    /// Somebody with a reactor in hand.
    Direct,
    /// Somebody who drains.
    Drain,
}

/// How long somebody turns.
#[derive(Clone, Copy)]
pub(crate) enum Extent {
    /// 1 to so many iterations, of which only the first may sleep.
    Iterations(NonZeroU32),
    /// Iterations that may sleep each, until it is woken or in somebody's way.
    /// Each counts as a turn.
    UntilWoken,
}

impl Extent {
    pub(crate) const ONCE: Self = Self::Iterations(NonZeroU32::MIN);
}

/// How the attempt to begin a turn went.
enum Entry<'a> {
    Entered(MutexGuard<'a, State>),
    /// Another thread is, or was, in a turn. Not `pending`: its end gives a new
    /// edge.
    InTheWay {
        pending: bool,
    },
}

type Panic = Box<dyn Any + Send>;

/// A callback that is slow only if it takes as long as this is measured by the
/// ticks of the kernel's clock, which are 1 to 10 ms long.
const COARSE_FROM: Duration = Duration::from_millis(50);

/// How long somebody waits for a turn in the way who does not want to sleep.
/// Meanwhile the descriptor may be readable all the time, and a host that
/// watches its level would spin.
pub(crate) const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// How long a driver waits for a turn that is not its own before it looks
/// again whether it is still wanted.
const LONGEST_WAIT: Duration = Duration::from_millis(10);

impl Reactor {
    /// Takes one turn of one iteration, without a driver: sleeps until there
    /// is something to do, for `timeout` at most (`None`: without limit), does
    /// it, and returns. It may return early.
    ///
    /// Allowed while no driver is attached, and inside a callback: there it
    /// serves everything but the callbacks that are running (contract C7).
    ///
    /// # Errors
    ///
    /// - [`TurnError::Attached`] if a driver is attached and this is not
    ///   inside a callback.
    /// - [`TurnError::Busy`] if another thread is in a turn.
    /// - [`TurnError::Forked`] in a child process.
    /// - [`TurnError::Io`] if the kernel refuses to wait.
    ///
    /// # Panics
    ///
    /// When a callback panics, or its drop: the first such panic goes on after
    /// the iteration is done, with everything else served.
    pub fn turn(&self, timeout: Option<Duration>) -> Result<Turn, TurnError> {
        self.turn_as(Caller::Direct, timeout, Extent::ONCE)
    }

    pub(crate) fn turn_as(
        &self,
        caller: Caller,
        timeout: Option<Duration>,
        extent: Extent,
    ) -> Result<Turn, TurnError> {
        let mut iterations = 0_u32;
        let mut state = match self.enter(caller, timeout)? {
            Entry::Entered(state) => state,
            Entry::InTheWay { pending } => {
                return Ok(Turn {
                    pending,
                    iterations,
                });
            }
        };
        let mut timeout = timeout;
        // A drain leaves wake-ups to those whom they are meant for.
        let takes_wakes = !matches!(caller, Caller::Drain);
        if takes_wakes && self.poller.wakes() != state.wakes_taken {
            timeout = Some(Duration::ZERO);
        }
        let outcome = loop {
            let mut events = state.take_event_buffer();
            drop(state);
            let waited = self.poller.wait(&mut events, timeout);
            state = self.lock();
            if waited.is_err() || (events.is_empty() && iterations > 0) {
                state.events = events;
                break waited.map(|()| false).map_err(TurnError::from);
            }
            iterations = iterations.saturating_add(1);
            let taken = state.wakes_taken;
            if takes_wakes && (iterations == 1 || matches!(extent, Extent::UntilWoken)) {
                state.wakes_taken = self.poller.wakes();
            }
            let found_nothing = events.is_empty();
            let panic;
            (state, panic) = self.iterate(state, events, takes_wakes)?;
            if let Some(panic) = panic {
                self.leave(state);
                resume_unwind(panic);
            }
            let is_over = match caller {
                // Detached meanwhile, perhaps with another driver waiting.
                Caller::Attachment(id) if state.attached != Some(id) => true,
                // Woken meanwhile: that ends this turn, or the next one.
                _ => takes_wakes && self.poller.wakes() != state.wakes_taken,
            };
            let is_enough = match extent {
                Extent::Iterations(budget) => found_nothing || iterations >= budget.get(),
                // A nested turn may have taken a wake-up that is meant for all.
                Extent::UntilWoken => state.wakes_taken != taken || state.is_waited_for(),
            };
            if is_over || is_enough {
                break Ok(!found_nothing);
            }
            match extent {
                Extent::Iterations(_) => timeout = Some(Duration::ZERO),
                Extent::UntilWoken => {
                    timeout = None;
                    state.counters.turns += 1;
                }
            }
        };
        self.leave(state);
        outcome.map(|pending| Turn {
            pending,
            iterations,
        })
    }

    /// Begins a turn, if the caller may take one and no other thread is in one.
    fn enter(&self, caller: Caller, timeout: Option<Duration>) -> Result<Entry<'_>, TurnError> {
        if self.is_forked() {
            return Err(TurnError::Forked);
        }
        let thread = sys::thread_mark();
        let mut state = self.lock();
        let mut has_waited = false;
        loop {
            let nested = state
                .turning
                .is_some_and(|turning| turning.thread == thread);
            match caller {
                Caller::Attachment(id) if state.attached != Some(id) => {
                    return Err(TurnError::Detached);
                }
                Caller::Direct if state.attached.is_some() && !nested => {
                    return Err(TurnError::Attached);
                }
                _ => {}
            }
            match (state.turning, caller) {
                (Some(turning), _) if nested => {
                    state.turning = Some(Turning {
                        depth: turning.depth + 1,
                        ..turning
                    });
                    break;
                }
                // Somebody drains, or the driver before this one ends its last
                // turn: nobody's mistake. The wait is short, because no wake-up
                // ends it, and takes the place of a turn.
                (Some(turning), Caller::Attachment(id)) if turning.driver != Some(id) => {
                    if has_waited {
                        let sleeps = timeout != Some(Duration::ZERO);
                        state.turned_away |= !sleeps;
                        return Ok(Entry::InTheWay { pending: sleeps });
                    }
                    let limit = timeout.map_or(LONGEST_WAIT, |timeout| {
                        timeout.clamp(SHORTEST_WAIT, LONGEST_WAIT)
                    });
                    state = self.wait_for_turn(state, limit);
                    has_waited = true;
                }
                (Some(_), caller) => {
                    state.turned_away |= matches!(caller, Caller::Drain);
                    return Err(TurnError::Busy);
                }
                (None, _) if has_waited => return Ok(Entry::InTheWay { pending: true }),
                (None, _) => {
                    state.turning = Some(Turning {
                        thread,
                        depth: 1,
                        driver: match caller {
                            Caller::Attachment(id) => Some(id),
                            Caller::Direct | Caller::Drain => None,
                        },
                    });
                    break;
                }
            }
        }
        state.counters.turns += 1;
        // A nested turn makes stale what the outer one has fetched; what was
        // not called is still ready and is fetched again.
        state.batch.clear();
        if let Some(watch) = state.running.take() {
            // If it is refused, the turn finds it ready, and does not call it.
            let _ = state.handles.suspend(&self.poller, watch);
        }
        Ok(Entry::Entered(state))
    }

    fn leave(&self, mut state: MutexGuard<'_, State>) {
        state.turning = match state.turning {
            Some(turning) if turning.depth > 1 => Some(Turning {
                depth: turning.depth - 1,
                ..turning
            }),
            _ => {
                // Telling nobody would still cost a system call.
                if state.turn_waiters > 0 {
                    self.turn_ended.notify_all();
                }
                state.tell_drainers(&self.poller);
                if mem::take(&mut state.turned_away) {
                    self.poller.kick();
                }
                None
            }
        };
    }

    /// Waits until the turn of another thread has ended, for `limit` at most.
    pub(crate) fn wait_for_turn<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        limit: Duration,
    ) -> MutexGuard<'a, State> {
        state.turn_waiters += 1;
        let (mut state, _) = self
            .turn_ended
            .wait_timeout(state, limit)
            .unwrap_or_else(PoisonError::into_inner);
        state.turn_waiters -= 1;
        state
    }

    /// One iteration over what was fetched: every ready watch once, every due
    /// timer once, then the frees.
    fn iterate<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        events: sys::Events,
        keep_wakes: bool,
    ) -> Result<(MutexGuard<'a, State>, Option<Panic>), Forked> {
        let found = {
            let State { handles, batch, .. } = &mut *state;
            handles.resolve(&self.poller, &events, batch)
        };
        state.events = events;
        if let Some(fd) = found.duplicate {
            state = self.tell(state, Report::Duplicate { fd })?;
        }

        // The alarm goes off when the earliest timer is due. Without it none is,
        // and the exact time need not be known.
        state.gone_off |= found.alarm;
        let exactly = found.alarm.then(sys::now);
        let moment = state.timers.begin_iteration(exactly);
        state.counters.iterations += 1;
        // A callback that always panics must not starve the others: the first
        // panic goes on when the iteration is done. The panic hook has reported
        // all of them.
        let mut first_panic = None;
        let mut note = |panic: Option<Panic>| match panic {
            // What a payload does when it is dropped is anybody's guess.
            Some(panic) if first_panic.is_some() => mem::forget(panic),
            Some(panic) => first_panic = Some(panic),
            None => {}
        };
        let mut panic;
        let mut now = exactly.unwrap_or_else(|| self.time_of_calls());
        let calls_come_first = !state.batch.is_empty();
        while let Some(ready) = state.batch.pop_front() {
            (state, panic) = self.call_handle(state, ready, &mut now)?;
            note(panic);
        }
        if found.alarm {
            if calls_come_first {
                now = sys::now();
            }
            while let Some(due) = state.timers.take_due(moment, now) {
                (state, panic) = self.call_timeout(state, due, &mut now)?;
                note(panic);
            }
        }
        // Frees that frees bring about wait for the next iteration.
        let frees = state.graveyard.len();
        for _ in 0..frees {
            (state, panic) = self.free_one(state)?;
            note(panic);
        }
        if frees > 0 {
            now = now.max(sys::now_coarse());
        }
        state.settle(&self.poller, now, found.kick, keep_wakes);
        Ok((state, first_panic))
    }

    /// Calls a ready watch, if it is still owed the call.
    fn call_handle<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        ready: Ready,
        now: &mut Moment,
    ) -> Result<(MutexGuard<'a, State>, Option<Panic>), Forked> {
        let Some(mut call) = state.handles.take(ready) else {
            return Ok((state, None));
        };
        let (watch, fd) = (call.watch, call.fd);
        state.running = Some(watch);
        let turns = state.counters.turns;
        let called = self.unlocked(state, || call.callback.call(watch, fd, call.events));
        let (mut state, panic) = match called {
            Ok(back) => back,
            Err(forked) => {
                mem::forget(call.callback);
                return Err(forked);
            }
        };
        let took = lap(now, self.time_of_calls());
        state.running = None;
        let (synced, removed) = state.handles.put_back(&self.poller, call);
        if let Some(callback) = removed {
            state.doomed -= 1;
            state.bury(&self.poller, Removed::Handle(callback));
        }
        if let Err(refused) = synced {
            state = self.tell(state, Report::Refused(refused))?;
        }
        if state.count_call(turns, took) > self.slow_callback
            && state.handles.first_slow_call(watch)
        {
            state.counters.warnings += 1;
            state = self.tell(state, Report::SlowHandle { watch, fd, took })?;
            *now = self.time_of_calls();
        }
        Ok((state, panic))
    }

    /// Calls a due timer.
    fn call_timeout<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        mut due: Due,
        now: &mut Moment,
    ) -> Result<(MutexGuard<'a, State>, Option<Panic>), Forked> {
        let timer = due.timer;
        let turns = state.counters.turns;
        let (mut state, panic) = match self.unlocked(state, || due.callback.call(timer)) {
            Ok(back) => back,
            Err(forked) => {
                mem::forget(due.callback);
                return Err(forked);
            }
        };
        let took = lap(now, sys::now());
        if let Some(callback) = state.timers.put_back(due) {
            state.doomed -= 1;
            state.bury(&self.poller, Removed::Timeout(callback));
        }
        if state.count_call(turns, took) > self.slow_callback && state.timers.first_slow_call(timer)
        {
            state.counters.warnings += 1;
            state = self.tell(state, Report::SlowTimeout { timer, took })?;
            *now = sys::now();
        }
        Ok((state, panic))
    }

    /// Frees the oldest removed callback, if a nested turn has not done so.
    fn free_one<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
    ) -> Result<(MutexGuard<'a, State>, Option<Panic>), Forked> {
        let Some(removed) = state.graveyard.pop_front() else {
            return Ok((state, None));
        };
        state.doomed += 1;
        let (mut state, panic) = self.unlocked(state, || drop(removed))?;
        state.doomed -= 1;
        Ok((state, panic))
    }

    /// Emits a report without the lock.
    fn tell<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        report: Report,
    ) -> Result<MutexGuard<'a, State>, Forked> {
        let (state, _) = self.unlocked(state, || report.emit())?;
        Ok(state)
    }

    /// The time, as exactly as it has to be known of how long watches' callbacks
    /// take. A look at the exact time is the dearest part of an event but for
    /// the system calls.
    fn time_of_calls(&self) -> Moment {
        if self.slow_callback < COARSE_FROM {
            sys::now()
        } else {
            sys::now_coarse()
        }
    }

    /// Runs foreign code without the lock, and takes the lock again. Not in a
    /// child that came back from the foreign code: there the lock may be held
    /// for ever, and the kernel's set is the parent's.
    fn unlocked<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        foreign: impl FnOnce(),
    ) -> Result<(MutexGuard<'a, State>, Option<Panic>), Forked> {
        drop(state);
        let outcome = catch_unwind(AssertUnwindSafe(foreign));
        if self.is_forked() {
            mem::forget(outcome);
            return Err(Forked);
        }
        Ok((self.lock(), outcome.err()))
    }
}

/// The foreign code forked, and this is the child.
struct Forked;

impl From<Forked> for TurnError {
    fn from(_: Forked) -> Self {
        Self::Forked
    }
}

impl State {
    /// Counts a call, and returns the time that it kept the loop: none if it
    /// turned the loop itself meanwhile.
    fn count_call(&mut self, turns_before: u64, took: Duration) -> Duration {
        let took = if self.counters.turns == turns_before {
            took
        } else {
            Duration::ZERO
        };
        self.counters.callbacks += 1;
        self.counters.longest_callback = self.counters.longest_callback.max(took);
        took
    }
}

/// The time since `then`, which becomes `now`.
fn lap(then: &mut Moment, now: Moment) -> Duration {
    let before = mem::replace(then, now);
    Duration::from_nanos(now.saturating_sub(before))
}
