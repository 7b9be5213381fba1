//! C8: callbacks and frees that panic.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use virt_event::{HandleEvents, Period, TimerId, WatchId};

use super::callbacks::all_six_elsewhere;
use crate::fixtures::{eventfd, patience};
use crate::mutants::callbacks as mutants;
use crate::{Capabilities, Case, Exam, Log, Mutant};

pub(super) const CASES: &[Case] = &[
    Case::new(
        "c08_watch_that_always_panics_starves_nobody",
        watch_that_always_panics_starves_nobody,
        Mutant::broken(STARVES, mutants::starves_after_a_panic),
    ),
    Case::new(
        "c08_timer_that_always_panics_starves_nobody",
        timer_that_always_panics_starves_nobody,
        Mutant::broken(STARVES, mutants::starves_after_a_panic),
    ),
    Case::new(
        "c08_several_that_always_panic_starve_nobody",
        several_that_always_panic_starve_nobody,
        Mutant::broken(STARVES, mutants::starves_after_a_panic),
    ),
    Case::new(
        "c08_stays_registered_after_a_panic",
        stays_registered_after_a_panic,
        Mutant::broken(
            "removes an entry that panicked",
            mutants::removes_the_panicked,
        ),
    ),
    Case::new(
        "c08_removes_itself_and_panics",
        removes_itself_and_panics,
        Mutant::broken(
            "never frees a callback that was removed while it ran",
            mutants::leaks_the_running,
        ),
    ),
    Case::new(
        "c08_frees_that_panic",
        frees_that_panic,
        Mutant::broken(
            "forgets the other frees when one panics",
            mutants::forgets_frees_after_a_panic,
        ),
    ),
    Case::new(
        "c08_no_lock_is_poisoned",
        no_lock_is_poisoned,
        Mutant::broken("holds a lock for the whole of a turn", mutants::one_lock),
    ),
    Case::new(
        "c08_panic_in_a_nested_turn",
        panic_in_a_nested_turn,
        Mutant::broken(
            "removes an entry that panicked",
            mutants::removes_the_panicked,
        ),
    )
    .needs(Capabilities::NESTING),
];

const STARVES: &str = "calls nobody else once a callback has panicked";

/// Panics without the message that would hide a real one.
pub(super) fn panic_quietly() -> ! {
    resume_unwind(Box::new("a callback panics, as the case wants"))
}

/// Something whose drop panics.
pub(super) struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic_quietly();
    }
}

/// As [`Exam::turn_until`], where callbacks and frees panic. How a panic
/// surfaces is the host's business: a turn may end with it or not.
fn turn_until(exam: &Exam, what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(
            began.elapsed() < patience(),
            "waited {:?} in vain: {what}",
            began.elapsed()
        );
        let slice = Duration::from_millis(10);
        // Its message, if it has one, is out already.
        let _ = catch_unwind(AssertUnwindSafe(|| exam.subject().turn(slice)));
        exam.recorder().check();
    }
}

/// Checks that everything else goes on beside entries that panic.
fn others_go_on(exam: &Exam, panicking: &[&Log]) {
    let ready = eventfd();
    ready.kick();
    let watch = exam.watch(&ready, HandleEvents::READABLE);
    let zero = exam.timer(Period::EVERY_ITERATION);
    let timer = exam.timer(Period::millis(2));
    let removed_watch = exam.watch(&ready, HandleEvents::READABLE);
    let removed_timer = exam.timer(Period::EVERY_ITERATION);
    turn_until(exam, "others are called beside one that panics", || {
        [&watch.log, &zero.log, &timer.log]
            .iter()
            .all(|log| log.count() >= 5)
    });
    exam.remove(removed_watch.id);
    exam.remove_timer(removed_timer.id);
    turn_until(exam, "others are freed beside one that panics", || {
        removed_watch.log.is_freed() && removed_timer.log.is_freed()
    });
    let before: Vec<_> = panicking.iter().map(|log| log.count()).collect();
    turn_until(exam, "those that panic are called again", || {
        panicking
            .iter()
            .zip(&before)
            .all(|(log, before)| log.count() > *before)
    });
}

