//! R3: nothing breaks when the host loop is gone.

use virt_event::HandleEvents;

use crate::Exam;
use crate::cases::threads::{EveryCall, turn_driver_until};
use crate::fixtures::closed_number;

pub(super) fn adds_succeed(exam: &Exam) {
    let subject = exam.subject();
    subject.detach();
    let calls = EveryCall::prepare();
    let results = calls.make(&*exam.event_impl(), exam.recorder());
    results.check_untouched();
    subject.attach().expect("attach again");
    results.check(exam);
}

pub(super) fn another_host_serves(exam: &Exam) {
    let subject = exam.subject();
    subject.detach();
    let calls = EveryCall::prepare();
    let results = calls.make(&*exam.event_impl(), exam.recorder());
    let driver = subject.second_driver().expect("a driver after a detach");
    results.check_with(|what, condition| {
        turn_driver_until(&driver, exam.recorder(), what, condition);
    });
    drop(driver);
    subject.attach().expect("attach again");
    results.check_again(exam);
}

pub(super) fn bad_descriptors(exam: &Exam) {
    let subject = exam.subject();
    subject.detach();
    for fd in [-1, closed_number()] {
        let Err((refused, log)) = exam.try_watch(fd, HandleEvents::READABLE) else {
            panic!("add_handle({fd}) succeeded without a driver");
        };
        assert!(!log.is_freed(), "the callback was freed by a refused add");
        drop(refused);
    }
    subject.attach().expect("attach again");
}
