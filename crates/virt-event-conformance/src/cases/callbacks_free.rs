//! C5 and C6: what is freed when, and what is not.

use std::os::fd::RawFd;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use virt_event::{HandleEvents, Period, TimerId, WatchId};

use super::timers::turn_long_until;
use crate::entry::Entry;
use crate::fixtures::{closed_number, eventfd, patience};
use crate::mutants::callbacks as mutants;
use crate::{Case, Exam, Log, Mutant, Recorder};

pub(super) const CASES: &[Case] = &[
    Case::new(
        "c05_freed_once_after_the_last_call",
        freed_once_after_the_last_call,
        Mutant::broken("never frees a callback", mutants::leaks),
    ),
    Case::new(
        "c05_parked_entries_are_freed",
        parked_entries_are_freed,
        Mutant::broken(
            "never frees a callback that was parked when it was removed",
            mutants::leaks_the_parked,
        ),
    ),
    Case::new(
        "c05_not_freed_while_it_runs",
        not_freed_while_it_runs,
        // To free a callback while it runs takes unsafe code. A loop that must
        // not do it can also forget to do it later.
        Mutant::broken(
            "never frees a callback that was removed while it ran",
            mutants::leaks_the_running,
        ),
    ),
    Case::new(
        "c05_freed_while_a_zero_timer_is_armed",
        freed_while_a_zero_timer_is_armed,
        Mutant::broken(
            "frees only after a turn that made no call",
            mutants::frees_when_idle,
        ),
    ),
    Case::new(
        "c05_freed_while_a_descriptor_stays_ready",
        freed_while_a_descriptor_stays_ready,
        Mutant::broken(
            "frees only after a turn that made no call",
            mutants::frees_when_idle,
        ),
    ),
    Case::new(
        "c05_freed_though_the_loop_sleeps",
        freed_though_the_loop_sleeps,
        Mutant::broken(
            "does not wake up for a removal on another thread",
            mutants::removes_after_the_turn,
        ),
    ),
    Case::new(
        "c05_many_frees_at_once",
        many_frees_at_once,
        Mutant::broken("frees one callback a turn", mutants::one_free_a_turn),
    ),
    Case::new(
        "c06_rejected_add_frees_nothing",
        rejected_add_frees_nothing,
        Mutant::broken(FREES_REJECTED, mutants::frees_the_rejected),
    ),
    Case::new(
        "c06_rejected_inside_a_callback_and_a_free",
        rejected_inside_a_callback_and_a_free,
        Mutant::broken(FREES_REJECTED, mutants::frees_the_rejected),
    ),
];

const FREES_REJECTED: &str = "frees the callback of an add that it rejects";

fn freed_once_after_the_last_call(exam: &Exam) {
    let ready = eventfd();
    ready.kick();
    let watch = exam.watch(&ready, HandleEvents::READABLE);
    let timer = exam.timer(Period::EVERY_ITERATION);
    exam.turn_until("both are called", || {
        watch.log.was_called() && timer.log.was_called()
    });
    exam.remove(watch.id);
    exam.remove_timer(timer.id);
    await_frees(exam, [&watch.log, &timer.log]);
}

/// Waits until all are freed, and checks that they are freed once, after their
/// last call.
fn await_frees<const N: usize>(exam: &Exam, logs: [&Log; N]) {
    exam.turn_until("what was removed is freed", || {
        logs.iter().all(|log| log.is_freed())
    });
    exam.iterate(2);
    for log in logs {
        assert_eq!(log.frees(), 1, "{log:?}");
        let freed = log.free().expect("it is freed").order;
        assert!(
            log.last().is_none_or(|call| call.order < freed),
            "{log:?} was called after it was freed"
        );
    }
}

