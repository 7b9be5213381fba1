//! What the crate's documentation says about priorities.

use virt_event::{EventImpl, Period};
use virt_event_glib::Reactor;
use virt_event_glib::glib::{MainContext, Priority};

use crate::support::{Attached, Count, iterate_until, timer};

/// GTK's redraws.
const REDRAW: i32 = 120;

#[test]
fn a_lower_priority_waits_for_a_reactor_that_is_always_busy() {
    let reactor = Reactor::new().unwrap();
    let context = MainContext::new();
    let _driver = virt_event_glib::attach(&reactor, &context, Priority::DEFAULT).unwrap();
    let [ticks, redraws] = [0; 2].map(|_| Count::default());
    let busy = timer(&reactor, Period::EVERY_ITERATION, ticks.counter());
    let priority = Priority::from(REDRAW);
    let _redraw = Attached::always_ready(&context, priority, redraws.counter());
    iterate_until(&context, "many ticks", || ticks.get() > 1000);
    assert_eq!(redraws.get(), 0);
    reactor.update_timeout(busy, Period::DISABLED);
    iterate_until(&context, "redraws", || redraws.get() > 0);
}

#[test]
fn a_lower_priority_runs_between_the_events_of_a_reactor_that_is_not() {
    let reactor = Reactor::new().unwrap();
    let context = MainContext::new();
    let _driver = virt_event_glib::attach(&reactor, &context, Priority::DEFAULT).unwrap();
    let [ticks, redraws] = [0; 2].map(|_| Count::default());
    timer(&reactor, Period::millis(20), ticks.counter());
    let priority = Priority::from(REDRAW);
    let _redraw = Attached::always_ready(&context, priority, redraws.counter());
    iterate_until(&context, "both", || ticks.get() > 3 && redraws.get() > 3);
}

#[test]
fn the_same_priority_alternates() {
    let reactor = Reactor::new().unwrap();
    let context = MainContext::new();
    let driver = virt_event_glib::attach(&reactor, &context, Priority::DEFAULT).unwrap();
    timer(&reactor, Period::EVERY_ITERATION, || {});
    let others = Count::default();
    let _other = Attached::always_ready(&context, Priority::DEFAULT, others.counter());
    iterate_until(&context, "many turns", || driver.stats().turns >= 1000);
    assert!(others.get().abs_diff(1000) <= 2, "{}", others.get());
}

#[test]
fn the_reactor_waits_for_a_higher_priority() {
    let reactor = Reactor::new().unwrap();
    let context = MainContext::new();
    let _driver = virt_event_glib::attach(&reactor, &context, Priority::DEFAULT_IDLE).unwrap();
    let [ticks, inputs] = [0; 2].map(|_| Count::default());
    timer(&reactor, Period::EVERY_ITERATION, ticks.counter());
    let input = Attached::always_ready(&context, Priority::DEFAULT, inputs.counter());
    iterate_until(&context, "many inputs", || inputs.get() > 1000);
    assert_eq!(ticks.get(), 0);
    drop(input);
    iterate_until(&context, "a tick", || ticks.get() > 0);
}

#[test]
fn futures_of_a_lower_priority_receive_nothing_in_a_flood() {
    let reactor = Reactor::new().unwrap();
    let context = MainContext::new();
    let _driver = virt_event_glib::attach(&reactor, &context, Priority::HIGH).unwrap();
    let (sender, events) = async_channel::unbounded();
    let flood = timer(&reactor, Period::EVERY_ITERATION, move || {
        let _ = sender.try_send(());
    });
    let received = Count::default();
    context.spawn_local({
        let (events, received) = (events.clone(), received.clone());
        async move {
            while events.recv().await.is_ok() {
                received.up();
            }
        }
    });
    iterate_until(&context, "a flood", || events.len() > 1000);
    assert_eq!(received.get(), 0);
    reactor.update_timeout(flood, Period::DISABLED);
    iterate_until(&context, "the end of it", || events.is_empty());
    assert!(received.get() > 1000);
}
