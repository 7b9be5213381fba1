//! X4: the process ends while the loop turns.

use std::os::fd::AsRawFd;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use virt_event::{HandleEvents, Period};

use crate::Exam;
use crate::child::PASSED;
use crate::fixtures::{eventfd, patience, wait_until};

/// One thread makes calls, another exits, and the loop is busy.
pub(super) fn while_the_loop_turns(exam: &Exam) {
    let source = eventfd();
    source.kick();
    let fd = source.as_raw_fd();
    exam.watch(&source, HandleEvents::READABLE);
    let busy = exam.timer(Period::EVERY_ITERATION);
    let (event_impl, recorder) = (exam.event_impl(), exam.recorder().clone());
    let (other, other_recorder) = (exam.event_impl(), exam.recorder().clone());
    let called = busy.log.clone();
    let gave_up = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !gave_up.load(Ordering::Relaxed) {
                let (callback, _) = recorder.handle("a watch", |_| {});
                let id = event_impl
                    .add_handle(fd, HandleEvents::READABLE, callback)
                    .expect("add_handle");
                event_impl.remove_handle(id).expect("remove_handle");
            }
        });
        scope.spawn(|| {
            // So that whatever belongs to a thread belongs to this one, too.
            let (callback, _) = other_recorder.timeout("a timer", |_| {});
            other
                .add_timeout(Period::millis(1), callback)
                .expect("add_timeout");
            wait_until("the loop to be busy", || called.count() > 100);
            exit_now();
        });
        let began = Instant::now();
        while began.elapsed() < patience() {
            exam.turn(Duration::from_millis(10));
        }
        gave_up.store(true, Ordering::Relaxed);
    });
    panic!("the exit of the process does not end");
}

pub(super) fn inside_a_callback(exam: &Exam) {
    exam.timer_with(Period::millis(1), |_| exit_now());
    exam.turn_until("the end of the process", || false);
}

/// Tells the runner that all is well so far; it also looks at how the process
/// ends.
fn exit_now() -> ! {
    println!("{PASSED}");
    process::exit(0)
}