fn parked_entries_are_freed(exam: &Exam) {
    let ready = eventfd();
    ready.kick();
    let added_parked = exam.watch(&ready, HandleEvents::empty());
    let parked = exam.watch(&ready, HandleEvents::READABLE);
    let added_disabled = exam.timer(Period::DISABLED);
    let disabled = exam.timer(Period::EVERY_ITERATION);
    exam.iterate(1);
    exam.update(parked.id, HandleEvents::empty());
    exam.update_timer(disabled.id, Period::DISABLED);
    exam.remove(added_parked.id);
    exam.remove(parked.id);
    exam.remove_timer(added_disabled.id);
    exam.remove_timer(disabled.id);
    await_frees(
        exam,
        [
            &added_parked.log,
            &parked.log,
            &added_disabled.log,
            &disabled.log,
        ],
    );
}

fn not_freed_while_it_runs(exam: &Exam) {
    let ready = eventfd();
    ready.kick();
    // The recorder notices a free of a callback that runs.
    let (events, recorder) = (exam.event_impl(), exam.recorder().clone());
    let watch = exam.watch_with(&ready, HandleEvents::READABLE, move |call| {
        let id = WatchId::new(call.id).expect("an id is at least 1");
        if events.remove_handle(id).is_err() {
            recorder.fault("a watch could not remove itself");
        }
        thread::sleep(Duration::from_millis(2));
    });
    let (events, recorder) = (exam.event_impl(), exam.recorder().clone());
    let timer = exam.timer_with(Period::EVERY_ITERATION, move |call| {
        let id = TimerId::new(call.id).expect("an id is at least 1");
        if events.remove_timeout(id).is_err() {
            recorder.fault("a timer could not remove itself");
        }
        thread::sleep(Duration::from_millis(2));
    });
    await_frees(exam, [&watch.log, &timer.log]);
    assert_eq!((watch.log.count(), timer.log.count()), (1, 1));
}

fn freed_while_a_zero_timer_is_armed(exam: &Exam) {
    let _zero = exam.timer(Period::EVERY_ITERATION);
    frees_go_on(exam);
}

fn freed_while_a_descriptor_stays_ready(exam: &Exam) {
    let always = eventfd();
    always.kick();
    let busy = exam.watch(&always, HandleEvents::all());
    exam.turn_until("the loop is busy", || busy.log.was_called());
    frees_go_on(exam);
}

/// Removes entries of every kind, each in every way, beside whatever keeps the
/// loop busy.
fn frees_go_on(exam: &Exam) {
    let ready = eventfd();
    ready.kick();
    let watch = exam.watch(&ready, HandleEvents::READABLE);
    let timer = exam.timer(Period::millis(1));
    let zero = exam.timer(Period::EVERY_ITERATION);
    let events = exam.event_impl();
    let own_watch = exam.watch_with(&ready, HandleEvents::READABLE, move |call| {
        let removed = WatchId::new(call.id).map(|id| events.remove_handle(id));
        assert!(matches!(removed, Some(Ok(()))), "a watch removes itself");
    });
    let events = exam.event_impl();
    let own_timer = exam.timer_with(Period::EVERY_ITERATION, move |call| {
        let removed = TimerId::new(call.id).map(|id| events.remove_timeout(id));
        assert!(matches!(removed, Some(Ok(()))), "a timer removes itself");
    });
    exam.turn_until("the callbacks are called", || {
        [&watch.log, &zero.log, &own_watch.log, &own_timer.log]
            .iter()
            .all(|log| log.was_called())
    });
    exam.remove(watch.id);
    exam.remove_timer(timer.id);
    exam.remove_timer(zero.id);
    // No fence here: it would be a zero timer.
    let logs = [
        &watch.log,
        &timer.log,
        &zero.log,
        &own_watch.log,
        &own_timer.log,
    ];
    exam.turn_until("what was removed is freed by a busy loop", || {
        logs.iter().all(|log| log.is_freed())
    });
}

fn freed_though_the_loop_sleeps(exam: &Exam) {
    let idle = eventfd();
    let watch = exam.watch(&idle, HandleEvents::READABLE);
    let timer = exam.timer(Period::DISABLED);
    for (entry, log) in [
        (Entry::from(watch.id), &watch.log),
        (Entry::from(timer.id), &timer.log),
    ] {
        // Whatever the adds left to do is done before the sleep.
        exam.turn(Duration::from_millis(1));
        let events = exam.event_impl();
        let other = thread::spawn(move || {
            // Most likely the loop sleeps by now. If not, the case is easier.
            thread::sleep(Duration::from_millis(20));
            entry.remove(&*events).expect("removed on another thread");
            Instant::now()
        });
        turn_long_until(exam, "a removal wakes the loop, which frees", || {
            log.is_freed()
        });
        let removed = other.join().expect("the other thread ends well");
        let freed = log.free().expect("it is freed").at;
        let took = freed.saturating_duration_since(removed);
        assert!(took < patience() / 2, "the loop slept on for {took:?}");
    }
}

