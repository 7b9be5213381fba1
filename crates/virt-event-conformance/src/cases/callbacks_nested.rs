//! C7: turning the loop from inside a callback.

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use virt_event::{HandleEvents, Period, TimerId, WatchId};

use crate::fixtures::{EventFd, epoll_interest, eventfd, patience, socketpair};
use crate::mutants::callbacks as callback_mutants;
use crate::mutants::callbacks_nested as mutants;
use crate::{Call, Capabilities, Case, Exam, Log, Mutant, Recorder};

pub(super) const CASES: &[Case] = &[
    Case::new(
        "c07_running_watch_is_not_reentered",
        running_watch_is_not_reentered,
        Mutant::broken(REENTERS, mutants::enters_the_running),
    )
    .needs(Capabilities::NESTING),
    Case::new(
        "c07_running_timer_is_not_reentered",
        running_timer_is_not_reentered,
        Mutant::broken(REENTERS, mutants::enters_the_running),
    )
    .needs(Capabilities::NESTING),
    Case::new(
        "c07_running_watch_leaves_the_kernels_set",
        running_watch_leaves_the_kernels_set,
        Mutant::broken(
            "leaves the running watch armed in the kernel",
            mutants::leaves_the_running_armed,
        ),
    )
    .needs(Capabilities::NESTING.union(Capabilities::EPOLL)),
    Case::new(
        "c07_others_are_served",
        others_are_served,
        Mutant::broken("does nothing in a nested turn", mutants::no_nested_turn),
    )
    .needs(Capabilities::NESTING),
    Case::new(
        "c07_another_watch_on_the_same_fd_is_served",
        another_watch_on_the_same_fd_is_served,
        Mutant::broken(
            "skips every watch on the descriptor of the running one",
            mutants::skips_the_running_fd,
        ),
    )
    .needs(Capabilities::NESTING),
    Case::new(
        "c07_others_are_freed",
        others_are_freed,
        Mutant::broken(
            "frees nothing in a nested turn",
            mutants::no_frees_in_nested_turns,
        ),
    )
    .needs(Capabilities::NESTING),
    Case::new(
        "c07_served_again_after_the_outer_call",
        served_again_after_the_outer_call,
        Mutant::broken(
            "does not arm again what ran around a nested turn",
            mutants::stays_parked,
        ),
    )
    .needs(Capabilities::NESTING),
    Case::new(
        "c07_changes_apply_on_return",
        changes_apply_on_return,
        Mutant::broken(
            "restores what was asked for before the outer call",
            mutants::restores_the_old_interest,
        ),
    )
    .needs(Capabilities::NESTING),
    Case::new(
        "c07_free_waits_for_the_outer_call",
        free_waits_for_the_outer_call,
        Mutant::broken(
            "never frees a callback that was removed while it ran",
            callback_mutants::leaks_the_running,
        ),
    )
    .needs(Capabilities::NESTING),
    Case::new(
        "c07_fetched_events_become_invalid",
        fetched_events_become_invalid,
        Mutant::broken(STALE, mutants::delivers_stale_events),
    )
    .needs(Capabilities::NESTING),
    Case::new(
        "c07_fetched_timers_become_invalid",
        fetched_timers_become_invalid,
        Mutant::broken(STALE, mutants::delivers_stale_events),
    )
    .needs(Capabilities::NESTING),
    Case::new(
        "c07_fetched_watches_may_be_gone",
        fetched_watches_may_be_gone,
        Mutant::broken(
            "removes some time after the call has returned",
            callback_mutants::removes_after_the_turn,
        ),
    )
    .needs(Capabilities::NESTING),
    Case::new(
        "c07_two_deep",
        two_deep,
        Mutant::broken(
            "does nothing in a nested turn inside a nested turn",
            mutants::one_deep,
        ),
    )
    .needs(Capabilities::NESTING),
];

const REENTERS: &str = "enters a callback that runs";
const STALE: &str = "goes on with what it fetched before the nested turn";

/// Turns the loop from inside a callback.
type Nested = Arc<dyn Fn() + Send + Sync>;

fn nested(exam: &Exam) -> Nested {
    Arc::from(exam.subject().nested_turn())
}

