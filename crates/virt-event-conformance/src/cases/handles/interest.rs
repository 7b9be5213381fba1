//! H4: interest 0.

use super::{BOTH, HANGUP, NONE, READABLE};
use crate::fixtures::{closed_number, epoll_interest, eventfd, pipe};
use crate::mutants::broken;
use crate::mutants::handles::{AcceptsBad, Deferred, Tampering};
use crate::{Capabilities, Case, Exam, Mutant};

pub(super) const CASES: &[Case] = &[
    Case::new(
        "h04_zero_is_silent",
        zero_is_silent,
        Mutant::broken("an update to 0 is ignored", |f, c| {
            let fault = Tampering {
                update: |_, asked| (!asked.is_empty()).then_some(asked),
                ..Tampering::NONE
            };
            broken(f, c, fault.fault())
        }),
    ),
    Case::new(
        "h04_added_with_zero",
        added_with_zero,
        Mutant::broken("an add with 0 asks for everything", |f, c| {
            let fault = Tampering {
                add: |asked| if asked.is_empty() { BOTH } else { asked },
                ..Tampering::NONE
            };
            broken(f, c, fault.fault())
        }),
    ),
    Case::new(
        "h04_set_again_resumes",
        set_again_resumes,
        Mutant::broken("a parked watch stays parked", |f, c| {
            let fault = Tampering {
                update: |before, asked| (!before.is_empty()).then_some(asked),
                ..Tampering::NONE
            };
            broken(f, c, fault.fault())
        }),
    ),
    Case::new(
        "h04_zero_after_hangup",
        zero_after_hangup,
        Mutant::broken("a parked watch stays armed in the kernel", |f, c| {
            broken(f, c, Tampering::STAYS_IN_SET.fault())
        }),
    )
    .needs(Capabilities::COUNTED),
    Case::new(
        "h04_hangup_while_zero",
        hangup_while_zero,
        Mutant::broken("a parked watch stays armed in the kernel", |f, c| {
            broken(f, c, Tampering::STAYS_IN_SET.fault())
        }),
    )
    .needs(Capabilities::COUNTED),
    Case::new(
        "h04_zero_for_a_fetched_event",
        zero_for_a_fetched_event,
        Mutant::broken("an update counts from the next turn on", |f, c| {
            broken(f, c, Deferred::updates())
        }),
    ),
    Case::new(
        "h04_kernel_knows_at_once",
        kernel_knows_at_once,
        Mutant::broken("an update counts from the next turn on", |f, c| {
            broken(f, c, Deferred::updates())
        }),
    )
    .needs(Capabilities::EPOLL),
    Case::new(
        "h04_added_with_zero_is_validated",
        added_with_zero_is_validated,
        Mutant::broken("an add with 0 is not looked at", |f, c| {
            broken(f, c, AcceptsBad)
        }),
    ),
];

fn zero_is_silent(exam: &Exam) {
    let source = eventfd();
    source.kick();
    let watch = exam.watch(&source, BOTH);
    exam.turn_until("the first call", || watch.log.was_called());
    exam.update(watch.id, NONE);
    let before = watch.log.count();
    exam.iterate(5);
    assert_eq!(watch.log.count(), before, "called with interest 0");
}

fn added_with_zero(exam: &Exam) {
    let source = eventfd();
    source.kick();
    let watch = exam.watch(&source, NONE);
    exam.iterate(5);
    assert!(!watch.log.was_called(), "called with interest 0");
    exam.update(watch.id, READABLE);
    exam.turn_until("an event once an interest was set", || {
        watch.log.was_called()
    });
}

fn set_again_resumes(exam: &Exam) {
    let (reader, writer) = pipe();
    let source = eventfd();
    source.kick();
    let readable = exam.watch(&source, READABLE);
    let hung_up = exam.watch(&reader, READABLE);
    drop(writer);
    for _ in 0..3 {
        let before = (readable.log.count(), hung_up.log.count());
        exam.turn_until("both", || {
            readable.log.count() > before.0 && hung_up.log.count() > before.1
        });
        exam.update(readable.id, NONE);
        exam.update(hung_up.id, NONE);
        exam.iterate(1);
        exam.update(readable.id, READABLE);
        exam.update(hung_up.id, READABLE);
    }
    assert!(hung_up.log.seen().contains(HANGUP));
}

