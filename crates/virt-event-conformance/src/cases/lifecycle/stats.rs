//! L4: what is counted, measured and reported.

use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use virt_event::{HandleEvents, Period};

use super::use_up_ids;
use crate::fixtures::eventfd;
use crate::logs::says;
use crate::{Capabilities, Exam, Logs};

/// Longer than [`impatient`](super::impatient) allows.
const LONG: Duration = Duration::from_millis(25);

pub(super) fn registered(exam: &Exam) {
    let source = eventfd();
    let counted = || {
        let stats = exam.subject().stats();
        (stats.watches, stats.timers)
    };
    assert_eq!(counted(), (0, 0), "watches and timers of an empty loop");
    let watches = [
        HandleEvents::READABLE,
        HandleEvents::empty(),
        HandleEvents::WRITABLE,
    ]
    .map(|events| exam.watch(&source, events));
    let timers = [Period::DISABLED, Period::millis(1)].map(|period| exam.timer(period));
    assert_eq!(counted(), (3, 2), "watches and timers after adds");
    exam.remove(watches[1].id);
    exam.remove_timer(timers[0].id);
    exam.remove_timer(timers[1].id);
    assert_eq!(counted(), (2, 0), "watches and timers after removals");
    exam.iterate(2);
    assert_eq!(counted(), (2, 0), "watches and timers after frees");
}

pub(super) fn pending_frees(exam: &Exam) {
    let source = eventfd();
    let pending = || exam.subject().stats().pending_frees;
    let watched = exam.watch(&source, HandleEvents::READABLE);
    let timed = exam.timer(Period::DISABLED);
    assert_eq!(pending(), 0, "frees pending before any removal");
    exam.remove(watched.id);
    assert_eq!(pending(), 1, "frees pending after one removal");
    exam.remove_timer(timed.id);
    assert_eq!(pending(), 2, "frees pending after two removals");
    exam.turn_until("the frees", || {
        watched.log.is_freed() && timed.log.is_freed()
    });
    assert_eq!(pending(), 0, "frees pending after the frees");
}

pub(super) fn callbacks(exam: &Exam) {
    let source = eventfd();
    source.kick();
    let before = exam.subject().stats().callbacks;
    let watched = exam.watch(&source, HandleEvents::READABLE);
    let timed = exam.timer(Period::EVERY_ITERATION);
    exam.turn_until("some calls", || {
        watched.log.count() >= 3 && timed.log.count() >= 3
    });
    let calls = watched.log.count() + timed.log.count();
    assert_eq!(
        exam.subject().stats().callbacks - before,
        calls as u64,
        "callbacks counted, and called"
    );
}

pub(super) fn turns(exam: &Exam) {
    let source = eventfd();
    source.kick();
    exam.watch(&source, HandleEvents::READABLE);
    let before = exam.subject().stats();
    for _ in 0..10 {
        exam.turn(Duration::ZERO);
    }
    let after = exam.subject().stats();
    assert_eq!(
        (
            after.turns - before.turns,
            after.iterations - before.iterations
        ),
        (10, 10),
        "turns and iterations counted in ten turns"
    );
}

pub(super) fn longest_callback(exam: &Exam) {
    assert_eq!(
        exam.subject().stats().longest_callback,
        Duration::ZERO,
        "before any callback"
    );
    let long = exam.timer_with(Period::millis(1), |_| take(LONG));
    exam.turn_until("the long callback", || long.log.was_called());
    exam.remove_timer(long.id);
    let short = exam.timer(Period::millis(1));
    exam.turn_until("a short callback", || short.log.was_called());
    let longest = exam.subject().stats().longest_callback;
    assert!(
        longest >= LONG,
        "a callback took {LONG:?}, and the longest is said to be {longest:?}"
    );
}

pub(super) fn slow_watch(exam: &Exam) {
    use_up_ids(exam);
    let logs = Logs::capture();
    let source = eventfd();
    source.kick();
    let watched = exam.watch_with(&source, HandleEvents::READABLE, |_| take(LONG));
    exam.turn_until("the slow callback", || watched.log.was_called());
    let warnings = logs.warnings();
    assert_eq!(warnings.len(), 1, "warnings: {warnings:?}");
    for number in [watched.id.get(), source.as_raw_fd()] {
        assert!(
            says(&warnings[0].text, number),
            "it does not say {number}: {}",
            warnings[0].text
        );
    }
}

pub(super) fn slow_timer_once(exam: &Exam) {
    use_up_ids(exam);
    let logs = Logs::capture();
    let slow = [(); 2].map(|()| exam.timer_with(Period::millis(1), |_| take(LONG)));
    exam.turn_until("three calls of each slow timer", || {
        slow.iter().all(|timed| timed.log.count() >= 3)
    });
    let warnings = logs.warnings();
    for timed in &slow {
        let number = timed.id.get();
        let about = warnings.iter().filter(|it| says(&it.text, number)).count();
        assert_eq!(about, 1, "warnings about timer {number}: {warnings:?}");
    }
    assert_eq!(warnings.len(), 2, "warnings: {warnings:?}");
}

pub(super) fn quick_callbacks(exam: &Exam) {
    let logs = Logs::capture();
    let source = eventfd();
    source.kick();
    let watched = exam.watch(&source, HandleEvents::READABLE);
    let timed = exam.timer(Period::millis(1));
    exam.turn_until("some calls", || {
        watched.log.count() >= 10 && timed.log.count() >= 3
    });
    let warnings = logs.warnings();
    assert!(warnings.is_empty(), "warnings: {warnings:?}");
}

pub(super) fn warnings(exam: &Exam) {
    assert_eq!(exam.subject().stats().warnings, 0, "before any warning");
    for expected in 1..=2 {
        let slow = exam.timer_with(Period::millis(1), |_| take(LONG));
        exam.turn_until("two slow calls", || slow.log.count() >= 2);
        exam.remove_timer(slow.id);
        assert_eq!(
            exam.subject().stats().warnings,
            expected,
            "after {expected} slow timers"
        );
    }
    assert!(exam.has(Capabilities::LOGS), "what is counted is reported");
}

/// Keeps the loop busy.
fn take(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}
