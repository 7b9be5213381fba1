//! C1 and C2: where callbacks and frees run.

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use virt_event::{EventImpl, HandleEvents, Period, TimerId, WatchId};

use crate::fixtures::{eventfd, patience, wait_until};
use crate::mutants::callbacks as mutants;
use crate::{Case, Exam, Mutant, Recorder};

pub(super) const CASES: &[Case] = &[
    Case::new(
        "c01_callbacks_run_on_the_loops_thread",
        callbacks_run_on_the_loops_thread,
        Mutant::broken(
            "calls the callback of a ready watch on the thread that adds it",
            mutants::calls_in_add,
        ),
    ),
    Case::new(
        "c01_frees_run_on_the_loops_thread",
        frees_run_on_the_loops_thread,
        Mutant::broken(
            "frees a callback on the thread that removes it",
            mutants::frees_in_remove,
        ),
    ),
    Case::new(
        "c01_calls_never_call_back",
        calls_never_call_back,
        Mutant::broken(
            "calls the callback inside update_timeout to zero",
            mutants::calls_in_update,
        ),
    ),
    Case::new(
        "c01_no_lock_held_in_a_callback",
        no_lock_held_in_a_callback,
        Mutant::broken("holds a lock for the whole of a turn", mutants::one_lock),
    ),
    Case::new(
        "c01_no_lock_held_in_a_free",
        no_lock_held_in_a_free,
        Mutant::broken("holds a lock for the whole of a turn", mutants::one_lock),
    ),
    Case::new(
        "c02_callbacks_never_run_concurrently",
        callbacks_never_run_concurrently,
        Mutant::broken(
            "runs each callback on a thread of its own",
            mutants::thread_for_each_call,
        ),
    ),
];

fn callbacks_run_on_the_loops_thread(exam: &Exam) {
    let (events, recorder) = (exam.event_impl(), exam.recorder().clone());
    let other = thread::spawn(move || {
        let ready = eventfd();
        ready.kick();
        let fd = ready.as_raw_fd();
        let (callback, watch) = recorder.handle("a watch added on another thread", |_| {});
        let id = events.add_handle(fd, HandleEvents::READABLE, callback);
        let (callback, timer) = recorder.timeout("a timer added on another thread", |_| {});
        let zero = events.add_timeout(Period::EVERY_ITERATION, callback);
        wait_until("the callbacks are called", || {
            watch.was_called() && timer.was_called()
        });
        events.remove_handle(id.expect("added")).expect("removed");
        events
            .remove_timeout(zero.expect("added"))
            .expect("removed");
        (watch, timer)
    });
    let (watch, timer) = turn_until_joined(exam, other);
    // The recorder has compared the threads of all calls; this is the positive
    // half.
    let here = thread::current().id();
    for log in [&watch, &timer] {
        assert!(log.calls().iter().all(|call| call.thread == here));
    }
}

fn frees_run_on_the_loops_thread(exam: &Exam) {
    let ready = eventfd();
    ready.kick();
    let watch = exam.watch(&ready, HandleEvents::READABLE);
    let parked = exam.watch(&ready, HandleEvents::empty());
    let timer = exam.timer(Period::EVERY_ITERATION);
    let disabled = exam.timer(Period::DISABLED);
    exam.iterate(1);
    let events = exam.event_impl();
    let (watches, timers) = ([watch.id, parked.id], [timer.id, disabled.id]);
    let other = thread::spawn(move || {
        for id in watches {
            events.remove_handle(id).expect("removed");
        }
        for id in timers {
            events.remove_timeout(id).expect("removed");
        }
    });
    other.join().expect("the other thread's calls succeed");
    let logs = [&watch.log, &parked.log, &timer.log, &disabled.log];
    for log in logs {
        assert!(!log.is_freed(), "freed although the loop was not turned");
    }
    exam.turn_until("everything is freed", || {
        logs.iter().all(|log| log.is_freed())
    });
    for log in logs {
        let free = log.free().expect("it is freed");
        assert_eq!(free.thread, thread::current().id());
    }
}

fn calls_never_call_back(exam: &Exam) {
    let ready = eventfd();
    ready.kick();
    let watch = exam.watch(&ready, HandleEvents::all());
    let timer = exam.timer(Period::EVERY_ITERATION);
    thread::sleep(Duration::from_millis(2));
    for events in [HandleEvents::empty(), HandleEvents::READABLE] {
        exam.update(watch.id, events);
    }
    for period in [Period::DISABLED, Period::millis(1), Period::EVERY_ITERATION] {
        exam.update_timer(timer.id, period);
    }
    let neither = |when: &str| {
        let calls = watch.log.count() + timer.log.count();
        assert_eq!(calls, 0, "a callback was called {when}, without a turn");
        let frees = watch.log.frees() + timer.log.frees();
        assert_eq!(frees, 0, "a callback was freed {when}, without a turn");
    };
    neither("in an add or an update");
    exam.remove(watch.id);
    exam.remove_timer(timer.id);
    neither("in a remove");
    exam.turn_until("both are freed", || {
        watch.log.is_freed() && timer.log.is_freed()
    });
    assert_eq!(watch.log.count() + timer.log.count(), 0);
}

