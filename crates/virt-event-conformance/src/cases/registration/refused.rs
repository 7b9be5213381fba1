//! H7: what the log says about a descriptor that is refused.

use virt_event::HandleEvents;

use crate::fixtures::{closed_number, eventfd};
use crate::logs::says;
use crate::{Exam, Logs};

/// The refusal is logged as an error that names the descriptor and the errno,
/// which is EBADF, number 9.
pub(super) fn log_names_fd_and_errno(exam: &Exam) {
    let logs = Logs::capture();
    for fd in [-1, closed_number()] {
        logs.clear();
        let Err((refused, _)) = exam.try_watch(fd, HandleEvents::READABLE) else {
            panic!("add_handle({fd}) succeeded");
        };
        let errors = logs.errors();
        assert_eq!(errors.len(), 1, "errors: {errors:?}");
        let text = &errors[0].text;
        assert!(says(text, fd), "it does not say {fd}: {text}");
        assert!(
            says(text, 9) || text.contains("EBADF") || text.contains("Bad file descriptor"),
            "it does not say which errno: {text}"
        );
        drop(refused);
    }
}

pub(super) fn accepted(exam: &Exam) {
    let logs = Logs::capture();
    let source = eventfd();
    exam.watch(&source, HandleEvents::READABLE);
    exam.iterate(2);
    let errors = logs.errors();
    assert!(errors.is_empty(), "errors: {errors:?}");
}