/// Takes nested turns until `condition` holds; a failure is recorded.
fn nest_until(
    nested: &Nested,
    recorder: &Recorder,
    what: &str,
    mut condition: impl FnMut() -> bool,
) {
    let began = Instant::now();
    while !condition() {
        if began.elapsed() > patience() {
            return recorder.fault(format!("nested turns in vain: {what}"));
        }
        nested();
    }
}

/// Runs only the first time that it is called.
fn once(act: impl FnOnce(Call) + Send + 'static) -> impl FnMut(Call) + Send + 'static {
    let mut act = Some(act);
    move |call| {
        if let Some(act) = act.take() {
            act(call);
        }
    }
}

fn running_watch_is_not_reentered(exam: &Exam) {
    let ready = eventfd();
    ready.kick();
    let nested = nested(exam);
    // The recorder notices a call of a callback that runs.
    let watch = exam.watch_with(&ready, HandleEvents::all(), move |_| {
        for _ in 0..3 {
            nested();
        }
    });
    exam.turn_until("the watch is called, and again", || watch.log.count() >= 3);
}

fn running_timer_is_not_reentered(exam: &Exam) {
    let timers = [Period::EVERY_ITERATION, Period::millis(1)].map(|period| {
        let nested = nested(exam);
        exam.timer_with(period, move |_| {
            thread::sleep(Duration::from_millis(2));
            for _ in 0..3 {
                nested();
            }
        })
    });
    exam.turn_until("the timers fire, and again", || {
        timers.iter().all(|timer| timer.log.count() >= 3)
    });
}

fn running_watch_leaves_the_kernels_set(exam: &Exam) {
    // Hung up: with no interest at all the kernel would still report it.
    let (ours, theirs) = socketpair();
    drop(theirs);
    let set = exam.subject().epoll_fd();
    let (nested, recorder) = (nested(exam), exam.recorder().clone());
    let watch = exam.watch_with(&ours, HandleEvents::READABLE, move |call| {
        nested();
        if epoll_interest(set, call.fd).is_some() {
            recorder.fault("the kernel reports the running watch during a nested turn");
        }
    });
    exam.turn_until("the watch is called, and again", || watch.log.count() >= 2);
    let fd = ours.as_raw_fd();
    assert!(
        epoll_interest(set, fd).is_some(),
        "the kernel does not report the watch again"
    );
}

fn others_are_served(exam: &Exam) {
    for outer_is_timer in [false, true] {
        let ready = eventfd();
        ready.kick();
        let watch = exam.watch(&ready, HandleEvents::READABLE);
        let zero = exam.timer(Period::EVERY_ITERATION);
        let timer = exam.timer(Period::millis(2));
        let (nested, recorder) = (nested(exam), exam.recorder().clone());
        let logs = [&watch.log, &zero.log, &timer.log].map(Log::clone);
        let outer = once(move |_| {
            let before = logs.each_ref().map(Log::count);
            nest_until(&nested, &recorder, "others are served", || {
                logs.iter()
                    .zip(before)
                    .all(|(log, before)| log.count() >= before + 3)
            });
        });
        let outer = if outer_is_timer {
            exam.timer_with(Period::millis(1), outer).log
        } else {
            exam.watch_with(&ready, HandleEvents::READABLE, outer).log
        };
        exam.turn_until("the outer callback is called", || outer.was_called());
        exam.remove(watch.id);
        exam.remove_timer(zero.id);
        exam.remove_timer(timer.id);
    }
}

fn another_watch_on_the_same_fd_is_served(exam: &Exam) {
    let ready = eventfd();
    ready.kick();
    let same = exam.watch(&ready, HandleEvents::READABLE);
    let other_events = exam.watch(&ready, HandleEvents::WRITABLE);
    let (nested, recorder, events) = (nested(exam), exam.recorder().clone(), exam.event_impl());
    let (callback, new) = exam.recorder().handle("a watch added meanwhile", |_| {});
    let logs = [same.log.clone(), other_events.log.clone(), new];
    let outer = once(move |call| {
        if let Err(error) = events.add_handle(call.fd, HandleEvents::READABLE, callback) {
            recorder.fault(format!("adding a watch on the running fd: {error}"));
        }
        let before = logs.each_ref().map(Log::count);
        nest_until(
            &nested,
            &recorder,
            "watches on the same fd are served",
            || {
                logs.iter()
                    .zip(before)
                    .all(|(log, before)| log.count() >= before + 2)
            },
        );
    });
    let outer = exam.watch_with(&ready, HandleEvents::READABLE, outer);
    exam.turn_until("the outer callback is called, and again", || {
        outer.log.count() >= 2
    });
    assert_eq!(same.log.seen(), HandleEvents::READABLE);
    assert_eq!(other_events.log.seen(), HandleEvents::WRITABLE);
}

fn others_are_freed(exam: &Exam) {
    let idle = eventfd();
    let watch = exam.watch(&idle, HandleEvents::READABLE);
    let timer = exam.timer(Period::DISABLED);
    let (nested, recorder, events) = (nested(exam), exam.recorder().clone(), exam.event_impl());
    let (ids, logs) = ((watch.id, timer.id), [watch.log.clone(), timer.log.clone()]);
    let outer = exam.timer_with(
        Period::millis(1),
        once(move |_| {
            let removed = (events.remove_handle(ids.0), events.remove_timeout(ids.1));
            if !matches!(removed, (Ok(()), Ok(()))) {
                recorder.fault("a removal inside a callback failed");
            }
            nest_until(&nested, &recorder, "what was removed is freed", || {
                logs.iter().all(Log::is_freed)
            });
        }),
    );
    exam.turn_until("the outer callback is called", || outer.log.was_called());
}

fn served_again_after_the_outer_call(exam: &Exam) {
    let ready = eventfd();
    ready.kick();
    let nest = nested(exam);
    let watch = exam.watch_with(&ready, HandleEvents::READABLE, once(move |_| nest()));
    let nest = nested(exam);
    let zero = exam.timer_with(Period::EVERY_ITERATION, once(move |_| nest()));
    let nest = nested(exam);
    let timer = exam.timer_with(Period::millis(2), once(move |_| nest()));
    exam.turn_until(
        "those that ran around nested turns are called again",
        || {
            [&watch.log, &zero.log, &timer.log]
                .iter()
                .all(|log| log.count() >= 3)
        },
    );
}

/// What a nested callback changes about the running entry counts when that
/// returns, and not before.
fn changes_apply_on_return(exam: &Exam) {
    // A watch that is parked meanwhile, and one that asks for something else.
    for wanted in [HandleEvents::empty(), HandleEvents::WRITABLE] {
        let ready = eventfd();
        ready.kick();
        let events = exam.event_impl();
        let around = meddled_with(exam, move |id| {
            let id = WatchId::new(id).expect("an id is at least 1");
            events.update_handle(id, HandleEvents::all());
            events.update_handle(id, wanted);
        });
        let watch = exam.watch_with(&ready, HandleEvents::READABLE, around);
        exam.turn_until("the outer callback is called", || watch.log.was_called());
        exam.iterate(3);
        for call in &watch.log.calls()[1..] {
            assert_eq!(call.events, wanted, "told of what it no longer asks for");
        }
        assert_eq!(watch.log.count() > 1, !wanted.is_empty());
        exam.remove(watch.id);
    }
    let events = exam.event_impl();
    let around = meddled_with(exam, move |id| {
        let id = TimerId::new(id).expect("an id is at least 1");
        events.update_timeout(id, Period::EVERY_ITERATION);
        events.update_timeout(id, Period::DISABLED);
    });
    let timer = exam.timer_with(Period::EVERY_ITERATION, around);
    exam.turn_until("the outer callback is called", || timer.log.was_called());
    exam.iterate(3);
    assert_eq!(timer.log.count(), 1, "it was disabled while it ran");
}

/// A callback that takes nested turns until a timer has acted on the entry to
/// which the callback belongs, and a few more. `act` gets the entry's id.
fn meddled_with(
    exam: &Exam,
    mut act: impl FnMut(i32) + Send + 'static,
) -> impl FnMut(Call) + Send + 'static {
    // The id of the running entry, and 0 once the timer has acted.
    let target = Arc::new(AtomicI32::new(0));
    let aim = Arc::clone(&target);
    exam.timer_with(Period::millis(1), move |_| {
        match aim.swap(0, Ordering::AcqRel) {
            0 => {}
            id => act(id),
        }
    });
    let (nested, recorder) = (nested(exam), exam.recorder().clone());
    once(move |call| {
        target.store(call.id, Ordering::Release);
        let what = "a timer acts on the running entry";
        nest_until(&nested, &recorder, what, || {
            target.load(Ordering::Acquire) == 0
        });
        for _ in 0..3 {
            nested();
        }
    })
}

