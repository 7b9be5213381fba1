//! H2 and H3: which events are reported.

use std::net::Shutdown;

use virt_event::HandleEvents;

use super::{BOTH, ERROR, HANGUP, NONE, READABLE, WRITABLE};
use crate::fixtures::{eventfd, pipe, read_all, socketpair, write_byte};
use crate::mutants::broken;
use crate::mutants::handles::Tampering;
use crate::{Case, Exam, Mutant};

/// Bits that mean nothing to libvirt.
const UNKNOWN: u32 = 1 << 4 | 1 << 13 | 1 << 30;

pub(super) const CASES: &[Case] = &[
    Case::new(
        "h02_hangup_unasked",
        hangup_unasked,
        Mutant::broken("only what was asked for is reported", |f, c| {
            broken(f, c, Tampering::MASKED.fault())
        }),
    ),
    Case::new(
        "h02_error_unasked",
        error_unasked,
        Mutant::broken("only what was asked for is reported", |f, c| {
            broken(f, c, Tampering::MASKED.fault())
        }),
    ),
    Case::new(
        "h02_hangup_only",
        hangup_only,
        Mutant::broken(
            "asking for HANGUP alone counts as asking for nothing",
            |f, c| broken(f, c, Tampering::IN_AND_OUT_ONLY.fault()),
        ),
    ),
    Case::new(
        "h02_error_only",
        error_only,
        Mutant::broken(
            "asking for ERROR alone counts as asking for nothing",
            |f, c| broken(f, c, Tampering::IN_AND_OUT_ONLY.fault()),
        ),
    ),
    Case::new(
        "h02_never_an_empty_set",
        never_an_empty_set,
        Mutant::broken("an error is reported as an empty set", |f, c| {
            let fault = Tampering {
                tell: |told| Some(told.events & BOTH),
                ..Tampering::NONE
            };
            broken(f, c, fault.fault())
        }),
    ),
    Case::new(
        "h02_unknown_bits_are_ignored",
        unknown_bits_are_ignored,
        Mutant::broken("an interest with unknown bits counts as 0", |f, c| {
            let known = |asked: HandleEvents| {
                HandleEvents::from_bits(asked.bits()).unwrap_or(HandleEvents::empty())
            };
            let fault = Tampering {
                add: known,
                update: |_, asked| HandleEvents::from_bits(asked.bits()).or(Some(NONE)),
                ..Tampering::NONE
            };
            broken(f, c, fault.fault())
        }),
    ),
    Case::new(
        "h02_only_unknown_bits_is_nothing",
        only_unknown_bits_is_nothing,
        Mutant::broken("unknown bits count as an interest", |f, c| {
            let fault = Tampering {
                add: |asked| asked | ERROR | HANGUP,
                ..Tampering::NONE
            };
            broken(f, c, fault.fault())
        }),
    ),
    Case::new(
        "h03_half_close_is_readable",
        half_close_is_readable,
        Mutant::broken("the end of the data is reported as a hang-up", |f, c| {
            let fault = Tampering {
                tell: |told| Some(told.events | HANGUP),
                ..Tampering::NONE
            };
            broken(f, c, fault.fault())
        }),
    ),
    Case::new(
        "h03_half_close_unasked",
        half_close_unasked,
        Mutant::broken(
            "a half-close is a hang-up to who did not ask to read",
            |f, c| {
                let fault = Tampering {
                    add: |asked| asked | READABLE,
                    tell: |told| {
                        let unasked =
                            told.events.contains(READABLE) && !told.asked.contains(READABLE);
                        Some(if unasked {
                            (told.events - READABLE) | HANGUP
                        } else {
                            told.events
                        })
                    },
                    ..Tampering::NONE
                };
                broken(f, c, fault.fault())
            },
        ),
    ),
    Case::new(
        "h03_full_close_is_a_hangup",
        full_close_is_a_hangup,
        Mutant::broken("a hang-up is not reported", |f, c| {
            let fault = Tampering {
                tell: |told| told.non_empty(told.events - HANGUP),
                ..Tampering::NONE
            };
            broken(f, c, fault.fault())
        }),
    ),
];

fn hangup_unasked(exam: &Exam) {
    let (reader, writer) = pipe();
    let watch = exam.watch(&reader, READABLE);
    exam.iterate(1);
    assert!(!watch.log.was_called());
    drop(writer);
    exam.turn_until("the hang-up of a pipe", || {
        watch.log.seen().contains(HANGUP)
    });
    let (socket, peer) = socketpair();
    let watch = exam.watch(&socket, WRITABLE);
    drop(peer);
    exam.turn_until("the hang-up of a socket", || {
        watch.log.seen().contains(HANGUP)
    });
}

fn error_unasked(exam: &Exam) {
    let (reader, writer) = pipe();
    let watch = exam.watch(&writer, READABLE);
    exam.iterate(1);
    assert!(!watch.log.was_called());
    drop(reader);
    exam.turn_until("the error of a pipe without a reader", || {
        watch.log.seen().contains(ERROR)
    });
    assert!(
        !watch.log.seen().contains(WRITABLE),
        "it did not ask for WRITABLE"
    );
}