fn watch_that_always_panics_starves_nobody(exam: &Exam) {
    let ready = eventfd();
    ready.kick();
    let watch = exam.watch_with(&ready, HandleEvents::READABLE, |_| panic_quietly());
    others_go_on(exam, &[&watch.log]);
    exam.remove(watch.id);
    turn_until(exam, "it is freed", || watch.log.is_freed());
}

fn timer_that_always_panics_starves_nobody(exam: &Exam) {
    let timer = exam.timer_with(Period::EVERY_ITERATION, |_| panic_quietly());
    others_go_on(exam, &[&timer.log]);
    exam.remove_timer(timer.id);
    turn_until(exam, "it is freed", || timer.log.is_freed());
}

/// A loop that starts over after each panic gets past one, and not past two.
fn several_that_always_panic_starve_nobody(exam: &Exam) {
    let ready = [(); 3].map(|()| eventfd());
    let watches = ready.each_ref().map(|ready| {
        ready.kick();
        exam.watch_with(ready, HandleEvents::READABLE, |_| panic_quietly())
    });
    let timers = [Period::EVERY_ITERATION, Period::EVERY_ITERATION];
    let timers = timers.map(|period| exam.timer_with(period, |_| panic_quietly()));
    let logs: Vec<_> = watches
        .iter()
        .map(|watch| &watch.log)
        .chain(timers.iter().map(|timer| &timer.log))
        .collect();
    others_go_on(exam, &logs);
    for watch in &watches {
        exam.remove(watch.id);
    }
    for timer in &timers {
        exam.remove_timer(timer.id);
    }
    turn_until(exam, "they are freed", || {
        logs.iter().all(|log| log.is_freed())
    });
}

fn stays_registered_after_a_panic(exam: &Exam) {
    let ready = eventfd();
    ready.kick();
    let watch = exam.watch_with(&ready, HandleEvents::READABLE, panics_once());
    let zero = exam.timer_with(Period::EVERY_ITERATION, panics_once());
    let timer = exam.timer_with(Period::millis(2), panics_once());
    let logs = [&watch.log, &zero.log, &timer.log];
    turn_until(exam, "each is called again after it panicked", || {
        logs.iter().all(|log| log.count() >= 3)
    });
    exam.update(watch.id, HandleEvents::empty());
    exam.update_timer(zero.id, Period::DISABLED);
    exam.update_timer(timer.id, Period::DISABLED);
    let before = logs.map(Log::count);
    exam.iterate(2);
    assert_eq!(logs.map(Log::count), before, "called while parked");
    exam.remove(watch.id);
    exam.remove_timer(zero.id);
    exam.remove_timer(timer.id);
    exam.turn_until("they are freed", || logs.iter().all(|log| log.is_freed()));
}

fn panics_once() -> impl FnMut(crate::Call) + Send + 'static {
    let mut first = true;
    move |_| {
        if std::mem::take(&mut first) {
            panic_quietly();
        }
    }
}

fn removes_itself_and_panics(exam: &Exam) {
    let ready = eventfd();
    ready.kick();
    let (events, recorder) = (exam.event_impl(), exam.recorder().clone());
    let watch = exam.watch_with(&ready, HandleEvents::READABLE, move |call| {
        let removed = WatchId::new(call.id).map(|id| events.remove_handle(id));
        if !matches!(removed, Some(Ok(()))) {
            recorder.fault("a watch could not remove itself");
        }
        panic_quietly();
    });
    let (events, recorder) = (exam.event_impl(), exam.recorder().clone());
    let timer = exam.timer_with(Period::EVERY_ITERATION, move |call| {
        let removed = TimerId::new(call.id).map(|id| events.remove_timeout(id));
        if !matches!(removed, Some(Ok(()))) {
            recorder.fault("a timer could not remove itself");
        }
        panic_quietly();
    });
    turn_until(exam, "both are freed", || {
        watch.log.is_freed() && timer.log.is_freed()
    });
    exam.iterate(2);
    assert_eq!((watch.log.count(), timer.log.count()), (1, 1));
}

