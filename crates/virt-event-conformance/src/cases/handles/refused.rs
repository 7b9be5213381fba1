//! H7: bad descriptors.

use std::os::fd::RawFd;

use virt_event::Error;

use super::READABLE;
use crate::fixtures::{closed_number, eventfd};
use crate::mutants::broken;
use crate::mutants::handles::{AcceptsBad, DropsRefused, RefusesVaguely};
use crate::{Case, Exam, Mutant};

pub(super) const CASES: &[Case] = &[
    Case::new(
        "h07_negative_fd_is_refused",
        |exam| refused(exam, &[-1, -2, i32::MIN]),
        Mutant::broken("bad descriptors are accepted and never ready", |f, c| {
            broken(f, c, AcceptsBad)
        }),
    ),
    Case::new(
        "h07_closed_fd_is_refused",
        |exam| refused(exam, &[closed_number()]),
        Mutant::broken("bad descriptors are accepted and never ready", |f, c| {
            broken(f, c, AcceptsBad)
        }),
    ),
    Case::new(
        "h07_fd_over_the_limit_is_refused",
        |exam| refused(exam, &[i32::MAX, over_the_limit()]),
        Mutant::broken("bad descriptors are accepted and never ready", |f, c| {
            broken(f, c, AcceptsBad)
        }),
    ),
    Case::new(
        "h07_callback_comes_back",
        callback_comes_back,
        Mutant::broken("a refused callback is dropped", |f, c| {
            broken(f, c, DropsRefused)
        }),
    ),
    Case::new(
        "h07_error_names_fd_and_errno",
        error_names_fd_and_errno,
        Mutant::broken("the error says that something is wrong", |f, c| {
            broken(f, c, RefusesVaguely)
        }),
    ),
];

/// The first number that the process may not have.
fn over_the_limit() -> RawFd {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let limit = limit.current.unwrap_or(u64::MAX);
    RawFd::try_from(limit).unwrap_or(RawFd::MAX)
}

fn refused(exam: &Exam, bad: &[RawFd]) {
    let source = eventfd();
    source.kick();
    let other = exam.watch(&source, READABLE);
    for fd in bad {
        match exam.try_watch(*fd, READABLE) {
            Ok(watch) => panic!("fd {fd} was accepted as {}", watch.id),
            Err((refused, log)) => {
                assert!(!log.was_called(), "the refused callback was called");
                drop(refused);
                assert_eq!(log.frees(), 1);
            }
        }
    }
    exam.iterate(2);
    assert!(other.log.count() >= 2, "a refusal disturbed another watch");
}

fn callback_comes_back(exam: &Exam) {
    let fd = closed_number();
    let Err((mut refused, log)) = exam.try_watch(fd, READABLE) else {
        panic!("a closed descriptor was accepted");
    };
    exam.iterate(3);
    assert!(!log.is_freed(), "the refused callback was freed");
    assert!(!log.was_called(), "the refused callback was called");
    // It is the very one, and it works.
    let id = virt_event::WatchId::new(1).expect("positive");
    refused.inner.call(id, fd, READABLE);
    assert_eq!(log.count(), 1, "another callback came back");
    drop(refused);
    assert_eq!(log.frees(), 1);
}

fn error_names_fd_and_errno(exam: &Exam) {
    const EBADF: i32 = 9;
    for fd in [-1, closed_number(), i32::MAX] {
        let Err((refused, _)) = exam.try_watch(fd, READABLE) else {
            panic!("fd {fd} was accepted");
        };
        match &refused.error {
            Error::Descriptor { fd: named, source } => {
                assert_eq!(*named, fd);
                assert_eq!(source.raw_os_error(), Some(EBADF), "{source}");
            }
            other => panic!("not Error::Descriptor: {other}"),
        }
        let text = refused.error.to_string();
        assert!(text.contains(&fd.to_string()), "{text}");
    }
}
