use std::cell::Cell;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;

use virt_event_glib::glib::{self, MainContext, MainLoop, Priority};
use virt_event_glib::{AttachError, Reactor};

use crate::support::{Count, EVERY_MILLI, LIMIT, Runner, driven, iterate_until, run, timer};

#[test]
fn attaching_wakes_a_context_that_another_thread_sleeps_in() {
    let context = MainContext::new();
    let runner = Runner::start(&context);
    let reactor = Reactor::new().unwrap();
    let (sender, called_on) = mpsc::channel();
    timer(&reactor, EVERY_MILLI, move || {
        let _ = sender.send(thread::current().id());
    });
    // Nothing else happens in that context, so nothing else wakes it.
    let _driver = virt_event_glib::attach(&reactor, &context, Priority::DEFAULT).unwrap();
    assert_eq!(called_on.recv_timeout(LIMIT), Ok(runner.thread()));
    runner.stop();
}

#[test]
fn a_context_may_be_run_by_one_thread_after_another() {
    let (reactor, context, _driver) = driven();
    let (sender, called_on) = mpsc::channel();
    timer(&reactor, EVERY_MILLI, move || {
        let _ = sender.send(thread::current().id());
    });
    for _ in 0..2 {
        let runner = Runner::start(&context);
        let thread = runner.thread();
        while called_on.recv_timeout(LIMIT).unwrap() != thread {}
        runner.stop();
    }
}

#[test]
fn a_stream_of_events_on_a_thread_default_context() {
    let thread = thread::spawn(|| {
        let context = MainContext::new();
        let streamed = context.with_thread_default(|| {
            let reactor = Reactor::new().unwrap();
            let thread_default = MainContext::ref_thread_default();
            let driver =
                virt_event_glib::attach(&reactor, &thread_default, Priority::DEFAULT).unwrap();
            let (sender, events) = async_channel::unbounded();
            timer(&reactor, EVERY_MILLI, move || {
                let _ = sender.try_send(thread::current().id());
            });
            let main_loop = MainLoop::new(Some(&thread_default), false);
            // Neither is `Send`.
            let seen = Rc::new(Cell::new(0));
            glib::spawn_future_local({
                let (main_loop, seen) = (main_loop.clone(), Rc::clone(&seen));
                async move {
                    while let Ok(called_on) = events.recv().await {
                        assert_eq!(called_on, thread::current().id());
                        seen.set(seen.get() + 1);
                        if seen.get() == 3 {
                            main_loop.quit();
                        }
                    }
                }
            });
            run(&main_loop, "three events");
            assert!(driver.is_attached());
            seen.get()
        });
        streamed.unwrap()
    });
    assert!(thread.join().unwrap() >= 3);
}

#[test]
fn two_reactors_in_one_context_are_both_served() {
    let (first, context, _driver) = driven();
    let second = Reactor::new().unwrap();
    let _driver = virt_event_glib::attach(&second, &context, Priority::LOW).unwrap();
    let calls = [Count::default(), Count::default()];
    timer(&first, EVERY_MILLI, calls[0].counter());
    timer(&second, EVERY_MILLI, calls[1].counter());
    iterate_until(&context, "both", || calls.iter().all(|it| it.get() >= 3));
}

#[test]
fn a_reactor_has_one_driver() {
    let (reactor, _context, driver) = driven();
    let other = MainContext::new();
    let refused = virt_event_glib::attach(&reactor, &other, Priority::DEFAULT);
    assert!(matches!(refused, Err(AttachError::AlreadyAttached)));
    assert!(driver.is_attached());
}