fn hangup_only(exam: &Exam) {
    let (reader, writer) = pipe();
    write_byte(&writer);
    let watch = exam.watch(&reader, HANGUP);
    exam.iterate(2);
    assert!(!watch.log.was_called(), "it did not ask for READABLE");
    drop(writer);
    exam.turn_until("the hang-up", || watch.log.was_called());
    assert_eq!(watch.log.seen(), HANGUP);
}

fn error_only(exam: &Exam) {
    let (reader, writer) = pipe();
    let watch = exam.watch(&writer, ERROR);
    exam.iterate(2);
    assert!(!watch.log.was_called(), "it did not ask for WRITABLE");
    drop(reader);
    exam.turn_until("the error", || watch.log.was_called());
    assert_eq!(watch.log.seen(), ERROR);
}

fn never_an_empty_set(exam: &Exam) {
    let (reader, writer) = pipe();
    let (broken_reader, broken_writer) = pipe();
    let (socket, peer) = socketpair();
    let mut watches = Vec::new();
    for asked in [READABLE, WRITABLE, BOTH, ERROR, HANGUP, ERROR | HANGUP] {
        watches.push((asked, exam.watch(&reader, asked)));
        watches.push((asked, exam.watch(&broken_writer, asked)));
        watches.push((asked, exam.watch(&socket, asked)));
    }
    drop((writer, broken_reader, peer));
    exam.iterate(5);
    for (asked, watch) in &watches {
        assert!(
            watch.log.was_called(),
            "not called, with interest {asked:?}"
        );
        let empty = watch.log.calls().iter().any(|call| call.events.is_empty());
        assert!(!empty, "called with an empty set, with interest {asked:?}");
    }
}

fn unknown_bits_are_ignored(exam: &Exam) {
    let source = eventfd();
    source.kick();
    let watch = exam.watch(&source, READABLE | HandleEvents::from_bits_retain(UNKNOWN));
    exam.turn_until("an event, with unknown bits in the interest", || {
        watch.log.was_called()
    });
    exam.update(watch.id, WRITABLE | HandleEvents::from_bits_retain(UNKNOWN));
    exam.turn_until("an event after an update with unknown bits", || {
        watch.log.last().is_some_and(|call| call.events == WRITABLE)
    });
    assert_eq!(watch.log.seen(), BOTH);
}

fn only_unknown_bits_is_nothing(exam: &Exam) {
    let (reader, writer) = pipe();
    let watch = exam.watch(&reader, HandleEvents::from_bits_retain(UNKNOWN));
    write_byte(&writer);
    drop(writer);
    exam.iterate(3);
    assert!(
        !watch.log.was_called(),
        "told {:?} without an interest",
        watch.log.seen()
    );
    exam.update(watch.id, READABLE);
    exam.turn_until("an event after an interest was set", || {
        watch.log.was_called()
    });
    exam.update(watch.id, HandleEvents::from_bits_retain(UNKNOWN));
    let before = watch.log.count();
    exam.iterate(3);
    assert_eq!(watch.log.count(), before, "unknown bits did not park it");
}

fn half_close_is_readable(exam: &Exam) {
    let (socket, peer) = socketpair();
    let watch = exam.watch(&socket, READABLE);
    write_byte(&peer);
    peer.shutdown(Shutdown::Write).expect("shutdown");
    exam.iterate(3);
    assert_eq!(watch.log.seen(), READABLE, "with data left");
    read_all(&socket);
    let before = watch.log.count();
    exam.iterate(3);
    assert!(
        watch.log.count() >= before + 3,
        "the end of the data was not reported"
    );
    assert_eq!(watch.log.seen(), READABLE, "at the end of the data");
    // The other direction is open.
    exam.update(watch.id, BOTH);
    exam.turn_until("both", || {
        watch.log.last().is_some_and(|call| call.events == BOTH)
    });
}

fn half_close_unasked(exam: &Exam) {
    let (socket, peer) = socketpair();
    peer.shutdown(Shutdown::Write).expect("shutdown");
    let writer = exam.watch(&socket, WRITABLE);
    let waiter = exam.watch(&socket, HANGUP);
    exam.iterate(3);
    assert_eq!(writer.log.seen(), WRITABLE);
    assert!(
        !waiter.log.was_called(),
        "a half-close was reported as {:?}",
        waiter.log.seen()
    );
    drop(peer);
    exam.turn_until("the hang-up, once both directions are closed", || {
        waiter.log.was_called()
    });
}

fn full_close_is_a_hangup(exam: &Exam) {
    let (socket, peer) = socketpair();
    let watch = exam.watch(&socket, READABLE);
    peer.shutdown(Shutdown::Write).expect("shutdown");
    exam.iterate(2);
    assert!(!watch.log.seen().contains(HANGUP));
    drop(peer);
    exam.turn_until("the hang-up", || watch.log.seen().contains(HANGUP));
    assert!(
        watch.log.seen().contains(READABLE),
        "the end of the data is readable too"
    );
}
