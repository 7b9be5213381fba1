use slab::Slab;
use virt_event::{Period, TimeoutCallback, TimerId};

use crate::deadlines::Deadlines;
use crate::id_map::{IdMap, IdSource, Slot, index, slot};
use crate::sys::{Moment, after};

/// The timers, and when those that will fire are due.
///
/// The deadline of a timer always lies after the moment of the iteration in
/// which it was set, so that an iteration, which fires what is due at its
/// moment, fires each timer at most once, also when the period is zero.
pub(crate) struct Timers {
    by_id: IdMap<TimerId, Slot>,
    slots: Slab<Timer>,
    /// Of those that are neither disabled nor running.
    deadlines: Deadlines,
    ids: IdSource,
    /// The moment of the newest iteration.
    moment: Moment,
}

struct Timer {
    id: TimerId,
    period: Period,
    /// When it fires next, unless it is disabled.
    deadline: Moment,
    /// `None` while it runs.
    callback: Option<TimeoutCallback>,
    slow_reported: bool,
}

/// A call in progress; goes back with [`Timers::put_back`].
pub(crate) struct Due {
    slot: Slot,
    pub(crate) timer: TimerId,
    pub(crate) callback: TimeoutCallback,
}

impl Timers {
    pub(crate) fn new(first_id: i32) -> Self {
        Self {
            by_id: IdMap::default(),
            slots: Slab::new(),
            deadlines: Deadlines::default(),
            ids: IdSource::starting_at(first_id),
            moment: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Each timer with its period.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (TimerId, Period)> {
        self.slots.iter().map(|(_, timer)| (timer.id, timer.period))
    }

    /// Registers a timer, unless all ids are in use.
    pub(crate) fn add(
        &mut self,
        period: Period,
        callback: TimeoutCallback,
        now: Moment,
    ) -> Result<TimerId, TimeoutCallback> {
        let Some(id) = self.ids.next(&self.by_id, TimerId::new) else {
            return Err(callback);
        };
        let deadline = self.deadline(period, now);
        let slot = slot(self.slots.insert(Timer {
            id,
            period,
            deadline,
            callback: Some(callback),
            slow_reported: false,
        }));
        self.by_id.insert(id, slot);
        self.schedule(slot);
        Ok(id)
    }

    /// Changes the period and counts it from `now`.
    pub(crate) fn update(&mut self, id: TimerId, period: Period, now: Moment) {
        let Some(&slot) = self.by_id.get(&id) else {
            return;
        };
        let deadline = self.deadline(period, now);
        let timer = &mut self.slots[index(slot)];
        // It fires in every iteration, this one included: a watch that sets it
        // again each time is not to keep it from that.
        if period == Period::EVERY_ITERATION && timer.period == period {
            return;
        }
        timer.period = period;
        timer.deadline = deadline;
        // While it runs it is due when the call has returned.
        if timer.callback.is_some() {
            self.schedule(slot);
        }
    }

    /// Forgets a timer. `None` if there is none; the callback is missing
    /// while it runs.
    pub(crate) fn remove(&mut self, id: TimerId) -> Option<Option<TimeoutCallback>> {
        let slot = self.by_id.remove(&id)?;
        self.deadlines.forget(slot);
        Some(self.slots.remove(index(slot)).callback)
    }

    /// When the next timer is due.
    pub(crate) fn earliest(&self) -> Option<Moment> {
        self.deadlines.first().map(|(deadline, _)| deadline)
    }

    /// Begins an iteration at `now`, and returns its moment: later than that
    /// of the iteration before. The time is needed only where a timer may be due.
    pub(crate) fn begin_iteration(&mut self, now: Option<Moment>) -> Moment {
        self.moment = now.unwrap_or_default().max(self.moment + 1);
        self.moment
    }

    /// Begins the call of a timer that was due at `moment`, if there is one.
    /// Its next deadline is counted from `now`.
    pub(crate) fn take_due(&mut self, moment: Moment, now: Moment) -> Option<Due> {
        let (due, slot) = self.deadlines.first()?;
        if due > moment {
            return None;
        }
        self.deadlines.unset(slot);
        let period = self.slots[index(slot)].period;
        let deadline = self.deadline(period, now);
        let timer = &mut self.slots[index(slot)];
        timer.deadline = deadline;
        Some(Due {
            slot,
            timer: timer.id,
            callback: timer.callback.take()?,
        })
    }

    /// Ends a call. The callback comes back if the timer was removed
    /// meanwhile: it is to be freed.
    pub(crate) fn put_back(&mut self, due: Due) -> Option<TimeoutCallback> {
        match self.slots.get_mut(index(due.slot)) {
            // One with a callback is another timer, which got the same id.
            Some(timer) if timer.id == due.timer && timer.callback.is_none() => {
                timer.callback = Some(due.callback);
            }
            _ => return Some(due.callback),
        }
        self.schedule(due.slot);
        None
    }

    /// Whether this is the first slow call of the timer.
    pub(crate) fn first_slow_call(&mut self, id: TimerId) -> bool {
        let Some(&slot) = self.by_id.get(&id) else {
            return true;
        };
        !std::mem::replace(&mut self.slots[index(slot)].slow_reported, true)
    }

    /// Every callback, for when the reactor is dropped.
    pub(crate) fn take_callbacks(&mut self) -> impl Iterator<Item = TimeoutCallback> {
        self.by_id.clear();
        self.deadlines = Deadlines::default();
        std::mem::take(&mut self.slots)
            .into_iter()
            .filter_map(|(_, timer)| timer.callback)
    }

    /// `period` from `now`, and after the newest iteration's moment. Of no
    /// meaning for a disabled timer.
    fn deadline(&self, period: Period, now: Moment) -> Moment {
        let deadline = after(now, period.duration().unwrap_or_default());
        deadline.max(self.moment + 1)
    }

    /// Has a timer that does not run fire when it is due, if it ever is.
    fn schedule(&mut self, slot: Slot) {
        let timer = &self.slots[index(slot)];
        if timer.period.is_disabled() {
            self.deadlines.unset(slot);
        } else {
            self.deadlines.set(slot, timer.period, timer.deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Moment = 1_000_000;

    fn add(timers: &mut Timers, millis: i32, now: Moment) -> TimerId {
        let callback = TimeoutCallback::new(|_| {});
        timers.add(Period::from_raw(millis), callback, now).unwrap()
    }

    /// The ids that fire in an iteration at `now`, in their order.
    fn fire(timers: &mut Timers, now: Moment) -> Vec<TimerId> {
        let moment = timers.begin_iteration(Some(now));
        let mut fired = Vec::new();
        while let Some(due) = timers.take_due(moment, now) {
            fired.push(due.timer);
            assert!(timers.put_back(due).is_none());
        }
        fired
    }

    #[test]
    fn they_fire_in_the_order_of_their_deadlines() {
        let mut timers = Timers::new(1);
        let ids: Vec<_> = [50, 10, 40, 20, 30]
            .map(|millis| add(&mut timers, millis, MILLI))
            .into();
        assert_eq!(timers.earliest(), Some(11 * MILLI));
        assert_eq!(fire(&mut timers, 11 * MILLI - 1), []);
        let all = fire(&mut timers, 51 * MILLI);
        assert_eq!(all, [ids[1], ids[3], ids[4], ids[2], ids[0]]);
        // Counted from the call, not from when they were due.
        assert_eq!(timers.earliest(), Some(61 * MILLI));
    }

    #[test]
    fn the_earliest_is_right_through_random_changes() {
        let mut timers = Timers::new(1);
        let mut live = Vec::new();
        let mut random = 0x1234_5678_u64;
        for round in 0..20_000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let value = (random >> 33) as usize;
            let millis = [-1, 0, (value % 1000) as i32, i32::MAX][value % 4];
            match value % 7 {
                0 | 1 => live.push(add(&mut timers, millis, round)),
                2 if !live.is_empty() => {
                    let id = live.swap_remove(value % live.len());
                    assert!(timers.remove(id).is_some());
                    assert!(timers.remove(id).is_none());
                }
                _ if !live.is_empty() => {
                    let id = live[value % live.len()];
                    timers.update(id, Period::from_raw(millis), round);
                }
                _ => {}
            }
            let earliest = timers
                .slots
                .iter()
                .filter(|(_, timer)| !timer.period.is_disabled())
                .map(|(_, timer)| timer.deadline)
                .min();
            assert_eq!(timers.earliest(), earliest);
            assert_eq!(timers.len(), live.len());
        }
    }

    #[test]
    fn a_zero_timer_fires_once_in_every_iteration() {
        let mut timers = Timers::new(1);
        let zero = add(&mut timers, 0, MILLI);
        for _ in 0..3 {
            // Even if the clock stands still.
            assert_eq!(fire(&mut timers, MILLI), [zero]);
        }
    }

    #[test]
    fn the_longest_period_does_not_overflow() {
        let mut timers = Timers::new(1);
        add(&mut timers, i32::MAX, Moment::MAX - MILLI);
        assert_eq!(fire(&mut timers, Moment::MAX - 2), []);
    }
}
