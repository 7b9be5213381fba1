//! H5: several watches on one descriptor.

use super::{BOTH, HANGUP, NONE, READABLE, WRITABLE};
use crate::fixtures::{eventfd, pipe, socketpair, write_byte};
use crate::mutants::broken;
use crate::mutants::handles::{SameFd, Sharing};
use crate::{Case, Exam, Mutant};

pub(super) const CASES: &[Case] = &[
    Case::new(
        "h05_same_fd_twice",
        same_fd_twice,
        Mutant::broken("a second watch on a descriptor is refused", |f, c| {
            broken(f, c, SameFd::new(Sharing::RefusesSecond))
        }),
    ),
    Case::new(
        "h05_different_interest",
        different_interest,
        Mutant::broken(
            "all watches on a descriptor hear what one asked for",
            |f, c| broken(f, c, SameFd::new(Sharing::TellsAll)),
        ),
    ),
    Case::new(
        "h05_second_leaves_the_first",
        second_leaves_the_first,
        Mutant::broken(
            "a second watch on a descriptor replaces the first",
            |f, c| broken(f, c, SameFd::new(Sharing::Replaces)),
        ),
    ),
    Case::new(
        "h05_removing_one_leaves_the_others",
        removing_one_leaves_the_others,
        Mutant::broken(
            "removing one parks all watches on its descriptor",
            |f, c| broken(f, c, SameFd::new(Sharing::RemoveParksAll)),
        ),
    ),
    Case::new(
        "h05_updating_one_leaves_the_others",
        updating_one_leaves_the_others,
        Mutant::broken(
            "updating one updates all watches on its descriptor",
            |f, c| broken(f, c, SameFd::new(Sharing::UpdatesAll)),
        ),
    ),
    Case::new(
        "h05_hangup_reaches_all_but_the_parked",
        hangup_reaches_all_but_the_parked,
        Mutant::broken(
            "all watches on a descriptor hear what one asked for",
            |f, c| broken(f, c, SameFd::new(Sharing::TellsAll)),
        ),
    ),
];

fn same_fd_twice(exam: &Exam) {
    let source = eventfd();
    source.kick();
    let watches = [(); 4].map(|()| exam.watch(&source, READABLE));
    exam.iterate(3);
    for watch in &watches {
        assert!(watch.log.count() >= 3, "{:?}", watch.log);
    }
}

fn different_interest(exam: &Exam) {
    let (socket, peer) = socketpair();
    write_byte(&peer);
    let reader = exam.watch(&socket, READABLE);
    let writer = exam.watch(&socket, WRITABLE);
    let either = exam.watch(&socket, BOTH);
    exam.iterate(3);
    assert_eq!(reader.log.seen(), READABLE);
    assert_eq!(writer.log.seen(), WRITABLE);
    assert_eq!(either.log.seen(), BOTH);
}

fn second_leaves_the_first(exam: &Exam) {
    let source = eventfd();
    source.kick();
    let first = exam.watch(&source, READABLE);
    exam.turn_until("the first", || first.log.was_called());
    let second = exam.watch(&source, WRITABLE);
    exam.turn_until("the second", || second.log.was_called());
    let before = first.log.count();
    exam.turn_until("the first, beside the second", || {
        first.log.count() > before
    });
}

fn removing_one_leaves_the_others(exam: &Exam) {
    let (socket, peer) = socketpair();
    write_byte(&peer);
    let first = exam.watch(&socket, READABLE);
    let second = exam.watch(&socket, READABLE);
    let third = exam.watch(&socket, WRITABLE);
    exam.iterate(2);
    exam.remove(second.id);
    let before = (first.log.count(), second.log.count(), third.log.count());
    exam.iterate(3);
    assert!(first.log.count() >= before.0 + 3, "{:?}", first.log);
    assert!(third.log.count() >= before.2 + 3, "{:?}", third.log);
    assert_eq!(second.log.count(), before.1, "called after its removal");
    exam.remove(third.id);
    let before = first.log.count();
    exam.iterate(3);
    assert!(first.log.count() >= before + 3, "{:?}", first.log);
    assert_eq!(first.log.seen(), READABLE);
}

fn updating_one_leaves_the_others(exam: &Exam) {
    let (socket, peer) = socketpair();
    write_byte(&peer);
    let one = exam.watch(&socket, READABLE);
    let other = exam.watch(&socket, READABLE);
    exam.update(one.id, NONE);
    let before = (one.log.count(), other.log.count());
    exam.iterate(3);
    assert_eq!(one.log.count(), before.0, "called with interest 0");
    assert!(other.log.count() >= before.1 + 3, "{:?}", other.log);
    exam.update(one.id, WRITABLE);
    exam.iterate(3);
    assert_eq!(one.log.last().map(|call| call.events), Some(WRITABLE));
    assert_eq!(other.log.seen(), READABLE);
}

fn hangup_reaches_all_but_the_parked(exam: &Exam) {
    let (reader, writer) = pipe();
    let one = exam.watch(&reader, READABLE);
    let other = exam.watch(&reader, HANGUP);
    let parked = exam.watch(&reader, NONE);
    drop(writer);
    exam.turn_until("the hang-up, twice", || {
        one.log.seen().contains(HANGUP) && other.log.seen().contains(HANGUP)
    });
    exam.iterate(2);
    assert!(!parked.log.was_called(), "called with interest 0");
}
