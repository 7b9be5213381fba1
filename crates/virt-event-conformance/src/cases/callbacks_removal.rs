//! C4: what a removal promises.

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use virt_event::{HandleEvents, Period, WatchId};

use super::callbacks::turn_until_joined;
use super::callbacks_reentry::removers;
use crate::entry::Entry;
use crate::fixtures::{eventfd, patience, wait_until};
use crate::mutants::callbacks as mutants;
use crate::{Call, Case, Exam, Log, Mutant};

pub(super) const CASES: &[Case] = &[
    Case::new(
        "c04_removed_before_the_turn",
        removed_before_the_turn,
        Mutant::broken(LATE_REMOVAL, mutants::removes_after_the_turn),
    ),
    Case::new(
        "c04_watch_removed_in_the_same_batch",
        |exam| removed_in_the_same_batch(exam, 5, 0),
        Mutant::broken(LATE_REMOVAL, mutants::removes_after_the_turn),
    ),
    Case::new(
        "c04_timer_removed_in_the_same_batch",
        |exam| removed_in_the_same_batch(exam, 0, 5),
        Mutant::broken(LATE_REMOVAL, mutants::removes_after_the_turn),
    ),
    Case::new(
        "c04_watches_and_timers_removed_in_the_same_batch",
        |exam| removed_in_the_same_batch(exam, 3, 3),
        Mutant::broken(LATE_REMOVAL, mutants::removes_after_the_turn),
    ),
    Case::new(
        "c04_one_of_two_removes_the_other",
        one_of_two_removes_the_other,
        Mutant::broken(LATE_REMOVAL, mutants::removes_after_the_turn),
    ),
    Case::new(
        "c04_replaced_in_the_same_batch",
        replaced_in_the_same_batch,
        Mutant::broken(
            "gives the fetched event to a new watch on the same fd",
            mutants::event_goes_to_the_new_watch,
        ),
    ),
    Case::new(
        "c04_watch_removed_on_another_thread_while_it_runs",
        watch_removed_on_another_thread_while_it_runs,
        Mutant::broken(LATE_REMOVAL, mutants::removes_after_three_turns),
    ),
    Case::new(
        "c04_timer_removed_on_another_thread_while_it_runs",
        timer_removed_on_another_thread_while_it_runs,
        Mutant::broken(LATE_REMOVAL, mutants::removes_after_three_turns),
    ),
];

const LATE_REMOVAL: &str = "removes some time after the call has returned";

fn removed_before_the_turn(exam: &Exam) {
    let ready = eventfd();
    ready.kick();
    let watch = exam.watch(&ready, HandleEvents::READABLE);
    let zero = exam.timer(Period::EVERY_ITERATION);
    let due = exam.timer(Period::millis(1));
    thread::sleep(Duration::from_millis(3));
    exam.remove(watch.id);
    exam.remove_timer(zero.id);
    exam.remove_timer(due.id);
    exam.iterate(3);
    for log in [&watch.log, &zero.log, &due.log] {
        assert!(!log.was_called(), "{log:?} was called after its removal");
    }
}

fn removed_in_the_same_batch(exam: &Exam, watches: usize, timers: usize) {
    let ready = eventfd();
    ready.kick();
    let logs = removers(exam, &ready, watches, timers);
    exam.turn_until("one of them is called", || logs.iter().any(Log::was_called));
    exam.iterate(3);
    let calls: usize = logs.iter().map(Log::count).sum();
    assert_eq!(calls, 1, "the first one called removed the others");
}

/// Two ready watches, the one named first removing the other; in both orders
/// of adding and of becoming ready, because no loop promises an order.
fn one_of_two_removes_the_other(exam: &Exam) {
    for (first_added_removes, first_kicked_removes) in
        [(true, true), (true, false), (false, true), (false, false)]
    {
        let (active, passive) = (eventfd(), eventfd());
        let target = Arc::new(OnceLock::<WatchId>::new());
        let (events, recorder, aim) = (
            exam.event_impl(),
            exam.recorder().clone(),
            Arc::clone(&target),
        );
        let remove = move |call: Call| {
            let id = WatchId::new(call.id).expect("an id is at least 1");
            events.update_handle(id, HandleEvents::empty());
            if let Some(Err(error)) = aim.get().map(|victim| events.remove_handle(*victim)) {
                recorder.fault(format!("removing the other of two watches: {error}"));
            }
        };
        let add_victim = || exam.watch(&passive, HandleEvents::READABLE);
        let (remover, victim) = if first_added_removes {
            let remover = exam.watch_with(&active, HandleEvents::READABLE, remove);
            (remover, add_victim())
        } else {
            let victim = add_victim();
            let remover = exam.watch_with(&active, HandleEvents::READABLE, remove);
            (remover, victim)
        };
        target.set(victim.id).expect("it is set once");
        let kicks = if first_kicked_removes {
            [&active, &passive]
        } else {
            [&passive, &active]
        };
        for fd in kicks {
            fd.kick();
        }
        exam.turn_until("one of two removes the other", || remover.log.was_called());
        exam.iterate(2);
        let removed = remover.log.calls()[0].order;
        for call in victim.log.calls() {
            assert!(call.order < removed, "called after it was removed");
        }
        exam.remove(remover.id);
    }
}

