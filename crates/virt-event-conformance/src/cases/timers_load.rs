//! T4 to T6: zero timers beside other work, many timers, and the longest.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use virt_event::{HandleEvents, Period, TimerId};

use super::timers::{assert_in_step, assert_spaced, turn_for};
use crate::fixtures::eventfd;
use crate::mutants::timers as mutants;
use crate::{Capabilities, Case, Exam, Mutant};

pub(super) const CASES: &[Case] = &[
    Case::new(
        "t04_zero_timer_starves_no_handle",
        zero_timer_starves_no_handle,
        Mutant::broken(
            "looks at no descriptor while a zero timer is armed",
            mutants::zero_starves_handles,
        ),
    ),
    Case::new(
        "t04_zero_timer_starves_no_timer",
        zero_timer_starves_no_timer,
        Mutant::broken(
            "looks at no other timer while a zero timer is armed",
            mutants::zero_starves_timers,
        ),
    ),
    Case::new(
        "t04_zero_timer_delays_no_free",
        zero_timer_delays_no_free,
        Mutant::broken(
            "frees nothing while a zero timer is armed",
            mutants::zero_starves_frees,
        ),
    ),
    Case::new(
        "t04_zero_timer_set_again_fires",
        zero_timer_set_again_fires,
        Mutant::broken(
            "puts a zero timer off each time that it is set to zero again",
            mutants::puts_zero_off,
        ),
    ),
    Case::new(
        "t05_ten_thousand_timers",
        ten_thousand_timers,
        Mutant::broken("forgets all timers past 4,096", mutants::forgets_many),
    ),
    Case::new(
        "t05_cost_grows_slowly",
        cost_grows_slowly,
        Mutant::broken(
            "looks at every timer when one is updated",
            mutants::linear_updates,
        ),
    ),
    Case::new(
        "t06_longest_period_does_not_fire",
        longest_period_does_not_fire,
        Mutant::broken(
            "lets the longest period overflow to 1 ms",
            mutants::longest_overflows,
        ),
    ),
    Case::new(
        "t06_changes_to_the_longest_period",
        changes_to_the_longest_period,
        Mutant::broken(
            "lets an update to the longest period overflow",
            mutants::update_to_longest_overflows,
        ),
    ),
    Case::new(
        "t06_sleeps_beside_the_longest_period",
        sleeps_beside_the_longest_period,
        Mutant::broken(
            "does not sleep while the longest period is armed",
            mutants::longest_spins,
        ),
    )
    .needs(Capabilities::COUNTED),
];

fn zero_timer_starves_no_handle(exam: &Exam) {
    let ready = eventfd();
    ready.kick();
    let watch = exam.watch(&ready, HandleEvents::READABLE);
    let zero = exam.timer(Period::EVERY_ITERATION);
    exam.turn_until("a ready watch and a zero timer are called", || {
        watch.log.count() >= 20 && zero.log.count() >= 20
    });
    assert_in_step(&watch.log, &zero.log);
}

fn zero_timer_starves_no_timer(exam: &Exam) {
    let zero = exam.timer(Period::EVERY_ITERATION);
    let began = Instant::now();
    let period = Duration::from_millis(3);
    let other = exam.timer(Period::from(period));
    exam.turn_until("a timer of 3 ms fires beside a zero timer", || {
        other.log.count() >= 5
    });
    assert!(zero.log.count() >= 5, "the zero timer starved");
    assert_spaced(&other.log, 0, began + period, period);
}

/// libvirt does so: while data comes in on a stream, the watch of the socket sets
/// the timer of the stream to zero for each piece.
fn zero_timer_set_again_fires(exam: &Exam) {
    let ready = eventfd();
    ready.kick();
    let zero = exam.timer(Period::EVERY_ITERATION);
    let events = exam.event_impl();
    let id = zero.id;
    let watch = exam.watch_with(&ready, HandleEvents::READABLE, move |_| {
        events.update_timeout(id, Period::EVERY_ITERATION);
    });
    exam.turn_until("a ready watch is called", || watch.log.count() >= 50);
    let fired = zero.log.count();
    assert!(
        fired >= 40,
        "a zero timer that a watch sets to zero in every iteration fired in {fired} of 50"
    );
}

fn zero_timer_delays_no_free(exam: &Exam) {
    let zero = exam.timer(Period::EVERY_ITERATION);
    let other_zero = exam.timer(Period::EVERY_ITERATION);
    let ready = eventfd();
    let watch = exam.watch(&ready, HandleEvents::READABLE);
    let timer = exam.timer(Period::millis(1));
    exam.turn_until("a zero timer fires", || zero.log.was_called());
    exam.remove(watch.id);
    exam.remove_timer(timer.id);
    exam.remove_timer(other_zero.id);
    let removed = zero.log.count();
    exam.turn_until("what was removed is freed beside a zero timer", || {
        [&watch.log, &timer.log, &other_zero.log]
            .iter()
            .all(|log| log.is_freed())
    });
    let iterations = zero.log.count() - removed;
    assert!(iterations <= 20, "the frees took {iterations} iterations");
}

