// What panics in a callback is caught, so the tests assert outside of them.

use std::sync::{Arc, Mutex};

use virt_event::Period;
use virt_event_glib::Driver;
use virt_event_glib::glib::{self, MainContext, MainLoop, Priority};

use crate::support::{
    Attached, Count, EVERY_MILLI, driven, iterate_until, read_one, readable, run, timer, watch,
};

#[test]
fn a_callback_that_runs_a_main_loop_keeps_the_others_served() {
    let (reactor, context, _driver) = driven();
    let dialog = MainLoop::new(Some(&context), false);
    let begun = Count::default();
    let ended = Count::default();
    let re_entered = Count::default();
    // What happens while the dialog is open.
    let [reads, ticks, idles] = [0; 3].map(|_| Count::default());

    let (mine, _peer_of_mine) = readable();
    watch(&reactor, &mine, {
        let (dialog, begun, ended) = (dialog.clone(), begun.clone(), ended.clone());
        let re_entered = re_entered.clone();
        move || {
            // It is readable all the time, and must not be called meanwhile.
            if begun.get() > ended.get() {
                re_entered.up();
            }
            begun.up();
            if begun.get() == 1 {
                run(&dialog, "the end of the dialog");
            }
            ended.up();
        }
    });
    let (other, _peer_of_other) = readable();
    watch(&reactor, &other, {
        let (dialog, reads, other) = (dialog.clone(), reads.clone(), other.try_clone().unwrap());
        move || {
            if dialog.is_running() {
                read_one(&other);
                reads.up();
            }
        }
    });
    timer(&reactor, EVERY_MILLI, {
        let (dialog, ticks, idles) = (dialog.clone(), ticks.clone(), idles.clone());
        move || {
            if dialog.is_running() {
                ticks.up();
                if ticks.get() >= 5 && idles.get() > 0 {
                    dialog.quit();
                }
            }
        }
    });
    let _idle = Attached::always_ready(&context, Priority::DEFAULT, {
        let (dialog, idles) = (dialog.clone(), idles.clone());
        move || {
            if dialog.is_running() {
                idles.up();
            }
        }
    });

    iterate_until(&context, "the dialog", || ended.get() > 0);
    assert_eq!(re_entered.get(), 0);
    assert_eq!(reads.get(), 1);
    assert!(ticks.get() >= 5);
    assert!(idles.get() > 0);
    // Afterwards it is called as before.
    iterate_until(&context, "a call after the dialog", || ended.get() > 1);
}

#[test]
fn a_timer_that_iterates_the_context_is_not_called_inside_itself() {
    let (reactor, context, _driver) = driven();
    let [begun, ended, re_entered, others] = [0; 4].map(|_| Count::default());
    timer(&reactor, Period::EVERY_ITERATION, {
        let (context, begun, ended) = (context.clone(), begun.clone(), ended.clone());
        let (re_entered, others) = (re_entered.clone(), others.clone());
        move || {
            if begun.get() > ended.get() {
                re_entered.up();
            }
            begun.up();
            let before = others.get();
            iterate_until(&context, "others", || {
                // Without sleeping, as programs do that show their progress.
                context.iteration(false);
                others.get() > before
            });
            ended.up();
        }
    });
    timer(&reactor, EVERY_MILLI, others.counter());
    iterate_until(&context, "calls", || ended.get() > 3);
    assert_eq!(re_entered.get(), 0);
}

#[test]
fn three_main_loops_in_each_other() {
    let (reactor, context, _driver) = driven();
    let [depth, ended] = [0; 2].map(|_| Count::default());
    for _ in 0..3 {
        let (context, depth, ended) = (context.clone(), depth.clone(), ended.clone());
        let mut called = false;
        timer(&reactor, EVERY_MILLI, move || {
            if !called {
                called = true;
                depth.up();
                iterate_until(&context, "all three", || depth.get() == 3);
                ended.up();
            }
        });
    }
    iterate_until(&context, "the innermost", || depth.get() == 3);
    assert_eq!(ended.get(), 3);
}

#[test]
fn a_nested_loop_may_detach_the_driver() {
    let (reactor, context, driver) = driven();
    let [called, ended, later] = [0; 3].map(|_| Count::default());
    timer(&reactor, EVERY_MILLI, {
        let (context, driver) = (context.clone(), driver.clone());
        let (called, ended) = (called.clone(), ended.clone());
        move || {
            called.up();
            if called.get() > 1 {
                return;
            }
            driver.detach();
            // The source is removed in here, while it is dispatched out there.
            iterate_until(&context, "the end of the source", || {
                glib::main_current_source().is_some_and(|source| source.is_destroyed())
            });
            ended.up();
        }
    });
    timer(&reactor, EVERY_MILLI, later.counter());
    iterate_until(&context, "the detaching", || called.get() > 0);
    assert_eq!(ended.get(), 1);
    assert!(!driver.is_attached());
    assert_eq!(Arc::strong_count(&reactor), 3, "only us and two drivers");
    assert!(!context.iteration(false));
    let before = later.get();
    let _driver = virt_event_glib::attach(&reactor, &context, Priority::DEFAULT).unwrap();
    iterate_until(&context, "calls by the next driver", || {
        later.get() > before
    });
}

#[test]
fn a_nested_loop_may_be_driven_by_another_driver() {
    let (reactor, context, driver) = driven();
    let other = MainContext::new();
    let second: Arc<Mutex<Option<Driver>>> = Arc::default();
    let [ended, ticks] = [0; 2].map(|_| Count::default());
    timer(&reactor, EVERY_MILLI, {
        let (reactor, other, second) = (reactor.clone(), other.clone(), second.clone());
        let (ended, ticks) = (ended.clone(), ticks.clone());
        move || {
            if second.lock().unwrap().is_some() {
                return;
            }
            driver.detach();
            let driver = virt_event_glib::attach(&reactor, &other, Priority::DEFAULT).unwrap();
            *second.lock().unwrap() = Some(driver);
            let before = ticks.get();
            iterate_until(&other, "the other context", || ticks.get() >= before + 3);
            ended.up();
        }
    });
    timer(&reactor, EVERY_MILLI, ticks.counter());
    iterate_until(&context, "the call", || ended.get() > 0);
    let before = ticks.get();
    iterate_until(&other, "more", || ticks.get() >= before + 3);
    assert!(second.lock().unwrap().as_ref().unwrap().is_attached());
}
