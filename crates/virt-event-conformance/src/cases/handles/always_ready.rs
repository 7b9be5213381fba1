//! H6: descriptors that epoll refuses.

use super::{BOTH, ERROR, HANGUP, NONE, READABLE, WRITABLE};
use crate::fixtures::{dev_null, eventfd, regular_file};
use crate::mutants::broken;
use crate::mutants::handles::{HoldsDuplicate, RefusesFiles, SameFd, Sharing, Tampering};
use crate::{Capabilities, Case, Exam, Mutant};

pub(super) const CASES: &[Case] = &[
    Case::new(
        "h06_regular_file",
        regular_file_is_ready,
        Mutant::broken("a regular file is refused, as epoll refuses it", |f, c| {
            broken(f, c, RefusesFiles)
        }),
    ),
    Case::new(
        "h06_dev_null",
        dev_null_is_ready,
        Mutant::broken("it is accepted and never ready", |f, c| {
            broken(f, c, Tampering::DEAF.fault())
        }),
    ),
    Case::new(
        "h06_zero_and_back",
        zero_and_back,
        Mutant::broken("updates of it are ignored", |f, c| {
            let fault = Tampering {
                update: |_, _| None,
                ..Tampering::NONE
            };
            broken(f, c, fault.fault())
        }),
    )
    .needs(Capabilities::COUNTED),
    Case::new(
        "h06_no_hangup_and_no_error",
        no_hangup_and_no_error,
        Mutant::broken("it is ready for whatever was asked for", |f, c| {
            let fault = Tampering {
                add: |asked| asked | READABLE,
                tell: |told| Some(told.asked),
                ..Tampering::NONE
            };
            broken(f, c, fault.fault())
        }),
    )
    .needs(Capabilities::COUNTED),
    Case::new(
        "h06_beside_others",
        beside_others,
        Mutant::broken("edge-triggered: one call until the next update", |f, c| {
            broken(f, c, Tampering::ONCE.fault())
        }),
    ),
    Case::new(
        "h06_twice",
        twice,
        Mutant::broken(
            "removing one parks all watches on its descriptor",
            |f, c| broken(f, c, SameFd::new(Sharing::RemoveParksAll)),
        ),
    ),
    Case::new(
        "h06_parked_when_closed",
        parked_when_closed,
        Mutant::broken("the subject watches a duplicate of its own", |f, c| {
            broken(f, c, HoldsDuplicate::default())
        }),
    )
    .needs(Capabilities::COUNTED),
];

fn regular_file_is_ready(exam: &Exam) {
    let file = regular_file();
    let reader = exam.watch(&file, READABLE);
    let either = exam.watch(&file, BOTH);
    exam.iterate(5);
    assert!(reader.log.count() >= 5, "{:?}", reader.log);
    assert_eq!(reader.log.seen(), READABLE);
    assert_eq!(either.log.seen(), BOTH);
}

fn dev_null_is_ready(exam: &Exam) {
    let null = dev_null();
    let writer = exam.watch(&null, WRITABLE);
    exam.iterate(5);
    assert!(writer.log.count() >= 5, "{:?}", writer.log);
    assert_eq!(writer.log.seen(), WRITABLE);
    exam.update(writer.id, READABLE);
    exam.turn_until("readable, after an update", || {
        writer
            .log
            .last()
            .is_some_and(|call| call.events == READABLE)
    });
}

fn zero_and_back(exam: &Exam) {
    let file = regular_file();
    let watch = exam.watch(&file, READABLE);
    exam.turn_until("a call", || watch.log.was_called());
    for _ in 0..2 {
        exam.update(watch.id, NONE);
        let before = watch.log.count();
        exam.assert_sleeps("the only watch, on a regular file, is parked");
        assert_eq!(watch.log.count(), before, "called with interest 0");
        exam.update(watch.id, READABLE);
        exam.sleep_until("a call after the interest was set again", || {
            watch.log.count() > before
        });
    }
}

fn no_hangup_and_no_error(exam: &Exam) {
    let file = regular_file();
    let watch = exam.watch(&file, HANGUP | ERROR);
    exam.assert_sleeps("a regular file neither hangs up nor fails");
    assert!(
        !watch.log.was_called(),
        "a regular file was reported as {:?}",
        watch.log.seen()
    );
    exam.update(watch.id, READABLE | HANGUP | ERROR);
    exam.turn_until("readable", || watch.log.was_called());
    assert_eq!(watch.log.seen(), READABLE);
}

fn beside_others(exam: &Exam) {
    let (file, source) = (regular_file(), eventfd());
    source.kick();
    let file = exam.watch(&file, READABLE);
    let other = exam.watch(&source, READABLE);
    exam.iterate(5);
    assert!(file.log.count() >= 5, "{:?}", file.log);
    assert!(other.log.count() >= 5, "{:?}", other.log);
}

fn twice(exam: &Exam) {
    let file = regular_file();
    let (one, other) = (exam.watch(&file, READABLE), exam.watch(&file, WRITABLE));
    exam.iterate(2);
    assert_eq!(one.log.seen(), READABLE);
    assert_eq!(other.log.seen(), WRITABLE);
    exam.remove(one.id);
    let before = (one.log.count(), other.log.count());
    exam.iterate(3);
    assert_eq!(one.log.count(), before.0, "called after its removal");
    assert!(other.log.count() >= before.1 + 3, "{:?}", other.log);
}

fn parked_when_closed(exam: &Exam) {
    let file = crate::fixtures::numbered(regular_file());
    let source = eventfd();
    let watch = exam.watch(&file, READABLE);
    let other = exam.watch(&source, READABLE);
    exam.turn_until("a call", || watch.log.was_called());
    drop(file);
    // One more call is permitted: before the loop finds out.
    exam.iterate(2);
    let before = watch.log.count();
    exam.assert_sleeps("the regular file that it watched is closed");
    assert_eq!(watch.log.count(), before, "called for a closed file");
    source.kick();
    exam.turn_until("the other watch", || other.log.was_called());
    exam.remove(watch.id);
    exam.turn_until("the free", || watch.log.is_freed());
}
