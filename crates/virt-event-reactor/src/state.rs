use std::collections::VecDeque;
use std::num::NonZeroU64;

use virt_event::{HandleCallback, TimeoutCallback, WatchId};

use crate::handles::{Handles, Ready};
use crate::report::Report;
use crate::stats::Stats;
use crate::sys::{Events, Moment, Poller, now_coarse};
use crate::timers::Timers;
use crate::watchdog::{Observation, Watchdog};

/// Everything that the reactor's one lock guards. No callback is called or
/// dropped, and no foreign code entered, while it is held.
pub(crate) struct State {
    pub(crate) handles: Handles,
    pub(crate) timers: Timers,
    /// Callbacks of removed entries, to be dropped by the loop.
    pub(crate) graveyard: VecDeque<Removed>,
    /// Since when the graveyard has not been empty.
    pub(crate) oldest_free: Option<Moment>,
    /// Removed callbacks that are not in the graveyard: they run, or they are
    /// being dropped.
    pub(crate) doomed: usize,
    /// What the iteration in progress still has to call. A nested turn empties
    /// it: what it held is stale then.
    pub(crate) batch: VecDeque<Ready>,
    /// The buffer for fetching; out of here while a thread waits.
    pub(crate) events: Events,
    /// The watch whose callback runs, until a nested turn suspends it.
    pub(crate) running: Option<WatchId>,
    /// Who turns.
    pub(crate) turning: Option<Turning>,
    /// When the newest iteration ended.
    pub(crate) settled: Moment,
    /// How many drains are under way and sleep.
    pub(crate) drainers: usize,
    /// They have been told that all is drained.
    drained: bool,
    /// How many wake-ups have ended a turn, or been too late for one.
    pub(crate) wakes_taken: u64,
    /// How many threads wait for the turn of another to end.
    pub(crate) turn_waiters: usize,
    /// The turn in progress has kept somebody out who does not wait for it, but
    /// for the descriptor. Its end kicks.
    pub(crate) turned_away: bool,
    /// The driver that is attached.
    pub(crate) attached: Option<NonZeroU64>,
    /// How many drivers were ever attached.
    pub(crate) attachments: u64,
    /// The deadline that the alarm is set for.
    alarm: Option<Moment>,
    /// The alarm has gone off, which a fetch has found, and is readable until it
    /// is set again.
    pub(crate) gone_off: bool,
    /// We made the kick readable ourselves and have not taken it back.
    kicked: bool,
    pub(crate) counters: Stats,
    pub(crate) watchdog: Watchdog,
}

/// A callback whose entry was removed. Dropping it frees it.
#[expect(dead_code, reason = "only held for its drop")]
pub(crate) enum Removed {
    Handle(HandleCallback),
    Timeout(TimeoutCallback),
}

/// The thread that is in a turn.
#[derive(Clone, Copy)]
pub(crate) struct Turning {
    pub(crate) thread: usize,
    /// 1 for a turn that is not nested.
    pub(crate) depth: u32,
    /// The driver in whose name, if in one's.
    pub(crate) driver: Option<NonZeroU64>,
}

/// How much later than the deadline an alarm is that an iteration sets when it
/// ends, in nanoseconds: as much as the kernel gives to those who sleep in `poll`.
/// Timers that are due soon after each other then share an iteration. Otherwise
/// each that fires again would take one to itself, because the next deadline of each
/// is counted from its own call.
const SLACK: u64 = 50_000;

impl State {
    pub(crate) fn new(first_id: i32, watchdog: Watchdog) -> Self {
        Self {
            handles: Handles::new(first_id),
            timers: Timers::new(first_id),
            graveyard: VecDeque::new(),
            oldest_free: None,
            doomed: 0,
            batch: VecDeque::new(),
            events: Events::default(),
            running: None,
            turning: None,
            settled: 0,
            drainers: 0,
            drained: false,
            wakes_taken: 0,
            turn_waiters: 0,
            turned_away: false,
            attached: None,
            attachments: 0,
            alarm: None,
            gone_off: false,
            kicked: false,
            counters: Stats::default(),
            watchdog,
        }
    }

    pub(crate) fn pending_frees(&self) -> usize {
        self.graveyard.len() + self.doomed
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.handles.len() == 0 && self.timers.len() == 0 && self.pending_frees() == 0
    }

    /// Tells those who drain that there is nothing left, if so; or takes that
    /// back.
    pub(crate) fn tell_drainers(&mut self, poller: &Poller) {
        let drained = self.drainers > 0 && self.is_idle();
        if drained != self.drained {
            self.drained = drained;
            poller.set_drained(drained);
        }
    }

