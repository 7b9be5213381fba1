use std::io::{Read, Write};
use std::num::NonZeroU32;
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use virt_event::{EventImpl, HandleCallback, HandleEvents, Period, TimeoutCallback};
use virt_event_glib::glib::{MainLoop, Priority};

use crate::support::{
    Attached, Count, EVERY_MILLI, LIMIT, Runner, driven, iterate_until, read_one, readable, run,
    timer, watch,
};

#[test]
fn watches_and_timers_are_served() {
    let (reactor, context, driver) = driven();
    let (ours, _theirs) = readable();
    let main_loop = MainLoop::new(Some(&context), false);
    let reads = Count::default();
    let ticks = Count::default();
    watch(&reactor, &ours, {
        let ours = ours.try_clone().unwrap();
        let reads = reads.clone();
        move || {
            read_one(&ours);
            reads.up();
        }
    });
    timer(&reactor, EVERY_MILLI, {
        let (ticks, main_loop) = (ticks.clone(), main_loop.clone());
        move || {
            ticks.up();
            if ticks.get() == 3 {
                main_loop.quit();
            }
        }
    });
    run(&main_loop, "three ticks");
    assert_eq!(reads.get(), 1);
    let stats = driver.stats();
    assert_eq!((stats.watches, stats.timers), (1, 1));
}

#[test]
fn the_loop_sleeps_when_there_is_nothing_to_do() {
    let (reactor, context, driver) = driven();
    let (ours, theirs) = readable();
    let id = watch(&reactor, &ours, || {});
    reactor.update_handle(id, HandleEvents::empty());
    timer(&reactor, Period::DISABLED, || {});
    timer(&reactor, LIMIT, || {});
    // A wake-up that came before the sleep still counts; nothing else does.
    driver.wake();
    iterate_until(&context, "the wake-up", || driver.stats().turns > 0);
    assert!(!context.iteration(false));
    drop(theirs);
    // A hang-up is no business of a watch without interest. The kernel may report
    // it once.
    context.iteration(false);
    assert!(!context.iteration(false));
}

/// Tells on which thread it was dropped.
struct Drops(mpsc::Sender<thread::ThreadId>);

impl Drop for Drops {
    fn drop(&mut self) {
        let _ = self.0.send(thread::current().id());
    }
}

#[test]
fn frees_run_on_the_loop_and_never_inside_a_call() {
    let (reactor, context, _driver) = driven();
    let runner = Runner::start(&context);
    let (sender, drops) = mpsc::channel();

    // Removed on another thread than the loop's.
    let dropped = Drops(sender.clone());
    let callback = TimeoutCallback::with_state(dropped, |_, _| {});
    let id = reactor.add_timeout(Period::DISABLED, callback).unwrap();
    reactor.remove_timeout(id).unwrap();
    assert_eq!(drops.recv_timeout(LIMIT), Ok(runner.thread()));

    // Removed by a callback, on the loop's thread.
    let (ours, _theirs) = readable();
    let callback = HandleCallback::with_state(Drops(sender), |_, _, _, _| {});
    let drops = Arc::new(Mutex::new(drops));
    let (inside, outcomes) = mpsc::channel();
    let id = reactor
        .add_handle(ours.as_raw_fd(), HandleEvents::empty(), callback)
        .unwrap();
    timer(&reactor, EVERY_MILLI, {
        let (reactor, drops) = (Arc::clone(&reactor), Arc::clone(&drops));
        move || {
            if reactor.remove_handle(id).is_ok() {
                let _ = inside.send(drops.lock().unwrap().try_recv().is_err());
            }
        }
    });
    assert_eq!(outcomes.recv_timeout(LIMIT), Ok(true), "freed in place");
    let freed_on = drops.lock().unwrap().recv_timeout(LIMIT);
    assert_eq!(freed_on, Ok(runner.thread()));
    runner.stop();
}

