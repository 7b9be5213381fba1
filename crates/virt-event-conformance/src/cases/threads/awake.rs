//! X1: the six calls from another thread while the loop does not sleep: before
//! its first turn, without a driver, and while a callback holds it up.

use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use virt_event::{EventImpl, HandleEvents, Period};

use crate::fixtures::{EventFd, eventfd, patience, wait_until};
use crate::{Exam, Log, Recorder};

pub(super) fn before_the_first_turn(exam: &Exam) {
    let calls = EveryCall::prepare();
    let (event_impl, recorder) = (exam.event_impl(), exam.recorder());
    on_another_thread(|| calls.make(&*event_impl, recorder)).check(exam);
}

pub(super) fn while_detached(exam: &Exam) {
    let calls = EveryCall::prepare();
    let subject = exam.subject();
    subject.detach();
    let (event_impl, recorder) = (exam.event_impl(), exam.recorder().clone());
    let results = on_another_thread(|| calls.make(&*event_impl, &recorder));
    results.check_untouched();
    subject.attach().expect("attach again");
    results.check(exam);
}

pub(super) fn while_a_callback_runs(exam: &Exam) {
    let calls = EveryCall::prepare();
    let inside = Arc::new(AtomicBool::new(false));
    let over = Arc::new(AtomicBool::new(false));
    let source = eventfd();
    source.kick();
    let (now_inside, wait_for, recorder) = (inside.clone(), over.clone(), exam.recorder().clone());
    let own = source.duplicate();
    let watched = exam.watch_with(&source, HandleEvents::READABLE, move |_| {
        own.take();
        now_inside.store(true, Ordering::Release);
        let began = Instant::now();
        while !wait_for.load(Ordering::Acquire) {
            if began.elapsed() > patience() {
                recorder.fault("a call waited for the end of a callback");
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
    });
    let (event_impl, recorder) = (exam.event_impl(), exam.recorder().clone());
    let results = thread::scope(|scope| {
        let caller = scope.spawn(|| {
            wait_until("the callback", || inside.load(Ordering::Acquire));
            let results = calls.make(&*event_impl, &recorder);
            over.store(true, Ordering::Release);
            results
        });
        exam.turn_until("the callback", || watched.log.was_called());
        caller.join().expect("the other thread")
    });
    results.check(exam);
}

/// Turns with a driver that is not the subject's own, until `condition` holds.
pub(in crate::cases) fn turn_driver_until(
    turn: impl Fn(Duration) -> Result<(), String>,
    recorder: &Recorder,
    what: &str,
    condition: &mut dyn FnMut() -> bool,
) {
    let began = Instant::now();
    while !condition() {
        assert!(
            began.elapsed() < patience(),
            "waited {:?} in vain: {what}",
            began.elapsed()
        );
        turn(Duration::from_millis(10)).expect("a turn of the second driver");
        recorder.check();
    }
}

fn on_another_thread<R: Send>(act: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| scope.spawn(act).join().expect("the other thread"))
}

/// All six calls, each in a way that shows.
pub(in crate::cases) struct EveryCall([EventFd; 2]);

/// What became of them.
pub(in crate::cases) struct Results {
    /// Watched. A callback makes its own unready, so that the loop has idle
    /// moments, which is all the time for frees that some implementations have.
    sources: [EventFd; 2],
    /// What will be called.
    live: [Log; 4],
    /// What will be freed, uncalled.
    removed: [Log; 2],
}

impl EveryCall {
    pub(in crate::cases) fn prepare() -> Self {
        let sources = [eventfd(), eventfd()];
        for source in &sources {
            source.kick();
        }
        Self(sources)
    }

    /// Makes the calls.
    pub(in crate::cases) fn make(self, event_impl: &dyn EventImpl, recorder: &Recorder) -> Results {
        let watch = |name: &str, source: &EventFd, events| {
            let own = source.duplicate();
            let (callback, log) = recorder.handle(name, move |_| {
                own.take();
            });
            let id = event_impl.add_handle(source.as_raw_fd(), events, callback);
            (id.expect("add_handle"), log)
        };
        let timer = |name: &str, period| {
            let (callback, log) = recorder.timeout(name, |_| {});
            let id = event_impl.add_timeout(period, callback);
            (id.expect("add_timeout"), log)
        };
        let [first, second] = &self.0;
        // The removed ones may be called until they are removed, if the loop
        // runs: so they have no reason to be.
        let (removed_watch, removed_watch_log) =
            watch("the removed watch", first, HandleEvents::empty());
        let (removed_timer, removed_timer_log) = timer("the removed timer", Period::DISABLED);
        let (_, added_watch) = watch("the added watch", first, HandleEvents::READABLE);
        let (parked_watch, updated_watch) =
            watch("the updated watch", second, HandleEvents::empty());
        let (_, added_timer) = timer("the added timer", Period::millis(1));
        let (parked_timer, updated_timer) = timer("the updated timer", Period::DISABLED);
        event_impl.update_handle(parked_watch, HandleEvents::READABLE);
        event_impl.update_timeout(parked_timer, Period::millis(1));
        event_impl
            .remove_handle(removed_watch)
            .expect("remove_handle");
        event_impl
            .remove_timeout(removed_timer)
            .expect("remove_timeout");
        Results {
            sources: self.0,
            live: [added_watch, updated_watch, added_timer, updated_timer],
            removed: [removed_watch_log, removed_timer_log],
        }
    }
}

impl Results {
    /// Nothing was called or freed yet, because no loop has run.
    pub(in crate::cases) fn check_untouched(&self) {
        for log in self.live.iter().chain(&self.removed) {
            assert!(
                !log.was_called() && !log.is_freed(),
                "called or freed although no loop has run: {log:?}"
            );
        }
    }

    /// Turns until every call has taken effect.
    pub(in crate::cases) fn check(&self, exam: &Exam) {
        self.check_with(|what, condition| exam.turn_until(what, condition));
    }

    /// As [`check`](Self::check), with other means of turning.
    pub(in crate::cases) fn check_with(
        &self,
        mut turn_until: impl FnMut(&str, &mut dyn FnMut() -> bool),
    ) {
        for log in &self.live {
            turn_until(&format!("a call of {log:?}"), &mut || log.was_called());
        }
        for log in &self.removed {
            turn_until(&format!("the freeing of {log:?}"), &mut || log.is_freed());
            assert!(!log.was_called(), "called although it was removed: {log:?}");
        }
    }

    /// As [`check`](Self::check), for new calls of what was called before.
    pub(in crate::cases) fn check_again(&self, exam: &Exam) {
        let calls = self.live.each_ref().map(Log::count);
        for source in &self.sources {
            source.kick();
        }
        exam.turn_until("another call of each entry", || {
            self.live
                .iter()
                .zip(calls)
                .all(|(log, calls)| log.count() > calls)
        });
    }

    /// Everything so far happened on one thread.
    pub(in crate::cases) fn assert_called_on(&self, thread: ThreadId) {
        for log in &self.live {
            assert!(
                log.calls().iter().all(|call| call.thread == thread),
                "called on another thread: {log:?}"
            );
        }
        for log in &self.removed {
            assert!(
                log.free().is_some_and(|free| free.thread == thread),
                "freed on another thread: {log:?}"
            );
        }
    }
}
