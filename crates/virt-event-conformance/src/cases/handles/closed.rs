//! H8 and H9: descriptors closed while watched, and numbers used again.

use std::os::fd::AsRawFd;

use super::{BOTH, NONE, READABLE, WRITABLE};
use crate::fixtures::{epoll_members, eventfd, numbered, pipe, read_all, socketpair, write_byte};
use crate::mutants::handles::{
    Deferred, FailsOnClosed, HoldsDuplicate, LeavesPhantom, LogsAlways, SameFd, Sharing,
};
use crate::mutants::{broken, broken_further};
use crate::{Capabilities, Case, Exam, Logs, Mutant};

pub(super) const CASES: &[Case] = &[
    Case::new(
        "h08_closed_while_watched",
        closed_while_watched,
        Mutant::broken("the subject watches a duplicate of its own", |f, c| {
            broken(f, c, HoldsDuplicate::default())
        }),
    )
    .needs(Capabilities::COUNTED),
    Case::new(
        "h08_closed_can_be_updated",
        closed_can_be_updated,
        Mutant::broken("the subject watches a duplicate of its own", |f, c| {
            broken(f, c, HoldsDuplicate::default())
        }),
    )
    .needs(Capabilities::COUNTED),
    Case::new(
        "h08_closed_can_be_removed",
        closed_can_be_removed,
        Mutant::broken("removing fails if the descriptor is closed", |f, c| {
            broken(f, c, FailsOnClosed::default())
        }),
    ),
    Case::new(
        "h08_number_used_again",
        number_used_again,
        Mutant::broken("events are matched to watches by number alone", |f, c| {
            broken(f, c, SameFd::new(Sharing::TellsAll))
        }),
    ),
    Case::new(
        "h08_number_taken_by_dup2",
        number_taken_by_dup2,
        Mutant::broken("events are matched to watches by number alone", |f, c| {
            broken(f, c, SameFd::new(Sharing::TellsAll))
        }),
    ),
    Case::new(
        "h08_removing_the_old_leaves_the_new",
        removing_the_old_leaves_the_new,
        Mutant::broken("a removal parks whatever has the number now", |f, c| {
            broken(f, c, SameFd::new(Sharing::RemoveParksAll))
        }),
    ),
    Case::new(
        "h08_updating_the_old_leaves_the_new",
        updating_the_old_leaves_the_new,
        Mutant::broken("an update changes whatever has the number now", |f, c| {
            broken(f, c, SameFd::new(Sharing::UpdatesAll))
        }),
    ),
    Case::new(
        "h08_number_used_again_and_again",
        number_used_again_and_again,
        Mutant::broken("a removal parks whatever has the number now", |f, c| {
            broken(f, c, SameFd::new(Sharing::RemoveParksAll))
        }),
    ),
    Case::new(
        "h08_duplicate_lives",
        duplicate_lives,
        Mutant::broken("events are matched to watches by number alone", |f, c| {
            // A right subject does not report the duplicate; this one has its own.
            let reporting = broken(f, c, HoldsDuplicate::default());
            broken_further(reporting, SameFd::new(Sharing::TellsAll))
        }),
    ),
    Case::new(
        "h08_duplicate_is_logged_once",
        duplicate_is_logged_once,
        Mutant::broken("every turn with a stray event is logged", |f, c| {
            broken(f, c, LogsAlways)
        }),
    )
    .needs(Capabilities::LOGS),
    Case::new(
        "h09_out_of_the_kernel_at_once",
        out_of_the_kernel_at_once,
        Mutant::broken("a removal reaches the kernel in the next turn", |f, c| {
            broken(f, c, Deferred::removals())
        }),
    )
    .needs(Capabilities::EPOLL),
    Case::new(
        "h09_interest_shrinks_with_the_watches",
        interest_shrinks_with_the_watches,
        Mutant::broken(
            "the interest of a removed watch stays in the kernel",
            |f, c| broken(f, c, LeavesPhantom::default()),
        ),
    )
    .needs(Capabilities::COUNTED),
    Case::new(
        "h09_closed_right_after_removal",
        closed_right_after_removal,
        Mutant::broken(
            "the interest of a removed watch stays in the kernel",
            |f, c| broken(f, c, LeavesPhantom::default()),
        ),
    )
    .needs(Capabilities::COUNTED),
];

fn closed_while_watched(exam: &Exam) {
    let (idle, _idle_writer) = pipe();
    let (busy, busy_writer) = pipe();
    let source = eventfd();
    let idle_watch = exam.watch(&idle, READABLE);
    let busy_watch = exam.watch(&busy, READABLE);
    let other = exam.watch(&source, READABLE);
    write_byte(&busy_writer);
    exam.turn_until("a call", || busy_watch.log.was_called());
    drop((idle, busy));
    let before = busy_watch.log.count();
    exam.assert_sleeps("the descriptors that it watched are closed");
    assert_eq!(busy_watch.log.count(), before, "called after the close");
    assert!(!idle_watch.log.was_called());
    source.kick();
    exam.turn_until("the watch that is left", || other.log.was_called());
}