#[test]
fn no_change_by_another_thread_is_lost_while_the_context_sleeps() {
    const ROUNDS: usize = 5000;
    let (reactor, context, _driver) = driven();
    let runner = Runner::start(&context);
    let (ours, _theirs) = readable();
    let (sender, calls) = mpsc::channel();
    let callback = {
        let reactor = Arc::clone(&reactor);
        HandleCallback::new(move |watch, _, _| {
            // As libvirt does: no more events until somebody asks for them.
            reactor.update_handle(watch, HandleEvents::empty());
            let _ = sender.send(());
        })
    };
    let fd = ours.as_raw_fd();
    let id = reactor
        .add_handle(fd, HandleEvents::empty(), callback)
        .unwrap();
    for round in 0..ROUNDS {
        reactor.update_handle(id, HandleEvents::READABLE);
        assert_eq!(calls.recv_timeout(LIMIT), Ok(()), "round {round}");
    }
    reactor.remove_handle(id).unwrap();
    runner.stop();
}

#[test]
fn no_timer_set_by_another_thread_is_lost_while_the_context_sleeps() {
    const ROUNDS: usize = 2000;
    let (reactor, context, _driver) = driven();
    let runner = Runner::start(&context);
    let (sender, calls) = mpsc::channel();
    let callback = {
        let reactor = Arc::clone(&reactor);
        TimeoutCallback::new(move |timer| {
            reactor.update_timeout(timer, Period::DISABLED);
            let _ = sender.send(());
        })
    };
    let id = reactor.add_timeout(Period::DISABLED, callback).unwrap();
    for round in 0..ROUNDS {
        reactor.update_timeout(id, Period::EVERY_ITERATION);
        assert_eq!(calls.recv_timeout(LIMIT), Ok(()), "round {round}");
    }
    reactor.remove_timeout(id).unwrap();
    runner.stop();
}

#[test]
fn a_turn_has_no_more_iterations_than_the_budget() {
    let (reactor, context, driver) = driven();
    timer(&reactor, Period::EVERY_ITERATION, || {});
    for budget in [1, 4] {
        driver.set_budget(NonZeroU32::new(budget).unwrap());
        // A source of the same priority alternates with the reactor, so what
        // happens between two of its calls is one turn.
        let seen = Arc::new(Mutex::new(Vec::new()));
        let source = Attached::always_ready(&context, Priority::DEFAULT, {
            let (driver, seen) = (driver.clone(), Arc::clone(&seen));
            move || seen.lock().unwrap().push(driver.stats().iterations)
        });
        iterate_until(&context, "many calls", || seen.lock().unwrap().len() > 50);
        drop(source);
        let seen = seen.lock().unwrap();
        let turns = seen.windows(2).map(|pair| pair[1] - pair[0]);
        assert_eq!(turns.max(), Some(u64::from(budget)), "{seen:?}");
    }
}

#[test]
fn a_drain_beside_the_running_loop_ends() {
    let (reactor, context, driver) = driven();
    let runner = Runner::start(&context);
    let (ours, mut theirs) = readable();
    let callback = {
        let (reactor, mut ours) = (Arc::clone(&reactor), ours.try_clone().unwrap());
        HandleCallback::new(move |watch, _, _| {
            let mut byte = [0];
            ours.read_exact(&mut byte).unwrap();
            if byte == *b"." {
                reactor.remove_handle(watch).unwrap();
            }
        })
    };
    reactor
        .add_handle(ours.as_raw_fd(), HandleEvents::READABLE, callback)
        .unwrap();
    let writer = thread::spawn(move || {
        theirs.write_all(&[b'x'; 500]).unwrap();
        theirs.write_all(b".").unwrap();
        theirs
    });
    driver.drain(LIMIT).unwrap();
    writer.join().unwrap();
    runner.stop();

    // And after the loop has ended.
    let id = timer(&reactor, EVERY_MILLI, || {});
    reactor.remove_timeout(id).unwrap();
    driver.drain(LIMIT).unwrap();
    assert_eq!(driver.stats().pending_frees, 0);
}