fn many_frees_at_once(exam: &Exam) {
    let idle = eventfd();
    let watches = [(); 500].map(|()| exam.watch(&idle, HandleEvents::READABLE));
    let timers = [(); 500].map(|()| exam.timer(Period::millis(3_600_000)));
    for (watch, timer) in watches.iter().zip(&timers) {
        exam.remove(watch.id);
        exam.remove_timer(timer.id);
    }
    let logs = || {
        let watches = watches.iter().map(|watch| &watch.log);
        watches.chain(timers.iter().map(|timer| &timer.log))
    };
    // A loop may take several iterations, but not one for each.
    let zero = exam.timer(Period::EVERY_ITERATION);
    exam.turn_until("a thousand callbacks are freed", || {
        logs().all(|log| log.is_freed())
    });
    let iterations = zero.log.count();
    assert!(iterations <= 100, "it took {iterations} iterations");
}

fn rejected_add_frees_nothing(exam: &Exam) {
    let fd = eventfd();
    for bad in bad_fds() {
        for events in [HandleEvents::READABLE, HandleEvents::empty()] {
            match exam.try_watch(bad, events) {
                Ok(_) => panic!("a watch on fd {bad} was not rejected"),
                Err((refused, log)) => {
                    // The loop has forgotten it, whatever happens next.
                    let fine = exam.watch(&fd, HandleEvents::WRITABLE);
                    exam.iterate(2);
                    exam.remove(fine.id);
                    exam.iterate(1);
                    assert!(!log.is_freed(), "a rejected callback was freed");
                    assert!(!log.was_called(), "a rejected callback was called");
                    drop(refused.inner);
                    assert_eq!(log.frees(), 1, "what came back is not what was offered");
                }
            }
        }
    }
}

fn bad_fds() -> [RawFd; 4] {
    [-1, i32::MIN, i32::MAX, closed_number()]
}

fn rejected_inside_a_callback_and_a_free(exam: &Exam) {
    let (results, outcome) = mpsc::channel();
    let events = exam.event_impl();
    let recorder = exam.recorder().clone();
    let attempt = move |recorder: &Recorder| {
        for bad in bad_fds() {
            let (callback, log) = recorder.handle("a rejected watch", |_| {});
            match events.add_handle(bad, HandleEvents::READABLE, callback) {
                Ok(_) => recorder.fault(format!("a watch on fd {bad} was not rejected")),
                Err(refused) if log.is_freed() => {
                    recorder.fault(format!("freed a rejected callback: {}", refused.error));
                }
                // The case keeps it, to see that the loop leaves it alone.
                Err(refused) => results.send((refused.inner, log)).expect("the case waits"),
            }
        }
    };
    let (in_free, other_recorder) = (attempt.clone(), recorder.clone());
    let (callback, freed) = exam.recorder().timeout_with_free(
        "a timer that adds badly",
        move |_| attempt(&recorder),
        move || in_free(&other_recorder),
    );
    let events = exam.event_impl();
    let timer = events.add_timeout(Period::millis(1), callback);
    exam.turn_until("the timer fires", || freed.was_called());
    exam.remove_timer(timer.expect("added"));
    exam.turn_until("the timer is freed", || freed.is_freed());
    exam.iterate(2);
    let mut count = 0;
    for (callback, log) in outcome.try_iter() {
        count += 1;
        assert!(!log.is_freed() && !log.was_called());
        drop(callback);
        assert_eq!(log.frees(), 1, "what came back is not what was offered");
    }
    assert!(count >= 2 * bad_fds().len(), "{count} adds were rejected");
}