fn closed_can_be_updated(exam: &Exam) {
    let (parked, parked_writer) = pipe();
    let (active, active_writer) = pipe();
    let parked_watch = exam.watch(&parked, READABLE);
    let active_watch = exam.watch(&active, READABLE);
    exam.update(parked_watch.id, NONE);
    write_byte(&parked_writer);
    write_byte(&active_writer);
    drop((parked, active));
    exam.update(parked_watch.id, READABLE);
    exam.update(active_watch.id, BOTH);
    exam.assert_sleeps("the descriptors were closed before the updates");
    assert!(!parked_watch.log.was_called(), "called after the close");
    assert!(!active_watch.log.was_called(), "called after the close");
}

fn closed_can_be_removed(exam: &Exam) {
    let (reader, writer) = pipe();
    let (shared, shared_writer) = pipe();
    let one = exam.watch(&reader, READABLE);
    let two = exam.watch(&shared, READABLE);
    let three = exam.watch(&shared, WRITABLE);
    drop((reader, writer, shared, shared_writer));
    exam.remove(one.id);
    exam.remove(two.id);
    exam.remove(three.id);
    exam.turn_until("three frees", || {
        [&one, &two, &three]
            .iter()
            .all(|watch| watch.log.is_freed())
    });
}

fn number_used_again(exam: &Exam) {
    let (reader, _writer) = pipe();
    let old_fd = numbered(&reader);
    let number = old_fd.as_raw_fd();
    // The last reference to the reading end is the numbered one.
    drop(reader);
    let old = exam.watch(&old_fd, READABLE);
    drop(old_fd);
    let source = eventfd();
    let new_fd = numbered(&source);
    assert_eq!(new_fd.as_raw_fd(), number);
    let new = exam.watch(&new_fd, READABLE);
    source.kick();
    exam.iterate(3);
    assert!(new.log.count() >= 3, "the new watch: {:?}", new.log);
    assert_eq!(new.log.last().map(|call| call.fd), Some(number));
    assert!(
        !old.log.was_called(),
        "the old watch heard of the new one's events"
    );
}

fn number_taken_by_dup2(exam: &Exam) {
    let (reader, _writer) = pipe();
    let mut fd = numbered(&reader);
    drop(reader);
    let old = exam.watch(&fd, READABLE);
    let source = eventfd();
    // Closes the pipe's end and takes its number in one step.
    rustix::io::dup2(&source, &mut fd).expect("dup2");
    let new = exam.watch(&fd, READABLE);
    source.kick();
    exam.iterate(3);
    assert!(new.log.count() >= 3, "the new watch: {:?}", new.log);
    assert!(
        !old.log.was_called(),
        "the old watch heard of the new one's events"
    );
    source.take();
    let before = new.log.count();
    exam.iterate(2);
    assert_eq!(new.log.count(), before);
}

fn removing_the_old_leaves_the_new(exam: &Exam) {
    let (socket, _peer) = socketpair();
    let old_fd = numbered(&socket);
    drop(socket);
    let old = exam.watch(&old_fd, READABLE);
    drop(old_fd);
    let source = eventfd();
    let new_fd = numbered(&source);
    let new = exam.watch(&new_fd, READABLE);
    exam.remove(old.id);
    source.kick();
    exam.iterate(3);
    assert!(new.log.count() >= 3, "the new watch: {:?}", new.log);
    exam.turn_until("the free of the old one", || old.log.is_freed());
    exam.update(new.id, NONE);
    exam.update(new.id, READABLE);
    let before = new.log.count();
    exam.turn_until("the new watch, after updates", || new.log.count() > before);
    exam.remove(new.id);
    exam.turn_until("the free of the new one", || new.log.is_freed());
}

fn updating_the_old_leaves_the_new(exam: &Exam) {
    let (socket, _peer) = socketpair();
    let old_fd = numbered(&socket);
    drop(socket);
    let old = exam.watch(&old_fd, READABLE);
    drop(old_fd);
    let (new_socket, new_peer) = socketpair();
    let new_fd = numbered(&new_socket);
    let new = exam.watch(&new_fd, READABLE);
    exam.update(old.id, WRITABLE);
    exam.iterate(3);
    assert!(!new.log.was_called(), "told {:?}", new.log.seen());
    exam.update(old.id, NONE);
    write_byte(&new_peer);
    exam.iterate(3);
    assert!(new.log.count() >= 3, "the new watch: {:?}", new.log);
    assert_eq!(new.log.seen(), READABLE);
    read_all(&new_fd);
    assert!(
        !old.log.was_called(),
        "the old watch heard of the new one's events"
    );
}

