//! L5: one driver at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use virt_event::{HandleEvents, Period};

use crate::Exam;
use crate::cases::threads::turn_driver_until;
use crate::fixtures::{eventfd, patience, wait_until};

pub(super) fn second_is_refused(exam: &Exam) {
    let source = eventfd();
    source.kick();
    let watched = exam.watch(&source, HandleEvents::READABLE);
    exam.turn(Duration::ZERO);
    let Err(error) = exam.subject().second_driver() else {
        panic!("a second driver was attached beside the first");
    };
    assert_is_clear(&error);
    let calls = watched.log.count();
    exam.turn_until("a call after a driver was refused", || {
        watched.log.count() > calls
    });
}

pub(super) fn attach_during_another_turn(exam: &Exam) {
    let inside = Arc::new(AtomicBool::new(false));
    let tried = Arc::new(AtomicBool::new(false));
    let (now_inside, wait_for) = (Arc::clone(&inside), Arc::clone(&tried));
    let timed = exam.timer_with(Period::millis(1), move |_| {
        now_inside.store(true, Ordering::Release);
        let began = Instant::now();
        while !wait_for.load(Ordering::Acquire) && began.elapsed() < patience() {
            thread::sleep(Duration::from_millis(1));
        }
    });
    let recorder = exam.recorder();
    recorder.allow_any_thread();
    let subject = exam.subject();
    subject.detach();
    let driver = subject.second_driver().expect("a driver after a detach");
    let attached = thread::scope(|scope| {
        let log = &timed.log;
        scope.spawn(move || {
            turn_driver_until(&driver, recorder, "the callback", &mut || log.was_called());
        });
        wait_until("the other driver's callback", || {
            inside.load(Ordering::Acquire)
        });
        let attached = subject.attach();
        tried.store(true, Ordering::Release);
        attached
    });
    let Err(error) = attached else {
        panic!("a driver was attached while another turned");
    };
    assert_is_clear(&error);
    subject.attach().expect("attach after the other has ended");
    let calls = timed.log.count();
    exam.turn_until("a call after that", || timed.log.count() > calls);
}

/// An error that tells the reader that there is a driver already.
fn assert_is_clear(error: &str) {
    let text = error.to_lowercase();
    assert!(
        ["driver", "driven", "attached", "already"]
            .iter()
            .any(|word| text.contains(word)),
        "the error does not say that there is a driver already: {error}"
    );
}