fn free_waits_for_the_outer_call(exam: &Exam) {
    // The recorder notices a free of a callback that runs.
    let ready = eventfd();
    ready.kick();
    let (events, recorder) = (exam.event_impl(), exam.recorder().clone());
    let remove_watch = move |id| {
        let id = WatchId::new(id).expect("an id is at least 1");
        if events.remove_handle(id).is_err() {
            recorder.fault("the running watch could not be removed");
        }
    };
    let (events, recorder) = (exam.event_impl(), exam.recorder().clone());
    let remove_timer = move |id| {
        let id = TimerId::new(id).expect("an id is at least 1");
        if events.remove_timeout(id).is_err() {
            recorder.fault("the running timer could not be removed");
        }
    };
    // Removed by a nested callback, and by themselves before the nested turns.
    let around = meddled_with(exam, remove_watch.clone());
    let watch = exam.watch_with(&ready, HandleEvents::READABLE, around);
    let around = meddled_with(exam, remove_timer.clone());
    let timer = exam.timer_with(Period::EVERY_ITERATION, around);
    let own_watch = exam.watch_with(
        &ready,
        HandleEvents::READABLE,
        removes_itself_and_nests(exam, remove_watch),
    );
    let own_timer = exam.timer_with(
        Period::EVERY_ITERATION,
        removes_itself_and_nests(exam, remove_timer),
    );
    let logs = [&watch.log, &timer.log, &own_watch.log, &own_timer.log];
    exam.turn_until("each is freed after its call", || {
        logs.iter().all(|log| log.is_freed())
    });
    for log in logs {
        assert_eq!(log.count(), 1, "{log:?} was called after it was removed");
    }
}

