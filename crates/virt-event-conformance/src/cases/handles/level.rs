//! H1: level-triggered.

use super::{BOTH, READABLE, WRITABLE};
use crate::fixtures::{eventfd, fill, pipe, read_all, socketpair, write_byte};
use crate::mutants::broken;
use crate::mutants::handles::{Tampering, WatchesAnother};
use crate::{Case, Exam, Mutant};

pub(super) const CASES: &[Case] = &[
    Case::new(
        "h01_called_again_while_readable",
        called_again_while_readable,
        Mutant::broken("edge-triggered: one call until the next update", |f, c| {
            broken(f, c, Tampering::ONCE.fault())
        }),
    ),
    Case::new(
        "h01_unread_rest_is_reported",
        unread_rest_is_reported,
        Mutant::broken("edge-triggered: one call until the next update", |f, c| {
            broken(f, c, Tampering::ONCE.fault())
        }),
    ),
    Case::new(
        "h01_writable_while_there_is_room",
        writable_while_there_is_room,
        Mutant::broken("edge-triggered: one call until the next update", |f, c| {
            broken(f, c, Tampering::ONCE.fault())
        }),
    ),
    Case::new(
        "h01_not_called_unless_ready",
        not_called_unless_ready,
        Mutant::broken("every watch is believed to be ready", |f, c| {
            broken(f, c, WatchesAnother::default())
        }),
    ),
    Case::new(
        "h01_only_what_was_asked_for",
        only_what_was_asked_for,
        Mutant::broken("readable and writable are always both asked for", |f, c| {
            let fault = Tampering {
                add: |asked| asked | BOTH,
                update: |_, asked| Some(asked | BOTH),
                ..Tampering::NONE
            };
            broken(f, c, fault.fault())
        }),
    ),
    Case::new(
        "h01_called_with_its_descriptor",
        called_with_its_descriptor,
        Mutant::broken("the callback is told another descriptor", |f, c| {
            broken(f, c, WatchesAnother::default())
        }),
    ),
];

fn called_again_while_readable(exam: &Exam) {
    let source = eventfd();
    source.kick();
    let watch = exam.watch(&source, READABLE);
    exam.iterate(10);
    let calls = watch.log.count();
    assert!(calls >= 10, "{calls} calls in 10 iterations");
    assert_eq!(watch.log.seen(), READABLE);
}

fn unread_rest_is_reported(exam: &Exam) {
    let (reader, writer) = pipe();
    for _ in 0..3 {
        write_byte(&writer);
    }
    let source = reader.try_clone().expect("duplicate");
    let watch = exam.watch_with(&reader, READABLE, move |_| {
        let _ = rustix::io::read(&source, &mut [0]);
    });
    exam.turn_until("three bytes, one a call", || watch.log.count() == 3);
    exam.iterate(3);
    assert_eq!(watch.log.count(), 3, "called though all was read");
    // And it is not forgotten after that.
    write_byte(&writer);
    exam.turn_until("the fourth byte", || watch.log.count() == 4);
}

fn writable_while_there_is_room(exam: &Exam) {
    let (reader, writer) = pipe();
    let watch = exam.watch(&writer, WRITABLE);
    exam.iterate(5);
    assert!(watch.log.count() >= 5, "{:?}", watch.log);
    fill(&writer);
    let before = watch.log.count();
    exam.iterate(3);
    assert_eq!(watch.log.count(), before, "called though the pipe is full");
    read_all(&reader);
    exam.turn_until("room in the pipe", || watch.log.count() > before);
    assert_eq!(watch.log.seen(), WRITABLE);
}

fn not_called_unless_ready(exam: &Exam) {
    let idle = eventfd();
    let taken_back = eventfd();
    let idle = exam.watch(&idle, READABLE);
    taken_back.kick();
    let watch = exam.watch(&taken_back, READABLE);
    assert!(taken_back.take());
    exam.iterate(3);
    assert!(!idle.log.was_called());
    assert!(!watch.log.was_called());
}

fn only_what_was_asked_for(exam: &Exam) {
    let (socket, peer) = socketpair();
    write_byte(&peer);
    let watch = exam.watch(&socket, WRITABLE);
    exam.iterate(3);
    assert_eq!(watch.log.seen(), WRITABLE);
    exam.remove(watch.id);
    let watch = exam.watch(&socket, READABLE);
    exam.iterate(3);
    assert_eq!(watch.log.seen(), READABLE);
    exam.update(watch.id, BOTH);
    exam.turn_until("both, in one call", || {
        watch.log.last().is_some_and(|call| call.events == BOTH)
    });
}

fn called_with_its_descriptor(exam: &Exam) {
    use std::os::fd::AsRawFd;
    let sources = [eventfd(), eventfd(), eventfd()];
    let watches = sources.each_ref().map(|source| {
        source.kick();
        exam.watch(source, READABLE)
    });
    exam.turn_until("all three", || {
        watches.iter().all(|watch| watch.log.was_called())
    });
    for (source, watch) in sources.iter().zip(&watches) {
        let told = watch.log.last().map(|call| call.fd);
        assert_eq!(told, Some(source.as_raw_fd()));
    }
}