fn frees_that_panic(exam: &Exam) {
    let ready = eventfd();
    let bystander = exam.watch(&ready, HandleEvents::READABLE);
    let mut logs = Vec::new();
    for number in 0..8 {
        // Every other one panics.
        let bomb = (number % 2 == 1).then(|| Bomb);
        if number % 4 < 2 {
            let watch = exam.watch_with(&ready, HandleEvents::empty(), move |_| {
                let _ = &bomb;
            });
            exam.remove(watch.id);
            logs.push(watch.log);
        } else {
            let timer = exam.timer_with(Period::DISABLED, move |_| {
                let _ = &bomb;
            });
            exam.remove_timer(timer.id);
            logs.push(timer.log);
        }
    }
    turn_until(exam, "all are freed although some frees panic", || {
        logs.iter().all(Log::is_freed)
    });
    // The recorder notes a free before the panic; the turn after the last one
    // must be a quiet one again.
    ready.kick();
    exam.turn_until("the bystander is called afterwards", || {
        bystander.log.count() >= 3
    });
    for log in &logs {
        assert_eq!(log.frees(), 1, "{log:?}");
    }
}

fn no_lock_is_poisoned(exam: &Exam) {
    let ready = eventfd();
    ready.kick();
    let watch = exam.watch_with(&ready, HandleEvents::READABLE, panics_once());
    let timer = exam.timer_with(Period::EVERY_ITERATION, panics_once());
    let bomb = Bomb;
    let freed = exam.timer_with(Period::DISABLED, move |_| {
        let _ = &bomb;
    });
    exam.remove_timer(freed.id);
    turn_until(exam, "two calls panic", || {
        watch.log.was_called() && timer.log.was_called()
    });
    // A busy loop must free too, but that is another clause.
    exam.update(watch.id, HandleEvents::empty());
    exam.update_timer(timer.id, Period::DISABLED);
    turn_until(exam, "a free panics", || freed.log.is_freed());
    all_six_elsewhere(&exam.event_impl(), exam.recorder());
    exam.recorder().check();
    exam.remove(watch.id);
    exam.remove_timer(timer.id);
    turn_until(exam, "all are freed", || {
        exam.recorder().unfreed().is_empty()
    });
}

fn panic_in_a_nested_turn(exam: &Exam) {
    let fds = [eventfd(), eventfd()];
    let nested: Arc<dyn Fn() + Send + Sync> = Arc::from(exam.subject().nested_turn());
    let depth = Arc::new(AtomicUsize::new(0));
    let panics = Arc::new(AtomicUsize::new(0));
    // Whichever is called in the nested turn panics, the first three times.
    let watches = fds.each_ref().map(|fd| {
        fd.kick();
        let (nested, depth, panics) =
            (Arc::clone(&nested), Arc::clone(&depth), Arc::clone(&panics));
        exam.watch_with(fd, HandleEvents::READABLE, move |_| {
            if depth.load(Ordering::Acquire) == 1 {
                if panics.fetch_add(1, Ordering::AcqRel) < 3 {
                    panic_quietly();
                }
                return;
            }
            depth.store(1, Ordering::Release);
            let _ = catch_unwind(AssertUnwindSafe(|| nested()));
            depth.store(0, Ordering::Release);
            // The outer callback is not over.
            thread::yield_now();
        })
    });
    turn_until(exam, "nested callbacks panic", || {
        panics.load(Ordering::Acquire) >= 3
    });
    let before = watches.each_ref().map(|watch| watch.log.count());
    turn_until(exam, "both are called after panics in nested turns", || {
        watches
            .iter()
            .zip(before)
            .all(|(watch, before)| watch.log.count() >= before + 2)
    });
}