    /// Ends a drain, which may have used up the kick of a wake-up that is meant
    /// for a driver.
    pub(crate) fn pass_on_wakes(&mut self, poller: &Poller) {
        if poller.wakes() != self.wakes_taken {
            poller.kick();
        }
    }

    /// Hands a callback to the loop for dropping; the first one wakes it.
    pub(crate) fn bury(&mut self, poller: &Poller, removed: Removed) {
        if self.graveyard.is_empty() {
            self.oldest_free = Some(now_coarse());
        }
        self.graveyard.push_back(removed);
        self.kick(poller);
    }

    /// Keeps the reactor readable until an iteration finds nothing more to do
    /// at once.
    pub(crate) fn kick(&mut self, poller: &Poller) {
        if !self.kicked {
            self.kicked = true;
            poller.kick();
        }
    }

    /// Sets the alarm to the earliest deadline, if that has moved earlier.
    pub(crate) fn advance_alarm(&mut self, poller: &Poller) {
        let Some(earliest) = self.timers.earliest() else {
            return;
        };
        if self.alarm.is_none_or(|alarm| earliest < alarm) {
            self.set_alarm(poller, Some(earliest), 0);
        }
    }

    /// Sets the alarm for a deadline, and so much later.
    fn set_alarm(&mut self, poller: &Poller, deadline: Option<Moment>, later: u64) {
        self.alarm = deadline;
        self.gone_off = false;
        poller.set_alarm(deadline.map(|deadline| deadline.saturating_add(later)));
    }

    /// Ends an iteration: leaves the reactor readable if, and as soon as,
    /// there is something to do. `now` is exact if the alarm has gone off;
    /// `kick_seen`: the fetch found it kicked; `keep_wakes`: it stays kicked for
    /// a wake-up that no turn has taken.
    pub(crate) fn settle(
        &mut self,
        poller: &Poller,
        now: Moment,
        kick_seen: bool,
        keep_wakes: bool,
    ) {
        self.settled = now;
        // What an iteration leaves there was removed while it freed the rest.
        self.oldest_free = (!self.graveyard.is_empty()).then_some(now);
        if !self.graveyard.is_empty() || self.handles.always_ready_work() {
            self.kick(poller);
        } else if self.kicked || kick_seen {
            self.kicked = false;
            poller.unkick();
            if keep_wakes && poller.wakes() != self.wakes_taken {
                poller.kick();
            }
        }

        let earliest = self.timers.earliest();
        let is_due = earliest.is_some_and(|earliest| earliest <= now);
        let right = match earliest {
            // It may go off early for once; that is cheaper than a call now.
            Some(earliest) if !self.gone_off => self.alarm.is_some_and(|alarm| alarm <= earliest),
            Some(_) => is_due,
            None => !self.gone_off,
        };
        if !right {
            self.set_alarm(poller, earliest, if is_due { 0 } else { SLACK });
        }
    }

    /// Whether somebody waits for the turn in progress to end.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.turn_waiters > 0 || self.drainers > 0 || self.turned_away
    }

    /// Looks whether the loop is run, at most every so often unless
    /// `thorough`. The time is asked for only where the loop is not in a turn.
    pub(crate) fn check_running(
        &mut self,
        poller: &Poller,
        thorough: bool,
        now: impl FnOnce() -> Moment,
    ) -> Option<Report> {
        if self.turning.is_some() {
            return None;
        }
        let now = now();
        if !thorough && !self.watchdog.is_due(now) {
            return None;
        }
        let seen = Observation {
            now,
            turns: self.counters.turns,
            settled: self.settled,
            earliest_timer: self.timers.earliest(),
            oldest_free: self.oldest_free,
            ready: self.any_descriptor_ready(poller),
        };
        if !self.watchdog.look(&seen) {
            return None;
        }
        self.counters.warnings += 1;
        Some(Report::Stalled {
            watches: self.handles.len(),
            timers: self.timers.len(),
            threshold: self.watchdog.threshold(),
        })
    }

    /// Has room for everything that one fetch can find: each descriptor, the
    /// alarm and the kick; and, after a fetch that filled it, duplicates of
    /// descriptors that are gone, which would keep the alarm out.
    pub(crate) fn take_event_buffer(&mut self) -> Events {
        let mut events = std::mem::take(&mut self.events);
        events.reset(self.handles.descriptors() + 2);
        events
    }

    fn any_descriptor_ready(&self, poller: &Poller) -> bool {
        if self.handles.always_ready_work() {
            return true;
        }
        poller.peek(|source| self.handles.would_call(source))
    }
}
