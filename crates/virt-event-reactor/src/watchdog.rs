use std::time::Duration;

use crate::sys::{Moment, after};

/// Notices that nobody runs the loop (contract R5). It has no thread: it looks
/// when one of the six calls, or `stats`, comes by.
pub(crate) struct Watchdog {
    /// How long work may wait.
    threshold: Duration,
    /// Calls before this moment do not look, so that looking costs nothing.
    next_look: Moment,
    /// Since when descriptors have been seen ready, and how many turns had
    /// been taken then.
    ready: Option<(Moment, u64)>,
    /// How many turns had been taken when it warned.
    warned: Option<u64>,
}

/// What the watchdog looks at.
pub(crate) struct Observation {
    pub(crate) now: Moment,
    /// Turns taken so far.
    pub(crate) turns: u64,
    /// When the newest iteration ended.
    pub(crate) settled: Moment,
    /// When the earliest timer is, or was, due.
    pub(crate) earliest_timer: Option<Moment>,
    /// Since when a callback has been waiting to be freed.
    pub(crate) oldest_free: Option<Moment>,
    /// Whether a watched descriptor is ready.
    pub(crate) ready: bool,
}

impl Watchdog {
    pub(crate) fn new(threshold: Duration) -> Self {
        Self {
            threshold,
            next_look: 0,
            ready: None,
            warned: None,
        }
    }

    pub(crate) fn threshold(&self) -> Duration {
        self.threshold
    }

    /// Whether enough time has passed to look again.
    pub(crate) fn is_due(&self, now: Moment) -> bool {
        now >= self.next_look
    }

    /// Looks; true if it is time to warn.
    pub(crate) fn look(&mut self, seen: &Observation) -> bool {
        self.next_look = after(seen.now, self.threshold / 8);
        let overdue = |since: Option<Moment>| {
            since.is_some_and(|since| after(since.max(seen.settled), self.threshold) <= seen.now)
        };
        self.ready = match self.ready {
            _ if !seen.ready => None,
            Some((since, turns)) if turns == seen.turns => Some((since, turns)),
            _ => Some((seen.now, seen.turns)),
        };
        let stalled = overdue(seen.earliest_timer)
            || overdue(seen.oldest_free)
            || overdue(self.ready.map(|(since, _)| since));
        if !stalled || self.warned == Some(seen.turns) {
            return false;
        }
        self.warned = Some(seen.turns);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Moment = 1_000_000_000;

    fn quiet(now: Moment) -> Observation {
        Observation {
            now,
            turns: 0,
            settled: 0,
            earliest_timer: None,
            oldest_free: None,
            ready: false,
        }
    }

    fn watchdog() -> Watchdog {
        Watchdog::new(Duration::from_secs(5))
    }

    #[test]
    fn an_overdue_timer_is_reported_once_until_the_loop_runs() {
        let mut watchdog = watchdog();
        let late = |now, turns| Observation {
            earliest_timer: Some(SECOND),
            turns,
            ..quiet(now)
        };
        assert!(!watchdog.look(&late(6 * SECOND - 1, 0)));
        assert!(watchdog.look(&late(6 * SECOND, 0)));
        assert!(!watchdog.look(&late(60 * SECOND, 0)));
        assert!(watchdog.look(&late(61 * SECOND, 1)));
    }

    #[test]
    fn what_came_due_during_a_long_turn_is_not_late_right_after_it() {
        let mut watchdog = watchdog();
        let late = |now| Observation {
            earliest_timer: Some(SECOND),
            settled: 10 * SECOND,
            turns: 1,
            ..quiet(now)
        };
        assert!(!watchdog.look(&late(11 * SECOND)));
        assert!(watchdog.look(&late(15 * SECOND)));
    }

    #[test]
    fn readiness_counts_only_when_seen_twice_without_a_turn_between() {
        let mut watchdog = watchdog();
        let ready = |now, turns| Observation {
            ready: true,
            turns,
            ..quiet(now)
        };
        assert!(!watchdog.look(&ready(SECOND, 0)));
        assert!(!watchdog.look(&ready(7 * SECOND, 1)), "a turn was between");
        assert!(
            !watchdog.look(&quiet(8 * SECOND)),
            "and then it was not ready"
        );
        assert!(!watchdog.look(&ready(9 * SECOND, 1)));
        assert!(watchdog.look(&ready(14 * SECOND, 1)));
    }

    #[test]
    fn nothing_to_do_is_healthy() {
        let mut watchdog = watchdog();
        assert!(!watchdog.look(&quiet(1000 * SECOND)));
        let future = Observation {
            earliest_timer: Some(2000 * SECOND),
            ..quiet(1001 * SECOND)
        };
        assert!(!watchdog.look(&future));
    }
}
