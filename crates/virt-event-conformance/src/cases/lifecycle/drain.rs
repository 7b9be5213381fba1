//! L2: ending cleanly.

use std::os::fd::AsRawFd;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use virt_event::{HandleEvents, Period};

use super::use_up_ids;
use crate::Exam;
use crate::fixtures::{eventfd, patience};
use crate::logs::says;

const SHORT: Duration = Duration::from_millis(100);

pub(super) fn of_nothing(exam: &Exam) {
    drain(exam).expect("a drain of nothing");
}

pub(super) fn pending_frees(exam: &Exam) {
    let source = eventfd();
    let watched = exam.watch(&source, HandleEvents::READABLE);
    let timed = exam.timer(Period::millis(1));
    exam.remove(watched.id);
    exam.remove_timer(timed.id);
    drain(exam).expect("a drain of what was removed");
    assert!(
        watched.log.is_freed() && timed.log.is_freed(),
        "a callback was not freed when drain ended"
    );
}

pub(super) fn callbacks_that_remove(exam: &Exam) {
    let source = eventfd();
    source.kick();
    let event_impl = exam.event_impl();
    let mut calls = 0;
    let watched = exam.watch_with(&source, HandleEvents::READABLE, move |call| {
        calls += 1;
        if calls == 5 {
            let id = virt_event::WatchId::new(call.id).expect("it is positive");
            event_impl.remove_handle(id).expect("remove_handle");
        }
    });
    let event_impl = exam.event_impl();
    let timed = exam.timer_with(Period::millis(20), move |call| {
        let id = virt_event::TimerId::new(call.id).expect("it is positive");
        event_impl.remove_timeout(id).expect("remove_timeout");
    });
    drain(exam).expect("a drain of what removes itself");
    assert!(
        watched.log.is_freed() && timed.log.is_freed(),
        "a callback was not freed when drain ended"
    );
    assert_eq!((watched.log.count(), timed.log.count()), (5, 1), "calls");
}

/// Freeing one watch removes another, whose freeing adds a timer, which removes
/// itself when it is called.
pub(super) fn frees_that_change_things(exam: &Exam) {
    let source = eventfd();
    let fd = source.as_raw_fd();
    let recorder = exam.recorder();
    let event_impl = exam.event_impl();

    let own_id = Arc::new(OnceLock::new());
    let (remover, id) = (exam.event_impl(), Arc::clone(&own_id));
    let (timer, timer_log) = recorder.timeout("the timer", move |_| {
        if let Some(id) = id.get() {
            let _ = remover.remove_timeout(*id);
        }
    });
    let adder = exam.event_impl();
    let (second, second_log) = recorder.handle_with_free(
        "the second watch",
        |_| {},
        move || {
            let id = adder.add_timeout(Period::millis(1), timer);
            let _ = own_id.set(id.expect("add_timeout inside a free"));
        },
    );
    let second = event_impl
        .add_handle(fd, HandleEvents::READABLE, second)
        .expect("add_handle");
    let remover = exam.event_impl();
    let (first, first_log) = recorder.handle_with_free(
        "the first watch",
        |_| {},
        move || {
            remover
                .remove_handle(second)
                .expect("remove_handle inside a free");
        },
    );
    let first = event_impl
        .add_handle(fd, HandleEvents::READABLE, first)
        .expect("add_handle");

    exam.remove(first);
    drain(exam).expect("a drain of what ends by itself");
    for log in [first_log, second_log, timer_log] {
        assert!(log.is_freed(), "not freed when drain ended: {log:?}");
    }
}

pub(super) fn names_what_is_left(exam: &Exam) {
    use_up_ids(exam);
    let source = eventfd();
    let watched = exam.watch(&source, HandleEvents::READABLE);
    let timed = exam.timer(Period::millis(3_600_000));
    let left = exam
        .subject()
        .drain(SHORT)
        .expect_err("a drain with entries left");
    let either = |words: &[&str]| words.iter().any(|word| left.to_lowercase().contains(word));
    assert!(
        either(&["handle", "watch"]) && either(&["timeout", "timer"]),
        "it does not say what kinds of entries are left: {left}"
    );
    for number in [watched.id.get(), source.as_raw_fd(), timed.id.get()] {
        assert!(says(&left, number), "it does not say {number}: {left}");
    }
    assert!(
        either(&["readable"]),
        "it does not say what the watch is for: {left}"
    );
    assert!(
        either(&["3600000", "3600s", "3600 s"]),
        "it does not say the timer's period: {left}"
    );
}

pub(super) fn deadline_is_not_early(exam: &Exam) {
    let source = eventfd();
    exam.watch(&source, HandleEvents::READABLE);
    let began = Instant::now();
    let drained = exam.subject().drain(SHORT);
    assert!(drained.is_err(), "it was drained although a watch is left");
    assert!(
        began.elapsed() >= SHORT,
        "drain gave up after {:?} of {SHORT:?}",
        began.elapsed()
    );
}

pub(super) fn deadline_with_a_zero_timer(exam: &Exam) {
    let timed = exam.timer(Period::EVERY_ITERATION);
    let began = Instant::now();
    let drained = exam.subject().drain(SHORT);
    exam.recorder().check();
    assert!(drained.is_err(), "it was drained although a timer is left");
    assert!(timed.log.was_called(), "drain did not turn");
    assert!(
        began.elapsed() < patience(),
        "drain took {:?} instead of {SHORT:?}",
        began.elapsed()
    );
}

pub(super) fn leaves_the_rest(exam: &Exam) {
    let source = eventfd();
    let watched = exam.watch(&source, HandleEvents::READABLE);
    let timed = exam.timer(Period::millis(5));
    let drained = exam.subject().drain(SHORT);
    assert!(drained.is_err(), "it was drained although entries are left");
    assert!(
        !watched.log.is_freed() && !timed.log.is_freed(),
        "drain freed what nobody had removed"
    );
    let calls = timed.log.count();
    source.kick();
    exam.turn_until("a call of the watch that was left", || {
        watched.log.was_called()
    });
    exam.turn_until("a call of the timer that was left", || {
        timed.log.count() > calls
    });
}

pub(super) fn without_a_driver(exam: &Exam) {
    let source = eventfd();
    let watched = exam.watch(&source, HandleEvents::READABLE);
    exam.subject().detach();
    exam.remove(watched.id);
    drain(exam).expect("a drain without a driver");
    assert!(
        watched.log.is_freed(),
        "the callback was not freed when drain ended"
    );
    exam.subject().attach().expect("attach again");
}

fn drain(exam: &Exam) -> Result<(), String> {
    let drained = exam.subject().drain(patience());
    exam.recorder().check();
    drained
}