fn replaced_in_the_same_batch(exam: &Exam) {
    let fds = [eventfd(), eventfd()];
    for fd in &fds {
        fd.kick();
    }
    let raw = fds.each_ref().map(AsRawFd::as_raw_fd);
    let ids = Arc::new(OnceLock::<[WatchId; 2]>::new());
    let (callback, new) = exam.recorder().handle("the replacement", |_| {});
    let callback = Arc::new(Mutex::new(Some(callback)));
    let watches = [0, 1].map(|index| {
        let (ids, callback) = (Arc::clone(&ids), Arc::clone(&callback));
        let (events, recorder) = (exam.event_impl(), exam.recorder().clone());
        exam.watch_with(&fds[index], HandleEvents::READABLE, move |_| {
            let Some(callback) = callback.lock().expect("nothing panics").take() else {
                return;
            };
            let ids = ids.get().expect("they were added before the turn");
            if let Err(error) = events.remove_handle(ids[1 - index]) {
                recorder.fault(format!("removing the other: {error}"));
            }
            // It asks for what the descriptor never becomes.
            if let Err(error) = events.add_handle(raw[1 - index], HandleEvents::ERROR, callback) {
                recorder.fault(format!("adding the replacement: {error}"));
            }
            events.update_handle(ids[index], HandleEvents::empty());
        })
    });
    let added = watches.each_ref().map(|watch| watch.id);
    ids.set(added).expect("it is set once");
    exam.turn_until("one of the two is called", || {
        watches.iter().any(|watch| watch.log.was_called())
    });
    exam.iterate(3);
    let calls: usize = watches.iter().map(|watch| watch.log.count()).sum();
    assert_eq!(calls, 1, "the other was removed before its call");
    assert!(
        !new.was_called(),
        "a new watch was told {:?}, which was fetched for the old one",
        new.seen()
    );
}

fn watch_removed_on_another_thread_while_it_runs(exam: &Exam) {
    let ready = eventfd();
    ready.kick();
    let (wait, elsewhere) = removal_elsewhere(exam);
    let watch = exam.watch_with(&ready, HandleEvents::READABLE, wait);
    elsewhere(exam, watch.id.into(), &watch.log);
}

fn timer_removed_on_another_thread_while_it_runs(exam: &Exam) {
    let (wait, elsewhere) = removal_elsewhere(exam);
    let timer = exam.timer_with(Period::EVERY_ITERATION, wait);
    elsewhere(exam, timer.id.into(), &timer.log);
}

/// A callback that goes on until it is removed, and a function that removes it
/// on another thread.
fn removal_elsewhere(
    exam: &Exam,
) -> (
    impl FnMut(Call) + Send + 'static,
    impl FnOnce(&Exam, Entry, &Log),
) {
    let removed = Arc::new(AtomicBool::new(false));
    let recorder = exam.recorder().clone();
    let is_removed = Arc::clone(&removed);
    let wait = move |_| {
        let began = Instant::now();
        while !is_removed.load(Ordering::Acquire) {
            if began.elapsed() > patience() {
                return recorder.fault("a removal waits for the running callback to end");
            }
            thread::sleep(Duration::from_micros(100));
        }
    };
    let elsewhere = move |exam: &Exam, entry: Entry, log: &Log| {
        let events = exam.event_impl();
        let running = log.clone();
        let other = thread::spawn(move || {
            wait_until("the callback runs", || running.is_running());
            entry.remove(&*events).expect("removed on another thread");
            removed.store(true, Ordering::Release);
        });
        turn_until_joined(exam, other);
        exam.iterate(5);
        assert_eq!(log.count(), 1, "called again after it was removed");
        exam.turn_until("it is freed", || log.is_freed());
    };
    (wait, elsewhere)
}