fn zero_after_hangup(exam: &Exam) {
    let (reader, writer) = pipe();
    let watch = exam.watch(&reader, READABLE);
    drop(writer);
    exam.turn_until("the hang-up", || watch.log.seen().contains(HANGUP));
    exam.update(watch.id, NONE);
    let before = watch.log.count();
    exam.assert_sleeps("the only watch is parked after a hang-up");
    assert_eq!(watch.log.count(), before, "called with interest 0");
    exam.update(watch.id, READABLE);
    exam.turn_until("the hang-up again", || watch.log.count() > before);
}

fn hangup_while_zero(exam: &Exam) {
    let (reader, writer) = pipe();
    let (broken_reader, broken_writer) = pipe();
    let watch = exam.watch(&reader, READABLE);
    exam.update(watch.id, NONE);
    let other = exam.watch(&broken_writer, NONE);
    drop((writer, broken_reader));
    exam.assert_sleeps("both watches are parked, one since before its hang-up");
    assert!(!watch.log.was_called(), "told of a hang-up with interest 0");
    assert!(!other.log.was_called(), "told of an error with interest 0");
    exam.update(watch.id, READABLE);
    exam.update(other.id, READABLE);
    exam.turn_until("the hang-up and the error", || {
        watch.log.was_called() && other.log.was_called()
    });
}

/// Two watches are ready at once; whichever comes first parks the other.
fn zero_for_a_fetched_event(exam: &Exam) {
    use std::sync::{Arc, OnceLock};
    let (one, other) = (eventfd(), eventfd());
    let event_impl = exam.event_impl();
    let ids = Arc::new(OnceLock::<[virt_event::WatchId; 2]>::new());
    let park_the_other = |own: usize| {
        let (event_impl, ids) = (Arc::clone(&event_impl), Arc::clone(&ids));
        move |_| {
            let ids = ids.get().expect("set before the first turn");
            event_impl.update_handle(ids[1 - own], NONE);
        }
    };
    let first = exam.watch_with(&one, READABLE, park_the_other(0));
    let second = exam.watch_with(&other, READABLE, park_the_other(1));
    ids.set([first.id, second.id]).expect("set once");
    one.kick();
    other.kick();
    exam.iterate(3);
    let called = [&first, &second].map(|watch| watch.log.was_called());
    assert!(called[0] || called[1], "neither was called");
    assert!(
        !(called[0] && called[1]),
        "called after its interest was set to 0, for an event fetched before"
    );
}

fn kernel_knows_at_once(exam: &Exam) {
    use std::os::fd::AsRawFd;
    const EPOLLIN: u32 = 1;
    const EPOLLOUT: u32 = 4;
    let source = eventfd();
    let set = exam.subject().epoll_fd();
    let interest =
        || epoll_interest(set, source.as_raw_fd()).map(|events| events & (EPOLLIN | EPOLLOUT));
    let watch = exam.watch(&source, READABLE);
    assert_eq!(interest(), Some(EPOLLIN), "after the add");
    exam.update(watch.id, BOTH);
    assert_eq!(
        interest(),
        Some(EPOLLIN | EPOLLOUT),
        "after asking for more"
    );
    exam.update(watch.id, NONE);
    assert_eq!(interest(), None, "after interest 0");
    exam.update(watch.id, super::WRITABLE);
    assert_eq!(interest(), Some(EPOLLOUT), "after asking again");
}

fn added_with_zero_is_validated(exam: &Exam) {
    for fd in [closed_number(), -1] {
        match exam.try_watch(fd, NONE) {
            Ok(_) => panic!("fd {fd} was accepted with interest 0"),
            Err((refused, log)) => {
                assert!(!log.is_freed(), "the callback was freed");
                drop(refused);
                assert_eq!(log.frees(), 1);
            }
        }
    }
}
