//! L1: ending a turn and ending `run`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use virt_event::Period;

use crate::Exam;
use crate::cases::threads::LoopThread;
use crate::fixtures::patience;

pub(super) fn wake_ends_a_turn(exam: &Exam) {
    let waker = exam.subject().waker();
    let loop_thread = LoopThread::current();
    let woken = AtomicBool::new(false);
    let began = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            loop_thread.wait_for_sleep();
            woken.store(true, Ordering::Release);
            waker();
        });
        // A turn may return early for reasons of its own.
        while !woken.load(Ordering::Acquire) {
            loop_thread.enter();
            exam.turn(patience() * 2);
            assert!(began.elapsed() < patience(), "wake did not end the turn");
        }
    });
}

pub(super) fn wake_before_the_turn(exam: &Exam) {
    let waker = exam.subject().waker();
    waker();
    assert_turn_is_short(exam, "this thread");
    thread::scope(|scope| {
        let other = scope.spawn(&waker);
        other.join().expect("the other thread");
    });
    assert_turn_is_short(exam, "another thread");
}

fn assert_turn_is_short(exam: &Exam, who: &str) {
    let began = Instant::now();
    exam.turn(patience() * 2);
    assert!(
        began.elapsed() < patience(),
        "a turn slept although {who} had called wake before"
    );
}

pub(super) fn wake_does_not_end_run(exam: &Exam) {
    let subject = exam.subject();
    let (waker, stopper) = (subject.waker(), subject.stopper());
    let event_impl = exam.event_impl();
    let (callback, log) = exam
        .recorder()
        .timeout("the timer that stops", move |_| stopper());
    let loop_thread = LoopThread::current();
    thread::scope(|scope| {
        scope.spawn(|| {
            loop_thread.wait_for_sleep();
            waker();
            // Once it has acted on that, it sleeps again, or is gone.
            loop_thread.wait_for_sleep();
            event_impl
                .add_timeout(Period::millis(20), callback)
                .expect("add_timeout");
        });
        loop_thread.enter();
        subject.run();
    });
    exam.recorder().check();
    assert!(log.was_called(), "run ended because of a wake");
}

pub(super) fn stop_ends_run(exam: &Exam) {
    let subject = exam.subject();
    let stopper = subject.stopper();
    let loop_thread = LoopThread::current();
    let began = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            loop_thread.wait_for_sleep();
            stopper();
        });
        loop_thread.enter();
        subject.run();
    });
    assert!(began.elapsed() < patience(), "stop did not end run");
}

pub(super) fn stop_before_run(exam: &Exam) {
    let stopper = exam.subject().stopper();
    stopper();
    assert_run_is_short(exam, "this thread");
    thread::scope(|scope| {
        let other = scope.spawn(&stopper);
        other.join().expect("the other thread");
    });
    assert_run_is_short(exam, "another thread");
}

fn assert_run_is_short(exam: &Exam, who: &str) {
    let began = Instant::now();
    exam.subject().run();
    assert!(
        began.elapsed() < patience(),
        "run went on although {who} had called stop before"
    );
}

pub(super) fn stop_inside_a_callback(exam: &Exam) {
    let subject = exam.subject();
    let stopper = subject.stopper();
    let began = Instant::now();
    let timed = exam.timer_with(Period::millis(1), move |_| stopper());
    subject.run();
    exam.recorder().check();
    assert!(timed.log.was_called(), "run ended before it was stopped");
    assert!(
        began.elapsed() < patience(),
        "run went on although a callback had stopped it"
    );
}

pub(super) fn stop_counts_once(exam: &Exam) {
    let subject = exam.subject();
    let stopper = subject.stopper();
    stopper();
    subject.run();
    let mut calls = 0;
    let timed = exam.timer_with(Period::millis(1), move |_| {
        calls += 1;
        if calls == 3 {
            stopper();
        }
    });
    subject.run();
    exam.recorder().check();
    assert!(
        timed.log.count() >= 3,
        "a run ended after {} of 3 calls because of a stop that an earlier run had obeyed",
        timed.log.count()
    );
}
