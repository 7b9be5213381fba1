//! A callback that panics.

use std::num::NonZeroU32;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::time::Duration;

use calloop::EventLoop;
use calloop::timer::{TimeoutAction, Timer};
use virt_event::{EventImpl, Period, TimeoutCallback};
use virt_event_calloop::{Reactor, Source, attach, calloop};

use crate::{Count, dispatch_until, ready_watch};

/// What the callback panics with; `resume_unwind` keeps the panic hook silent.
struct Payload;

/// A timer that panics once, and then counts.
fn panics_once(reactor: &Reactor) -> Count {
    let count = Count::default();
    let inside = count.clone();
    let callback = TimeoutCallback::new(move |_| {
        inside.up();
        if inside.get() == 1 {
            std::panic::resume_unwind(Box::new(Payload));
        }
    });
    reactor
        .add_timeout(Period::EVERY_ITERATION, callback)
        .unwrap();
    count
}

#[test]
fn c8_the_loop_goes_on_and_nothing_is_lost() {
    let reactor = Reactor::new().unwrap();
    let (_fd, watch) = ready_watch(&reactor);
    let panicking = panics_once(&reactor);
    let mut event_loop = EventLoop::<usize>::try_new().unwrap();
    let driver = attach(&reactor, &event_loop.handle()).unwrap();
    // It is due in the dispatch with the panic, and comes after it in the batch.
    event_loop
        .handle()
        .insert_source(Timer::immediate(), |_, _, fired| {
            *fired += 1;
            TimeoutAction::Drop
        })
        .unwrap();

    let mut fired = 0;
    event_loop.dispatch(None, &mut fired).unwrap();
    assert_eq!(fired, 1);
    assert!(panicking.get() >= 1);
    let before = watch.get();
    dispatch_until(&mut event_loop, &mut fired, |_| {
        watch.get() > before && panicking.get() > 1
    });
    assert!(driver.is_attached());
}

#[test]
fn c8_the_program_is_told_of_the_turn() {
    let reactor = Reactor::new().unwrap();
    panics_once(&reactor);
    let source = Source::new(&reactor).unwrap();
    let driver = source.driver().clone();
    driver.set_budget(NonZeroU32::MIN);
    let mut event_loop = EventLoop::<usize>::try_new().unwrap();
    event_loop
        .handle()
        .insert_source(source, |(), _, turns| *turns += 1)
        .unwrap();
    let mut turns = 0;
    event_loop.dispatch(None, &mut turns).unwrap();
    assert_eq!(turns, 1);
}

/// Why the panic stays inside: this is what happens to a timer of calloop when a
/// source unwinds before it.
#[test]
fn calloop_loses_due_timers_when_a_source_unwinds() {
    let mut event_loop = EventLoop::<usize>::try_new().unwrap();
    let (ping, pinged) = calloop::ping::make_ping().unwrap();
    ping.ping();
    let handle = event_loop.handle();
    handle
        .insert_source(pinged, |(), _, _| panic_any(Payload))
        .unwrap();
    handle
        .insert_source(Timer::immediate(), |_, _, fired: &mut usize| {
            *fired += 1;
            TimeoutAction::Drop
        })
        .unwrap();
    let mut fired = 0;
    let first = catch_unwind(AssertUnwindSafe(|| event_loop.dispatch(None, &mut fired)));
    assert!(first.is_err());
    for _ in 0..5 {
        event_loop
            .dispatch(Duration::from_millis(5), &mut fired)
            .unwrap();
    }
    assert_eq!(fired, 0);
}