fn no_lock_held_in_a_callback(exam: &Exam) {
    let ready = eventfd();
    ready.kick();
    let (events, recorder) = (exam.event_impl(), exam.recorder().clone());
    let watch = exam.watch_with(&ready, HandleEvents::READABLE, move |call| {
        all_six_elsewhere(&events, &recorder);
        let id = WatchId::new(call.id).expect("an id is at least 1");
        events.update_handle(id, HandleEvents::empty());
    });
    let (events, recorder) = (exam.event_impl(), exam.recorder().clone());
    let timer = exam.timer_with(Period::millis(1), move |call| {
        all_six_elsewhere(&events, &recorder);
        let id = TimerId::new(call.id).expect("an id is at least 1");
        events.update_timeout(id, Period::DISABLED);
    });
    exam.turn_until("both callbacks are called", || {
        watch.log.was_called() && timer.log.was_called()
    });
}

fn no_lock_held_in_a_free(exam: &Exam) {
    let ready = eventfd();
    let (events, recorder) = (exam.event_impl(), exam.recorder().clone());
    let on_free = move || all_six_elsewhere(&events, &recorder);
    let (callback, watch) = exam
        .recorder()
        .handle_with_free("a watch", |_| {}, on_free.clone());
    let fd = ready.as_raw_fd();
    let id = exam
        .event_impl()
        .add_handle(fd, HandleEvents::READABLE, callback)
        .expect("added");
    let (callback, timer) = exam
        .recorder()
        .timeout_with_free("a timer", |_| {}, on_free);
    let timer_id = exam
        .event_impl()
        .add_timeout(Period::DISABLED, callback)
        .expect("added");
    exam.remove(id);
    exam.remove_timer(timer_id);
    exam.turn_until("both are freed", || watch.is_freed() && timer.is_freed());
}

/// Makes each of the six calls on another thread, and waits for them. For use
/// inside callbacks: a failure is recorded, not raised.
pub(super) fn all_six_elsewhere(events: &Arc<dyn EventImpl>, recorder: &Recorder) {
    let (done, is_done) = mpsc::channel();
    let (events, other_recorder) = (Arc::clone(events), recorder.clone());
    let other = thread::spawn(move || {
        let fd = eventfd();
        let raw = fd.as_raw_fd();
        let (callback, _) = other_recorder.handle("a watch of another thread", |_| {});
        let watch = events
            .add_handle(raw, HandleEvents::READABLE, callback)
            .expect("add_handle on another thread");
        events.update_handle(watch, HandleEvents::empty());
        events.remove_handle(watch).expect("remove_handle");
        let (callback, _) = other_recorder.timeout("a timer of another thread", |_| {});
        let timer = events
            .add_timeout(Period::EVERY_ITERATION, callback)
            .expect("add_timeout on another thread");
        events.update_timeout(timer, Period::DISABLED);
        events.remove_timeout(timer).expect("remove_timeout");
        done.send(()).expect("the callback waits");
    });
    match is_done.recv_timeout(patience()) {
        Ok(()) => other.join().expect("it has ended"),
        Err(mpsc::RecvTimeoutError::Timeout) => {
            recorder.fault("another thread's calls wait for a callback or a free to end");
        }
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            recorder.fault("one of the six calls failed on another thread");
        }
    }
}

fn callbacks_never_run_concurrently(exam: &Exam) {
    // On which threads they run is another case's question.
    exam.recorder().allow_any_thread();
    let ready = eventfd();
    ready.kick();
    let busy = |_| thread::sleep(Duration::from_micros(500));
    let watches = [(); 4].map(|()| exam.watch_with(&ready, HandleEvents::READABLE, busy));
    let timers = [Period::EVERY_ITERATION, Period::millis(1)];
    let timers = timers.map(|period| exam.timer_with(period, busy));
    let enough = Arc::new(AtomicBool::new(false));
    let others: Vec<_> = (0..2)
        .map(|_| {
            let (events, enough) = (exam.event_impl(), Arc::clone(&enough));
            let (watches, timer) = (watches.each_ref().map(|watch| watch.id), timers[1].id);
            thread::spawn(move || {
                while !enough.load(Ordering::Relaxed) {
                    for watch in watches {
                        events.update_handle(watch, HandleEvents::READABLE);
                    }
                    events.update_timeout(timer, Period::millis(1));
                    thread::sleep(Duration::from_micros(200));
                }
            })
        })
        .collect();
    exam.turn_until("every callback is called often", || {
        watches.iter().all(|watch| watch.log.count() >= 10) && timers[0].log.count() >= 10
    });
    enough.store(true, Ordering::Relaxed);
    for other in others {
        turn_until_joined(exam, other);
    }
}

/// Turns the loop until another thread has ended.
pub(super) fn turn_until_joined<T>(exam: &Exam, other: JoinHandle<T>) -> T {
    exam.turn_until("the other thread ends", || other.is_finished());
    other.join().expect("the other thread ends well")
}