fn removes_itself_and_nests(
    exam: &Exam,
    mut remove: impl FnMut(i32) + Send + 'static,
) -> impl FnMut(Call) + Send + 'static {
    let nested = nested(exam);
    once(move |call| {
        remove(call.id);
        for _ in 0..3 {
            nested();
        }
    })
}

/// Two ready watches: whichever is called first turns the loop, which serves
/// the other, whose descriptor is then no longer ready. The outer turn has
/// fetched it too, and must not call it once more.
fn fetched_events_become_invalid(exam: &Exam) {
    let fds = [eventfd(), eventfd()];
    let depth = Arc::new(AtomicUsize::new(0));
    let watches = fds.each_ref().map(|fd| {
        let (reader, depth) = (fd.duplicate(), Arc::clone(&depth));
        let (nested, recorder) = (nested(exam), exam.recorder().clone());
        exam.watch_with(fd, HandleEvents::READABLE, move |_| {
            if !reader.take() {
                recorder.fault("called for an event that a nested turn has handled");
            }
            if depth.fetch_add(1, Ordering::AcqRel) == 0 {
                nested();
            }
            depth.fetch_sub(1, Ordering::AcqRel);
        })
    });
    for round in 1..=5 {
        fds.iter().for_each(EventFd::kick);
        exam.turn_until("both are called", || {
            watches.iter().all(|watch| watch.log.count() >= round)
        });
        exam.iterate(2);
        for watch in &watches {
            assert_eq!(watch.log.count(), round, "one call for each event");
        }
    }
}

