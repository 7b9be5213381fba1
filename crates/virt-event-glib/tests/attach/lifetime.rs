use std::num::NonZeroU32;
use std::sync::{Arc, mpsc};
use std::thread;

use virt_event::{EventImpl, Period, TimeoutCallback};
use virt_event_glib::Reactor;
use virt_event_glib::glib::{self, MainContext, Priority};
use virt_event_loop::EventLoop;

use crate::support::{
    Count, EVERY_MILLI, LIMIT, OwnReactor, Runner, driven, iterate_until, readable, timer, watch,
};

/// Whether a source still holds the reactor, beside the test and `others`.
fn is_held(reactor: &Arc<Reactor>, others: usize) -> bool {
    Arc::strong_count(reactor) > 1 + others
}

#[test]
fn a_context_that_is_freed_detaches() {
    let (reactor, context, driver) = driven();
    let calls = Count::default();
    timer(&reactor, EVERY_MILLI, calls.counter());
    iterate_until(&context, "a call", || calls.get() > 0);
    drop(context);
    assert!(!driver.is_attached());
    assert!(!is_held(&reactor, 1), "only the driver is left");

    // What is registered waits for another driver: another kind of loop here.
    let event_loop = EventLoop::attach(&reactor).unwrap();
    let before = calls.get();
    while calls.get() < before + 3 {
        event_loop.run_once(Some(LIMIT)).unwrap();
    }
    drop(event_loop);

    let context = MainContext::new();
    let _driver = virt_event_glib::attach(&reactor, &context, Priority::DEFAULT).unwrap();
    let before = calls.get();
    iterate_until(&context, "more calls", || calls.get() > before + 3);
}

#[test]
fn a_context_may_be_freed_on_another_thread_than_its_own() {
    let reactor = Reactor::new().unwrap();
    let context = MainContext::new();
    let driver = virt_event_glib::attach(&reactor, &context, Priority::DEFAULT).unwrap();
    let freed = Count::default();
    struct Freed(Count);
    impl Drop for Freed {
        fn drop(&mut self) {
            self.0.up();
        }
    }
    let callback = TimeoutCallback::with_state(Freed(freed.clone()), |_, _| {});
    reactor.add_timeout(EVERY_MILLI, callback).unwrap();
    let runner = Runner::start(&context);
    runner.stop();
    drop(driver);
    // The last reference to the reactor is that of the source.
    let weak = Arc::downgrade(&reactor);
    drop(reactor);
    assert!(weak.upgrade().is_some());
    assert_eq!(freed.get(), 0);
    thread::spawn(move || drop(context)).join().unwrap();
    assert!(weak.upgrade().is_none());
    assert_eq!(freed.get(), 1);
}

#[test]
fn dropping_the_driver_changes_nothing() {
    let (reactor, context, driver) = driven();
    drop(driver);
    let calls = Count::default();
    timer(&reactor, EVERY_MILLI, calls.counter());
    iterate_until(&context, "calls", || calls.get() > 3);
}

#[test]
fn a_detached_driver_leaves_the_context_in_the_next_iteration() {
    let (reactor, context, driver) = driven();
    // Nothing is registered: it is the detaching that wakes the context.
    driver.detach();
    assert!(!driver.is_attached());
    assert!(is_held(&reactor, 1));
    iterate_until(&context, "the end of the source", || !is_held(&reactor, 1));
    assert!(!context.iteration(false));

    let driver = virt_event_glib::attach(&reactor, &context, Priority::DEFAULT).unwrap();
    let calls = Count::default();
    timer(&reactor, EVERY_MILLI, calls.counter());
    iterate_until(&context, "calls", || calls.get() > 3);
    driver.detach();
}

#[test]
fn a_driver_may_be_detached_from_a_callback_and_from_another_thread() {
    let (reactor, context, driver) = driven();
    // The turn in progress is completed, and is to have nothing more to do.
    driver.set_budget(NonZeroU32::MIN);
    let calls = Count::default();
    let (sender, detached) = mpsc::channel();
    timer(&reactor, EVERY_MILLI, {
        let (calls, driver) = (calls.clone(), driver.clone());
        move || {
            calls.up();
            driver.detach();
            let _ = sender.send(());
        }
    });
    let runner = Runner::start(&context);
    detached.recv_timeout(LIMIT).unwrap();
    runner.stop();
    assert_eq!(calls.get(), 1, "called by a driver that was detached");

    let driver = virt_event_glib::attach(&reactor, &context, Priority::DEFAULT).unwrap();
    let runner = Runner::start(&context);
    driver.detach();
    // Nobody drives it now, so this thread may.
    let event_loop = EventLoop::attach(&reactor).unwrap();
    let before = calls.get();
    while calls.get() == before {
        event_loop.run_once(Some(LIMIT)).unwrap();
    }
    runner.stop();
}

#[test]
fn drivers_follow_each_other_while_the_context_runs_and_nothing_is_lost() {
    const ROUNDS: usize = 300;
    let reactor = OwnReactor::new();
    let contexts = [MainContext::new(), MainContext::new()];
    let runners = [0, 1].map(|at: usize| Runner::start(&contexts[at]));
    let (sender, called_on) = mpsc::channel();
    let callback = {
        let reactor = Arc::clone(&reactor);
        TimeoutCallback::new(move |timer| {
            reactor.update_timeout(timer, Period::DISABLED);
            let _ = sender.send(thread::current().id());
        })
    };
    let id = reactor.add_timeout(Period::DISABLED, callback).unwrap();
    for round in 0..ROUNDS {
        let context = &contexts[round % 2];
        let driver = virt_event_glib::attach(&reactor, context, Priority::DEFAULT).unwrap();
        reactor.update_timeout(id, Period::EVERY_ITERATION);
        // A turn in which the driver before this one was detached may be the
        // one that calls, so it can be either thread.
        let thread = called_on.recv_timeout(LIMIT);
        let of_ours = thread.map(|it| runners.iter().any(|runner| runner.thread() == it));
        assert_eq!(of_ours, Ok(true), "round {round}");
        driver.detach();
    }
    for runner in runners {
        runner.stop();
    }
}

#[test]
fn a_source_may_be_destroyed_by_its_own_callback() {
    let (reactor, context, driver) = driven();
    let [calls, outlived, after] = [0; 3].map(|_| Count::default());
    let (sender, sources) = mpsc::channel();
    let (ours, _theirs) = readable();
    timer(&reactor, EVERY_MILLI, {
        let (calls, outlived, driver) = (calls.clone(), outlived.clone(), driver.clone());
        move || {
            calls.up();
            if calls.get() > 1 {
                return;
            }
            let source = glib::main_current_source().unwrap();
            let _ = sender.send((source.name(), source.can_recurse()));
            source.destroy();
            drop(source);
            // The turn goes on, and the attachment lives until its end.
            if driver.is_attached() {
                outlived.up();
            }
        }
    });
    // Another call in the same iteration, or a later one of the same turn.
    watch(&reactor, &ours, after.counter());
    iterate_until(&context, "the call", || calls.get() > 0);
    assert!(after.get() > 0);
    let (name, can_recurse) = sources.try_recv().unwrap();
    assert_eq!(name.as_deref(), Some("virt-event-glib"));
    assert!(can_recurse);
    assert_eq!(outlived.get(), 1);
    assert!(!driver.is_attached());
    assert!(
        !is_held(&reactor, 2),
        "one driver here, one in the callback"
    );

    // Served again by the next one.
    let before = after.get();
    let _driver = virt_event_glib::attach(&reactor, &context, Priority::DEFAULT).unwrap();
    iterate_until(&context, "calls", || after.get() > before);
}
