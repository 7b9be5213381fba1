//! T3: changing timers.

use std::thread;
use std::time::{Duration, Instant};

use virt_event::{Period, TimerId};

use super::timers::{assert_spaced, turn_for};
use crate::mutants::timers as mutants;
use crate::{Case, Exam, Mutant};

pub(super) const CASES: &[Case] = &[
    Case::new(
        "t03_update_shortens_an_armed_timer",
        update_shortens_an_armed_timer,
        Mutant::broken(
            "lets an armed timer finish its old period",
            mutants::finishes_the_old_period,
        ),
    ),
    Case::new(
        "t03_update_rearms_from_now",
        update_rearms_from_now,
        Mutant::broken(
            "keeps the deadline when the period is set again",
            mutants::keeps_the_deadline,
        ),
    ),
    Case::new(
        "t03_update_of_a_due_timer",
        update_of_a_due_timer,
        Mutant::broken("applies updates after the next turn", mutants::late_updates),
    ),
    Case::new(
        "t03_disabling_keeps_the_id",
        disabling_keeps_the_id,
        Mutant::broken("removes a timer that is disabled", mutants::disable_removes),
    ),
    Case::new(
        "t03_enabling_counts_from_now",
        enabling_counts_from_now,
        Mutant::broken(
            "counts the time for which a timer was disabled",
            mutants::counts_disabled_time,
        ),
    ),
    Case::new(
        "t03_update_in_its_own_callback",
        update_in_its_own_callback,
        Mutant::broken(
            "re-arms with the period from before the call",
            mutants::rearms_with_the_old_period,
        ),
    ),
    Case::new(
        "t03_disable_in_its_own_callback",
        disable_in_its_own_callback,
        Mutant::broken(
            "re-arms with the period from before the call",
            mutants::rearms_with_the_old_period,
        ),
    ),
];

const HOUR: Period = Period::millis(3_600_000);

fn update_shortens_an_armed_timer(exam: &Exam) {
    let timer = exam.timer(HOUR);
    turn_for(exam, Duration::from_millis(5));
    let period = Duration::from_millis(10);
    let updated = Instant::now();
    exam.update_timer(timer.id, Period::from(period));
    exam.turn_until("an hour, shortened to 10 ms", || timer.log.count() >= 2);
    assert_spaced(&timer.log, 0, updated + period, period);
}

fn update_rearms_from_now(exam: &Exam) {
    let period = Duration::from_millis(50);
    let timer = exam.timer(Period::from(period));
    // Half-way to its deadline, then past it: the old deadline counts in
    // neither case.
    for pause in [period / 2, period * 3 / 2] {
        thread::sleep(pause);
        let before = timer.log.count();
        let updated = Instant::now();
        exam.update_timer(timer.id, Period::from(period));
        exam.turn_until("a timer fires after its period was set again", || {
            timer.log.count() > before
        });
        assert_spaced(&timer.log, before, updated + period, period);
        // The next pause begins at a known point of the period.
        exam.update_timer(timer.id, Period::from(period));
    }
}

fn update_of_a_due_timer(exam: &Exam) {
    let lengthened = exam.timer(Period::millis(1));
    let disabled = exam.timer(Period::millis(1));
    let zero = exam.timer(Period::EVERY_ITERATION);
    let removed = exam.timer(Period::millis(1));
    thread::sleep(Duration::from_millis(3));
    exam.update_timer(lengthened.id, HOUR);
    exam.update_timer(disabled.id, Period::DISABLED);
    exam.update_timer(zero.id, HOUR);
    exam.remove_timer(removed.id);
    exam.iterate(3);
    for (what, timer) in [
        ("lengthened", &lengthened),
        ("disabled", &disabled),
        ("a zero timer, lengthened", &zero),
        ("removed", &removed),
    ] {
        assert!(
            !timer.log.was_called(),
            "a due timer fired after it was {what}"
        );
    }
}

fn disabling_keeps_the_id(exam: &Exam) {
    let period = Duration::from_millis(5);
    let timer = exam.timer(Period::from(period));
    for _ in 0..2 {
        let before = timer.log.count();
        exam.turn_until("the timer fires while enabled", || {
            timer.log.count() > before
        });
        exam.update_timer(timer.id, Period::DISABLED);
        let before = timer.log.count();
        exam.iterate(3);
        turn_for(exam, period * 3);
        exam.iterate(1);
        assert_eq!(timer.log.count(), before, "a disabled timer fired");
        assert!(!timer.log.is_freed(), "a disabled timer was freed");
        let enabled = Instant::now();
        exam.update_timer(timer.id, Period::from(period));
        exam.turn_until("the timer fires after it was enabled again", || {
            timer.log.count() > before
        });
        assert_spaced(&timer.log, before, enabled + period, period);
        let last = timer.log.last().expect("it was called");
        assert_eq!(last.id, timer.id.get(), "the callback is told another id");
    }
    exam.remove_timer(timer.id);
}

fn enabling_counts_from_now(exam: &Exam) {
    let timer = exam.timer(Period::DISABLED);
    let period = Duration::from_millis(40);
    thread::sleep(period);
    let enabled = Instant::now();
    exam.update_timer(timer.id, Period::from(period));
    exam.turn_until("a timer that was added disabled fires", || {
        timer.log.was_called()
    });
    assert_spaced(&timer.log, 0, enabled + period, period);
}

fn update_in_its_own_callback(exam: &Exam) {
    let events = exam.event_impl();
    let longer = Duration::from_millis(40);
    let timer = exam.timer_with(Period::millis(2), move |call| {
        let id = TimerId::new(call.id).expect("an id is at least 1");
        events.update_timeout(id, Period::from(longer));
    });
    exam.turn_until("a timer that lengthens itself fires again", || {
        timer.log.count() >= 3
    });
    // The update comes after the time that the recorder notes.
    for (index, call) in timer.log.calls().iter().enumerate() {
        assert_spaced(&timer.log, index + 1, call.at + longer, longer);
    }
}

fn disable_in_its_own_callback(exam: &Exam) {
    let timers = [Period::EVERY_ITERATION, Period::millis(1)].map(|period| {
        let events = exam.event_impl();
        exam.timer_with(period, move |call| {
            let id = TimerId::new(call.id).expect("an id is at least 1");
            events.update_timeout(id, Period::DISABLED);
        })
    });
    exam.turn_until("each timer fires once", || {
        timers.iter().all(|timer| timer.log.was_called())
    });
    exam.iterate(5);
    turn_for(exam, Duration::from_millis(3));
    exam.iterate(1);
    for timer in &timers {
        assert_eq!(timer.log.count(), 1, "it fired after it disabled itself");
        exam.remove_timer(timer.id);
    }
}