/// As libvirt does when it reconnects: each new connection gets the number of
/// the one that was just closed, and old watches are removed late.
fn number_used_again_and_again(exam: &Exam) {
    let mut old = Vec::new();
    for round in 0..8 {
        let source = eventfd();
        let fd = numbered(&source);
        let watch = exam.watch(&fd, READABLE);
        source.kick();
        exam.turn_until("the watch of this round", || watch.log.was_called());
        if round % 2 == 1 {
            let oldest: crate::Watched = old.remove(0);
            exam.remove(oldest.id);
            let before = watch.log.count();
            exam.iterate(2);
            assert!(watch.log.count() >= before + 2, "{:?}", watch.log);
        }
        drop((fd, source));
        let before = watch.log.count();
        exam.iterate(2);
        assert_eq!(watch.log.count(), before, "called after the close");
        old.push(watch);
    }
}

fn duplicate_lives(exam: &Exam) {
    let (reader, writer) = pipe();
    let old_fd = numbered(&reader);
    let number = old_fd.as_raw_fd();
    let old = exam.watch(&old_fd, READABLE);
    // `reader` still refers to the pipe, so the kernel goes on reporting it
    // under the number that was closed.
    drop(old_fd);
    let source = eventfd();
    let new_fd = numbered(&source);
    assert_eq!(new_fd.as_raw_fd(), number);
    let new = exam.watch(&new_fd, READABLE);
    write_byte(&writer);
    exam.iterate(5);
    assert!(
        !new.log.was_called(),
        "the new watch heard of the old one's events"
    );
    source.kick();
    exam.turn_until("the new watch", || new.log.was_called());
    exam.remove(old.id);
    let before = new.log.count();
    exam.iterate(3);
    assert!(new.log.count() >= before + 3, "{:?}", new.log);
    exam.turn_until("the free of the old watch", || old.log.is_freed());
    // As long as the duplicate lives, the loop may spin; now it must not.
    drop((reader, writer));
}

fn duplicate_is_logged_once(exam: &Exam) {
    let logs = Logs::capture();
    let (reader, writer) = pipe();
    let old_fd = numbered(&reader);
    let old = exam.watch(&old_fd, READABLE);
    drop(old_fd);
    let source = eventfd();
    let new_fd = numbered(&source);
    let new = exam.watch(&new_fd, READABLE);
    exam.remove(old.id);
    write_byte(&writer);
    exam.iterate(20);
    let mut records = logs.warnings();
    records.extend(logs.errors());
    // On a machine that is slow enough, something else is slow as well.
    records.retain(|it| !it.text.contains("keepalive"));
    assert_eq!(records.len(), 1, "{records:?}");
    assert!(!new.log.was_called());
}

fn out_of_the_kernel_at_once(exam: &Exam) {
    let (active, parked) = (eventfd(), eventfd());
    let set = exam.subject().epoll_fd();
    let is_member = |fd: i32| epoll_members(set).iter().any(|(member, _)| *member == fd);
    let watch = exam.watch(&active, READABLE);
    let second = exam.watch(&active, WRITABLE);
    let other = exam.watch(&parked, NONE);
    assert!(is_member(active.as_raw_fd()));
    exam.remove(watch.id);
    assert!(is_member(active.as_raw_fd()), "another watch is left");
    exam.remove(second.id);
    assert!(!is_member(active.as_raw_fd()), "still in the kernel's set");
    exam.remove(other.id);
    assert!(!is_member(parked.as_raw_fd()));
}

fn interest_shrinks_with_the_watches(exam: &Exam) {
    let (socket, _peer) = socketpair();
    let reader = exam.watch(&socket, READABLE);
    let writer = exam.watch(&socket, WRITABLE);
    exam.turn_until("writable", || writer.log.was_called());
    exam.remove(writer.id);
    exam.turn_until("the free", || writer.log.is_freed());
    exam.assert_sleeps("nobody asks for WRITABLE any more");
    assert!(!reader.log.was_called());
}

fn closed_right_after_removal(exam: &Exam) {
    let source = eventfd();
    source.kick();
    let first = numbered(&source);
    let watch = exam.watch(&first, READABLE);
    exam.turn_until("a call", || watch.log.was_called());
    exam.remove(watch.id);
    drop(first);
    // `source` is the same eventfd under another number, and it is readable.
    let before = watch.log.count();
    exam.turn_until("the free", || watch.log.is_freed());
    exam.assert_sleeps("the watch was removed before its descriptor was closed");
    assert_eq!(watch.log.count(), before, "called after its removal");
}
