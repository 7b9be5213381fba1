//! L3: another driver takes over, and nothing is lost.

use std::thread;
use std::time::{Duration, Instant};

use virt_event::{HandleEvents, Period};

use crate::Exam;
use crate::cases::threads::{EveryCall, turn_driver_until};
use crate::fixtures::{eventfd, wait_until};

pub(super) fn pending_frees(exam: &Exam) {
    let source = eventfd();
    let watched = exam.watch(&source, HandleEvents::READABLE);
    let timed = exam.timer(Period::millis(1));
    exam.turn(Duration::ZERO);
    exam.remove(watched.id);
    exam.remove_timer(timed.id);
    again(exam);
    exam.turn_until("the freeing of what was removed before a detach", || {
        watched.log.is_freed() && timed.log.is_freed()
    });
}

pub(super) fn due_timers(exam: &Exam) {
    let timed = exam.timer(Period::millis(20));
    let zero = exam.timer(Period::EVERY_ITERATION);
    let due = Instant::now() + Duration::from_millis(20);
    exam.subject().detach();
    wait_until("the timer to be due", || Instant::now() >= due);
    exam.subject().attach().expect("attach again");
    exam.turn_until("timers that were due while detached", || {
        timed.log.was_called() && zero.log.was_called()
    });
    let calls = timed.log.count();
    exam.turn_until("another call after a detach", || timed.log.count() > calls);
}

pub(super) fn ready_descriptors(exam: &Exam) {
    let (before, between, after) = (eventfd(), eventfd(), eventfd());
    let watches =
        [&before, &between, &after].map(|source| exam.watch(source, HandleEvents::READABLE));
    before.kick();
    exam.subject().detach();
    between.kick();
    exam.subject().attach().expect("attach again");
    after.kick();
    exam.turn_until("descriptors ready before, during and after a gap", || {
        watches.iter().all(|watch| watch.log.was_called())
    });
}

pub(super) fn another_thread_takes_over(exam: &Exam) {
    let calls = EveryCall::prepare();
    let results = calls.make(&*exam.event_impl(), exam.recorder());
    let subject = exam.subject();
    subject.detach();
    let driver = subject.second_driver().expect("a driver after a detach");
    let recorder = exam.recorder();
    let results = thread::scope(|scope| {
        let other = scope.spawn(move || {
            // Only callbacks on this thread are right.
            recorder.allow_thread(thread::current().id());
            results.check_with(|what, condition| {
                turn_driver_until(&driver, recorder, what, condition);
            });
            drop(driver);
            results
        });
        let id = other.thread().id();
        let results = other.join().expect("the thread that took over");
        results.assert_called_on(id);
        results
    });
    subject.attach().expect("attach after the other has ended");
    results.check_again(exam);
}

pub(super) fn drivers_take_turns(exam: &Exam) {
    let source = eventfd();
    let own = source.duplicate();
    let watched = exam.watch_with(&source, HandleEvents::READABLE, move |_| {
        own.take();
    });
    let log = &watched.log;
    let recorder = exam.recorder();
    recorder.allow_any_thread();
    let subject = exam.subject();
    let mut kicks = 0;
    for _ in 0..25 {
        subject.detach();
        source.kick();
        kicks += 1;
        let driver = subject.second_driver().expect("a driver after a detach");
        thread::scope(|scope| {
            scope.spawn(move || {
                turn_driver_until(&driver, recorder, "the other driver", &mut || {
                    log.count() >= kicks
                });
            });
        });
        source.kick();
        kicks += 1;
        subject.attach().expect("attach after the other has ended");
        exam.turn_until("the first driver", || log.count() >= kicks);
        assert_eq!(log.count(), kicks, "calls after {kicks} kicks");
    }
}

/// Leaves and comes back.
fn again(exam: &Exam) {
    let subject = exam.subject();
    subject.detach();
    subject.attach().expect("attach again");
}
