//! X1: each of the six calls from another thread while the loop sleeps.

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use virt_event::{HandleEvents, Period};

use crate::Exam;
use crate::fixtures::{eventfd, patience, wait_until};

/// Long enough never to pass within a case.
const NEVER: Period = Period::millis(i32::MAX as u32);

pub(super) fn handle_added(exam: &Exam) {
    let source = eventfd();
    source.kick();
    let fd = source.as_raw_fd();
    let event_impl = exam.event_impl();
    let (callback, log) = exam.recorder().handle("the new watch", |_| {});
    act_while_asleep(
        exam,
        "a call of a ready watch that was added",
        move || {
            event_impl
                .add_handle(fd, HandleEvents::READABLE, callback)
                .expect("an add from another thread");
        },
        || log.was_called(),
    );
}

pub(super) fn handle_updated(exam: &Exam) {
    let source = eventfd();
    source.kick();
    let watched = exam.watch(&source, HandleEvents::empty());
    let event_impl = exam.event_impl();
    act_while_asleep(
        exam,
        "a call of a ready watch that was parked",
        move || event_impl.update_handle(watched.id, HandleEvents::READABLE),
        || watched.log.was_called(),
    );
}

pub(super) fn handle_parked(exam: &Exam) {
    let source = eventfd();
    let other = source.duplicate();
    let watched = exam.watch(&source, HandleEvents::READABLE);
    let event_impl = exam.event_impl();
    let (callback, fence) = exam.recorder().timeout("the zero timer", |_| {});
    act_while_asleep(
        exam,
        "a zero timer that was added",
        move || {
            event_impl.update_handle(watched.id, HandleEvents::empty());
            other.kick();
            event_impl
                .add_timeout(Period::EVERY_ITERATION, callback)
                .expect("an add from another thread");
        },
        || fence.count() > 2,
    );
    assert!(
        !watched.log.was_called(),
        "a watch was called after another thread had parked it"
    );
}

pub(super) fn handle_removed(exam: &Exam) {
    let source = eventfd();
    let watched = exam.watch(&source, HandleEvents::READABLE);
    let event_impl = exam.event_impl();
    act_while_asleep(
        exam,
        "the freeing of a watch that was removed",
        move || {
            event_impl
                .remove_handle(watched.id)
                .expect("a removal from another thread");
        },
        || watched.log.is_freed(),
    );
    assert!(!watched.log.was_called(), "nothing was ready");
}

pub(super) fn timer_added(exam: &Exam) {
    let event_impl = exam.event_impl();
    let (callback, log) = exam.recorder().timeout("the new timer", |_| {});
    act_while_asleep(
        exam,
        "a call of a timer that was added",
        move || {
            event_impl
                .add_timeout(Period::millis(1), callback)
                .expect("an add from another thread");
        },
        || log.was_called(),
    );
}

pub(super) fn timer_updated(exam: &Exam) {
    let timed = exam.timer(NEVER);
    let event_impl = exam.event_impl();
    act_while_asleep(
        exam,
        "a call of a timer whose period was shortened",
        move || event_impl.update_timeout(timed.id, Period::millis(1)),
        || timed.log.was_called(),
    );
}

pub(super) fn timer_disabled(exam: &Exam) {
    let timed = exam.timer(Period::millis(5));
    let log = timed.log.clone();
    let calls = std::sync::OnceLock::new();
    let event_impl = exam.event_impl();
    let (callback, fence) = exam.recorder().timeout("the timer of 15 ms", |_| {});
    act_while_asleep(
        exam,
        "several calls of a timer that was added",
        || {
            event_impl.update_timeout(timed.id, Period::DISABLED);
            calls.get_or_init(|| log.count());
            event_impl
                .add_timeout(Period::millis(15), callback)
                .expect("an add from another thread");
        },
        || fence.count() > 3,
    );
    // The one may have been under way when it was disabled.
    let allowed = calls.get().expect("the other thread has acted") + 1;
    assert!(
        timed.log.count() <= allowed,
        "a timer was called after another thread had disabled it"
    );
}

pub(super) fn timer_removed(exam: &Exam) {
    let timed = exam.timer(NEVER);
    let event_impl = exam.event_impl();
    act_while_asleep(
        exam,
        "the freeing of a timer that was removed",
        move || {
            event_impl
                .remove_timeout(timed.id)
                .expect("a removal from another thread");
        },
        || timed.log.is_freed(),
    );
    assert!(!timed.log.was_called(), "it was not due");
}

/// Takes turns of twice the patience. Once this thread sleeps in one, another
/// runs `act`, and `seen` must come true before the patience is over: a loop
/// that finds out at the end of its turn is too late.
pub(in crate::cases) fn act_while_asleep(
    exam: &Exam,
    what: &str,
    act: impl FnOnce() + Send,
    mut seen: impl FnMut() -> bool,
) {
    let loop_thread = LoopThread::current();
    let began = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            loop_thread.wait_for_sleep();
            act();
        });
        while !seen() {
            loop_thread.enter();
            exam.turn(patience() * 2);
            assert!(
                began.elapsed() < patience(),
                "waited {:?} in vain: {what}",
                began.elapsed()
            );
        }
    });
}

/// The thread that turns, as others see it.
pub(in crate::cases) struct LoopThread {
    stat: String,
    entered: AtomicBool,
}

impl LoopThread {
    pub(in crate::cases) fn current() -> Self {
        let id = rustix::thread::gettid();
        Self {
            stat: format!("/proc/self/task/{id}/stat"),
            entered: AtomicBool::new(false),
        }
    }

    /// To be called before a turn that will sleep.
    pub(in crate::cases) fn enter(&self) {
        self.entered.store(true, Ordering::Release);
    }

    /// Waits until it has entered a turn, and sleeps.
    pub(in crate::cases) fn wait_for_sleep(&self) {
        wait_until("the loop to go to sleep", || {
            self.entered.load(Ordering::Acquire) && self.sleeps()
        });
    }

    fn sleeps(&self) -> bool {
        let stat = std::fs::read_to_string(&self.stat).expect("read the thread's state");
        // The name of the thread is in parentheses and may contain anything.
        let (_, rest) = stat.rsplit_once(')').expect("a name in parentheses");
        rest.trim_start().starts_with('S')
    }
}
