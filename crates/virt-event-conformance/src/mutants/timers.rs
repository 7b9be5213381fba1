//! Broken subjects for the cases in `cases/timers*.rs`.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use virt_event::{Period, TimerId};

use super::tamper::{Asked, Corpse, Tamper, lock};
use crate::entry::Entry;
use crate::{Config, Factory, Subject};

/// Changes every period on its way to the right subject.
fn periods(change: impl Fn(Period) -> Period + Clone + Send + Sync + 'static) -> Tamper {
    let added = change.clone();
    Tamper::new()
        .add_timeout(move |inner, period, callback| inner.add_timeout(added(period), callback))
        .update_timeout(move |inner, timer, period| inner.update_timeout(timer, change(period)))
}

pub(crate) fn disabled_is_zero(factory: Factory, config: &Config) -> Box<dyn Subject> {
    periods(|period| match period {
        Period::DISABLED => Period::EVERY_ITERATION,
        period => period,
    })
    .make(factory, config)
}

pub(crate) fn early(factory: Factory, config: &Config) -> Box<dyn Subject> {
    periods(|period| Period::from_raw(period.to_raw() / 5 * 4)).make(factory, config)
}

pub(crate) fn longest_overflows(factory: Factory, config: &Config) -> Box<dyn Subject> {
    periods(overflow).make(factory, config)
}

pub(crate) fn update_to_longest_overflows(factory: Factory, config: &Config) -> Box<dyn Subject> {
    Tamper::new()
        .update_timeout(|inner, timer, period| inner.update_timeout(timer, overflow(period)))
        .make(factory, config)
}

fn overflow(period: Period) -> Period {
    match period.to_raw() {
        i32::MAX => Period::millis(1),
        _ => period,
    }
}

pub(crate) fn puts_zero_off(factory: Factory, config: &Config) -> Box<dyn Subject> {
    Tamper::new()
        .update_timeout(|inner, timer, period| {
            inner.update_timeout(timer, Period::DISABLED);
            inner.update_timeout(timer, period);
        })
        .make(factory, config)
}

pub(crate) fn longest_spins(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let tamper = Tamper::new();
    let bodies = tamper.bodies();
    tamper
        .turn(move |subject, timeout| {
            let longest = Asked::Period(Period::from_raw(i32::MAX));
            let spins = bodies.live().iter().any(|body| body.asked() == longest);
            subject.turn(if spins { Duration::ZERO } else { timeout });
        })
        .make(factory, config)
}

pub(crate) fn calls_first_timer_twice(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let tamper = Tamper::new();
    let bodies = tamper.bodies();
    tamper
        .call(move |site, call| {
            call();
            if bodies.live().first().and_then(|body| body.entry()) == Some(site.entry) {
                call();
            }
        })
        .make(factory, config)
}

pub(crate) fn skips_every_second_call(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let count = AtomicUsize::new(0);
    Tamper::new()
        .call(move |_, call| {
            if count.fetch_add(1, Ordering::Relaxed) % 2 == 0 {
                call();
            }
        })
        .make(factory, config)
}

pub(crate) fn one_shot(factory: Factory, config: &Config) -> Box<dyn Subject> {
    Tamper::new()
        .call(|site, call| {
            call();
            if let Entry::Timer(timer) = site.entry {
                site.inner.update_timeout(timer, Period::DISABLED);
            }
        })
        .make(factory, config)
}

/// When each timer is due by this fault's own reckoning.
#[derive(Clone, Default)]
struct Deadlines(Arc<Mutex<HashMap<TimerId, Instant>>>);

impl Deadlines {
    fn set(&self, timer: TimerId, due: Instant) {
        lock(&self.0).insert(timer, due);
    }

    fn of(&self, timer: TimerId) -> Option<Instant> {
        lock(&self.0).get(&timer).copied()
    }

    fn left(&self, timer: TimerId) -> Option<Period> {
        let due = self.of(timer)?;
        Some(due.saturating_duration_since(Instant::now()).into())
    }

    /// A fault that keeps account of the deadlines, from the add on.
    fn counting_from_the_add(&self) -> Tamper {
        let deadlines = self.clone();
        Tamper::new().add_timeout(move |inner, period, callback| {
            let timer = inner.add_timeout(period, callback)?;
            deadlines.set(
                timer,
                Instant::now() + period.duration().unwrap_or_default(),
            );
            Ok(timer)
        })
    }
}

pub(crate) fn catches_up(factory: Factory, config: &Config) -> Box<dyn Subject> {
    from_the_deadline(|due, period| due + period).make(factory, config)
}

pub(crate) fn keeps_to_its_grid(factory: Factory, config: &Config) -> Box<dyn Subject> {
    from_the_deadline(|due, period| {
        let now = Instant::now();
        let mut due = due;
        while due <= now {
            due += period;
        }
        due
    })
    .make(factory, config)
}

/// After each call the next deadline is made out of the last one.
fn from_the_deadline(
    next: impl Fn(Instant, Duration) -> Instant + Send + Sync + 'static,
) -> Tamper {
    let deadlines = Deadlines::default();
    deadlines.counting_from_the_add().call(move |site, call| {
        call();
        let (Entry::Timer(timer), Asked::Period(period)) = (site.entry, site.body.asked()) else {
            return;
        };
        let Some(period) = period.duration().filter(|period| !period.is_zero()) else {
            return;
        };
        if let Some(due) = deadlines.of(timer) {
            deadlines.set(timer, next(due, period));
            if let Some(left) = deadlines.left(timer) {
                site.inner.update_timeout(timer, left);
            }
        }
    })
}