const MANY: u32 = 10_000;

fn ten_thousand_timers(exam: &Exam) {
    let timers: Vec<_> = (0..MANY)
        .map(|number| {
            let period = Duration::from_millis(u64::from(number % 200 + 1));
            let began = Instant::now();
            (began, period, exam.timer(Period::from(period)))
        })
        .collect();
    exam.turn_until("ten thousand timers fire", || {
        timers.iter().all(|(_, _, timer)| timer.log.was_called())
    });
    for (began, period, timer) in &timers {
        assert_spaced(&timer.log, 0, *began + *period, *period);
    }
    for (_, _, timer) in &timers {
        exam.remove_timer(timer.id);
    }
    exam.turn_until("ten thousand timers are freed", || {
        timers.iter().all(|(_, _, timer)| timer.log.is_freed())
    });
}

const CROWD: u32 = 40_000;

/// Compares CPU times, which other processes hardly change: those of updates
/// among 16 timers and among 16 + 40,000. Where each update looks at all of them
/// the factor is above 100, and where it grows with the logarithm about 3, so
/// that what other processes do change decides nothing.
fn cost_grows_slowly(exam: &Exam) {
    let first: Vec<_> = (0..8).map(|_| exam.timer(HOUR).id).collect();
    let last: Vec<_> = (0..8).map(|_| exam.timer(HOUR).id).collect();
    let few = cost_of_updates(exam, &[&first[..], &last[..]].concat());
    let many: Vec<_> = (0..CROWD).map(|_| exam.timer(HOUR).id).collect();
    // Early ones, late ones, and some from between, because a search may begin
    // at either end.
    let mut mixed = first;
    mixed.extend(many.iter().step_by(many.len() / 8));
    mixed.extend(&many[many.len() - 8..]);
    let among_many = cost_of_updates(exam, &mixed);
    assert!(
        among_many <= few * 30,
        "an update takes {few:?} among 16 timers and {among_many:?} among {CROWD}"
    );
}

const HOUR: Period = Period::millis(3_600_000);

/// The CPU time of one update, the least of several rounds.
fn cost_of_updates(exam: &Exam, timers: &[TimerId]) -> Duration {
    const UPDATES: u32 = 500;
    let events = exam.event_impl();
    let round = || {
        let began = cpu_time();
        for (number, timer) in (0..UPDATES).zip(timers.iter().cycle()) {
            events.update_timeout(*timer, Period::millis(3_600_000 + number % 1_000));
        }
        (cpu_time() - began) / UPDATES
    };
    let least = (0..5).map(|_| round()).min().unwrap_or_default();
    least.max(Duration::from_nanos(1))
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

fn longest_period_does_not_fire(exam: &Exam) {
    let longest = [(); 3].map(|()| exam.timer(Period::from_raw(i32::MAX)));
    let short = exam.timer(Period::millis(3));
    exam.turn_until("a short timer fires beside the longest ones", || {
        short.log.count() >= 3
    });
    exam.iterate(3);
    for timer in &longest {
        assert!(!timer.log.was_called(), "a timer of 24.8 days fired");
        exam.remove_timer(timer.id);
    }
}

fn changes_to_the_longest_period(exam: &Exam) {
    let longest = Period::from_raw(i32::MAX);
    let timer = exam.timer(Period::millis(2));
    for _ in 0..3 {
        let before = timer.log.count();
        exam.turn_until("the timer fires with a short period", || {
            timer.log.count() > before
        });
        for _ in 0..3 {
            exam.update_timer(timer.id, longest);
        }
        let before = timer.log.count();
        exam.iterate(3);
        turn_for(exam, Duration::from_millis(5));
        exam.iterate(1);
        assert_eq!(timer.log.count(), before, "a timer of 24.8 days fired");
        exam.update_timer(timer.id, Period::millis(2));
    }
}

fn sleeps_beside_the_longest_period(exam: &Exam) {
    let timer = exam.timer(Period::from_raw(i32::MAX));
    exam.assert_sleeps("the only timer is due in 24.8 days");
    exam.update_timer(timer.id, Period::millis(1));
    exam.update_timer(timer.id, Period::from_raw(i32::MAX));
    exam.assert_sleeps("the only timer was set to 24.8 days");
    assert!(!timer.log.was_called(), "a timer of 24.8 days fired");
}