fn fetched_timers_become_invalid(exam: &Exam) {
    let depth = Arc::new(AtomicUsize::new(0));
    let timers = [(); 2].map(|()| {
        let (depth, events) = (Arc::clone(&depth), exam.event_impl());
        let nested = nested(exam);
        exam.timer_with(Period::millis(1), move |call| {
            let id = TimerId::new(call.id).expect("an id is at least 1");
            events.update_timeout(id, Period::DISABLED);
            if depth.fetch_add(1, Ordering::AcqRel) == 0 {
                nested();
            }
            depth.fetch_sub(1, Ordering::AcqRel);
        })
    });
    for round in 1..=5 {
        thread::sleep(Duration::from_millis(2));
        exam.turn_until("both fire", || {
            timers.iter().all(|timer| timer.log.count() >= round)
        });
        exam.iterate(2);
        for timer in &timers {
            assert_eq!(timer.log.count(), round, "it had disabled itself");
            exam.update_timer(timer.id, Period::millis(1));
        }
    }
}

/// As [`fetched_events_become_invalid`], but before the nested turn everything
/// else that was fetched is removed, and half of the descriptors are closed.
fn fetched_watches_may_be_gone(exam: &Exam) {
    let fds: Vec<_> = (0..6).map(|_| eventfd()).collect();
    let kept = Arc::new(Mutex::new(Vec::new()));
    let ids = Arc::new(OnceLock::<Vec<WatchId>>::new());
    let is_first = Arc::new(AtomicBool::new(true));
    let watches: Vec<_> = fds
        .iter()
        .map(|fd| {
            let (kept, ids, is_first) =
                (Arc::clone(&kept), Arc::clone(&ids), Arc::clone(&is_first));
            let (nested, recorder, events) =
                (nested(exam), exam.recorder().clone(), exam.event_impl());
            exam.watch_with(fd, HandleEvents::READABLE, move |call| {
                if !is_first.swap(false, Ordering::AcqRel) {
                    return recorder.fault("called after it was removed");
                }
                for id in ids.get().expect("they were added before the turn") {
                    if id.get() != call.id && events.remove_handle(*id).is_err() {
                        recorder.fault("a removal inside a callback failed");
                    }
                }
                let mut fds: MutexGuard<'_, Vec<EventFd>> = kept.lock().expect("nothing panics");
                let mut number = 0;
                fds.retain(|fd| {
                    number += 1;
                    fd.as_raw_fd() == call.fd || number % 2 == 0
                });
                drop(fds);
                for _ in 0..2 {
                    nested();
                }
                let removed = WatchId::new(call.id).map(|id| events.remove_handle(id));
                if !matches!(removed, Some(Ok(()))) {
                    recorder.fault("the outer watch could not remove itself");
                }
            })
        })
        .collect();
    fds.iter().for_each(EventFd::kick);
    *kept.lock().expect("nothing panics") = fds;
    ids.set(watches.iter().map(|watch| watch.id).collect())
        .expect("it is set once");
    exam.turn_until("all are freed", || {
        watches.iter().all(|watch| watch.log.is_freed())
    });
    let calls: usize = watches.iter().map(|watch| watch.log.count()).sum();
    assert_eq!(calls, 1, "the first one called removed the others");
}

/// A callback turns the loop, a callback of that turn turns it again, and a
/// callback of that one is served; all three go on afterwards.
fn two_deep(exam: &Exam) {
    let fds = [(); 3].map(|()| eventfd());
    fds.iter().for_each(EventFd::kick);
    let depth = Arc::new(AtomicUsize::new(0));
    let deepest = Arc::new(AtomicUsize::new(0));
    let watches = fds.each_ref().map(|fd| {
        let (depth, deepest) = (Arc::clone(&depth), Arc::clone(&deepest));
        let nested = nested(exam);
        exam.watch_with(fd, HandleEvents::READABLE, move |_| {
            let now = depth.fetch_add(1, Ordering::AcqRel) + 1;
            deepest.fetch_max(now, Ordering::AcqRel);
            for _ in 0..2 {
                nested();
            }
            depth.fetch_sub(1, Ordering::AcqRel);
        })
    });
    exam.turn_until("each is called three times", || {
        watches.iter().all(|watch| watch.log.count() >= 3)
    });
    assert_eq!(
        deepest.load(Ordering::Acquire),
        3,
        "a nested turn inside a nested turn serves the third watch"
    );
}
