//! C9: dropping an implementation that was never installed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use virt_event::{HandleEvents, Period};

use super::callbacks_panics::Bomb;
use crate::fixtures::{eventfd, numbered};
use crate::mutants::callbacks as mutants;
use crate::{Capabilities, Case, Exam, Log, Mutant};

pub(super) const CASES: &[Case] = &[
    Case::new(
        "c09_drop_frees_everything",
        drop_frees_everything,
        Mutant::broken("keeps itself alive", mutants::outlives_its_drop),
    )
    .needs(Capabilities::DROP),
    Case::new(
        "c09_drop_frees_on_the_dropping_thread",
        drop_frees_on_the_dropping_thread,
        Mutant::broken("frees on a thread of its own", mutants::frees_elsewhere),
    )
    .needs(Capabilities::DROP),
    Case::new(
        "c09_drop_in_spite_of_a_free_that_panics",
        drop_in_spite_of_a_free_that_panics,
        Mutant::broken(
            "forgets the other frees when one panics",
            mutants::forgets_frees_after_a_panic,
        ),
    )
    .needs(Capabilities::DROP),
];

/// Entries in every state that an entry can be in.
fn one_of_each(exam: &Exam) -> Vec<Log> {
    let ready = eventfd();
    ready.kick();
    let served = exam.watch(&ready, HandleEvents::READABLE);
    let parked = exam.watch(&ready, HandleEvents::empty());
    let zero = exam.timer(Period::EVERY_ITERATION);
    let armed = exam.timer(Period::millis(3_600_000));
    let disabled = exam.timer(Period::DISABLED);
    exam.turn_until("two are called", || {
        served.log.was_called() && zero.log.was_called()
    });
    let closed = numbered(&ready);
    let orphan = exam.watch(&closed, HandleEvents::READABLE);
    drop(closed);
    let never_turned = exam.watch(&ready, HandleEvents::READABLE);
    let removed_watch = exam.watch(&ready, HandleEvents::READABLE);
    let removed_timer = exam.timer(Period::millis(1));
    exam.remove(removed_watch.id);
    exam.remove_timer(removed_timer.id);
    vec![
        served.log,
        parked.log,
        zero.log,
        armed.log,
        disabled.log,
        orphan.log,
        never_turned.log,
        removed_watch.log,
        removed_timer.log,
    ]
}

fn drop_frees_everything(exam: &Exam) {
    let logs = one_of_each(exam);
    let calls: Vec<_> = logs.iter().map(Log::count).collect();
    exam.drop_subject();
    for (log, calls) in logs.iter().zip(calls) {
        assert_eq!(log.frees(), 1, "{log:?} after the drop");
        assert_eq!(log.count(), calls, "{log:?} was called by the drop");
    }
    exam.recorder().check();
}

fn drop_frees_on_the_dropping_thread(exam: &Exam) {
    exam.recorder().allow_any_thread();
    let logs = one_of_each(exam);
    let last = exam.subject().event_impl();
    exam.drop_subject();
    assert!(
        logs.iter().all(|log| !log.is_freed()),
        "freed while the implementation is still held"
    );
    let other = thread::spawn(move || {
        drop(last);
        thread::current().id()
    });
    let other = other.join().expect("the drop does not panic");
    for log in &logs {
        assert_eq!(log.frees(), 1, "{log:?} after the drop");
        let free = log.free().expect("it is freed");
        assert_eq!(free.thread, other, "{log:?} was freed on another thread");
    }
}

fn drop_in_spite_of_a_free_that_panics(exam: &Exam) {
    let idle = eventfd();
    let mut logs = Vec::new();
    for number in 0..6 {
        // One only: a second panic during the first would abort the process.
        let bomb = (number == 2).then(|| Bomb);
        let hold = move |_| {
            let _ = &bomb;
        };
        let (removed, log) = match number % 2 {
            0 => {
                let watch = exam.watch_with(&idle, HandleEvents::READABLE, hold);
                (exam.watch(&idle, HandleEvents::empty()), watch.log)
            }
            _ => {
                let timer = exam.timer_with(Period::millis(3_600_000), hold);
                (exam.watch(&idle, HandleEvents::empty()), timer.log)
            }
        };
        exam.remove(removed.id);
        logs.extend([removed.log, log]);
    }
    // Whether the panic comes out of the drop is the implementation's choice.
    let _ = catch_unwind(AssertUnwindSafe(|| exam.drop_subject()));
    for log in &logs {
        assert_eq!(log.frees(), 1, "{log:?} after the drop");
    }
    exam.recorder().check();
}