pub(crate) fn finishes_the_old_period(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let deadlines = Deadlines::default();
    deadlines
        .counting_from_the_add()
        .update_timeout(move |inner, timer, period| {
            let left = deadlines.left(timer).unwrap_or(period);
            inner.update_timeout(
                timer,
                if left.to_raw() > period.to_raw() {
                    left
                } else {
                    period
                },
            );
        })
        .make(factory, config)
}

pub(crate) fn keeps_the_deadline(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let deadlines = Deadlines::default();
    deadlines
        .counting_from_the_add()
        .update_timeout(move |inner, timer, period| {
            inner.update_timeout(timer, deadlines.left(timer).unwrap_or(period));
        })
        .make(factory, config)
}

/// The deadline of the add is that of a zero period, so what is left is zero.
pub(crate) fn counts_disabled_time(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let deadlines = Deadlines::default();
    deadlines
        .counting_from_the_add()
        .update_timeout(move |inner, timer, period| {
            let since = deadlines.of(timer).map(|added| added.elapsed());
            let left = period.duration().unwrap_or_default();
            let left = left.saturating_sub(since.unwrap_or_default());
            inner.update_timeout(timer, left.into());
        })
        .make(factory, config)
}

pub(crate) fn earliest_is_the_first_added(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let first = Mutex::new(None);
    Tamper::new()
        .add_timeout(move |inner, period, callback| {
            let first = *lock(&first).get_or_insert(period);
            inner.add_timeout(first, callback)
        })
        .make(factory, config)
}

pub(crate) fn restarts_its_waits(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let tamper = Tamper::new();
    let bodies = tamper.bodies();
    tamper
        .turn(move |subject, timeout| {
            let deadline = Instant::now() + timeout;
            loop {
                for body in bodies.live() {
                    if let (Some(Entry::Timer(timer)), Asked::Period(period)) =
                        (body.entry(), body.asked())
                    {
                        subject.event_impl().update_timeout(timer, period);
                    }
                }
                let left = deadline.saturating_duration_since(Instant::now());
                subject.turn(left.min(Duration::from_millis(20)));
                if left.is_zero() {
                    return;
                }
            }
        })
        .make(factory, config)
}

pub(crate) fn late_updates(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let late = Arc::new(Mutex::new(Vec::new()));
    let updates = Arc::clone(&late);
    Tamper::new()
        .update_timeout(move |_, timer, period| lock(&updates).push((timer, period)))
        .turn(move |subject, timeout| {
            subject.turn(timeout);
            for (timer, period) in std::mem::take(&mut *lock(&late)) {
                subject.event_impl().update_timeout(timer, period);
            }
        })
        .make(factory, config)
}

pub(crate) fn disable_removes(factory: Factory, config: &Config) -> Box<dyn Subject> {
    Tamper::new()
        .update_timeout(|inner, timer, period| {
            if period.is_disabled() {
                // Of an unknown id there is nothing to remove.
                let _ = inner.remove_timeout(timer);
            } else {
                inner.update_timeout(timer, period);
            }
        })
        .make(factory, config)
}

pub(crate) fn rearms_with_the_old_period(factory: Factory, config: &Config) -> Box<dyn Subject> {
    Tamper::new()
        .call(|site, call| {
            let before = site.body.asked();
            call();
            if let (Entry::Timer(timer), Asked::Period(period)) = (site.entry, before) {
                // The fault lasts: the next call sees the old period too.
                site.inner.update_timeout(timer, period);
            }
        })
        .make(factory, config)
}

pub(crate) fn zero_starves_handles(factory: Factory, config: &Config) -> Box<dyn Subject> {
    zero_starves(|entry| matches!(entry, Entry::Watch(_))).make(factory, config)
}

pub(crate) fn zero_starves_timers(factory: Factory, config: &Config) -> Box<dyn Subject> {
    zero_starves(|entry| matches!(entry, Entry::Timer(_))).make(factory, config)
}

/// While a zero timer is armed, nothing else of a kind is called.
fn zero_starves(starved: impl Fn(Entry) -> bool + Send + Sync + 'static) -> Tamper {
    let tamper = Tamper::new();
    let bodies = tamper.bodies();
    tamper.call(move |site, call| {
        let any_zero = bodies.live().iter().any(|body| body.is_zero_timer());
        if !any_zero || !starved(site.entry) || site.body.is_zero_timer() {
            call();
        }
    })
}

pub(crate) fn zero_starves_frees(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let tamper = Tamper::new();
    let bodies = tamper.bodies();
    let graveyard: Arc<Mutex<Vec<Corpse>>> = Arc::default();
    let corpses = Arc::clone(&graveyard);
    tamper
        .free(move |corpse| lock(&corpses).push(corpse))
        .turn(move |subject, timeout| {
            subject.turn(timeout);
            if !bodies.live().iter().any(|body| body.is_zero_timer()) {
                let corpses = std::mem::take(&mut *lock(&graveyard));
                drop(corpses);
            }
        })
        .make(factory, config)
}

pub(crate) fn forgets_many(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let count = AtomicUsize::new(0);
    Tamper::new()
        .add_timeout(move |inner, period, callback| {
            let kept = count.fetch_add(1, Ordering::Relaxed) < 4096;
            inner.add_timeout(if kept { period } else { Period::DISABLED }, callback)
        })
        .make(factory, config)
}

pub(crate) fn linear_updates(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let timers = Mutex::new(Vec::new());
    let timers = Arc::new(timers);
    let added = Arc::clone(&timers);
    Tamper::new()
        .add_timeout(move |inner, period, callback| {
            let timer = inner.add_timeout(period, callback)?;
            lock(&added).push(timer);
            Ok(timer)
        })
        .update_timeout(move |inner, timer, period| {
            for other in lock(&timers).iter() {
                black_box(other);
            }
            inner.update_timeout(timer, period);
        })
        .make(factory, config)
}
