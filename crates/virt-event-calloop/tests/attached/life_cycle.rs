//! Removing, disabling, dropping, detaching, and somebody else taking over.

use std::cell::Cell;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use calloop::transient::TransientSource;
use calloop::{Dispatcher, EventLoop};
use virt_event::{EventImpl, Period};
use virt_event_calloop::{Reactor, Source, attach, calloop};

use crate::{Count, PATIENCE, dispatch_until, ready_watch, timer, zero_timer};

/// Notes that what owns it was dropped.
struct Dropped(Rc<Cell<bool>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

#[test]
fn after_a_detach_the_source_leaves_the_loop() {
    let reactor = Reactor::new().unwrap();
    let mut event_loop = EventLoop::<()>::try_new().unwrap();
    let source = Source::new(&reactor).unwrap();
    let driver = source.driver().clone();
    let is_gone = Rc::new(Cell::new(false));
    let held = Dropped(Rc::clone(&is_gone));
    event_loop
        .handle()
        .insert_source(source, move |(), _, _| {
            let _ = &held;
        })
        .unwrap();
    event_loop.dispatch(Duration::ZERO, &mut ()).unwrap();
    assert!(!is_gone.get());

    driver.detach();
    // Without limit: the detach wakes it.
    event_loop.dispatch(None, &mut ()).unwrap();
    assert!(is_gone.get(), "calloop still has the source");
    event_loop.dispatch(Duration::ZERO, &mut ()).unwrap();
}

#[test]
fn a_callback_may_detach() {
    let reactor = Reactor::new().unwrap();
    let mut event_loop = EventLoop::<()>::try_new().unwrap();
    let driver = attach(&reactor, &event_loop.handle()).unwrap();
    let count = Count::default();
    let (inside, detached) = (count.clone(), driver.clone());
    let timer = timer(&reactor, Period::EVERY_ITERATION, move || {
        inside.up();
        detached.detach();
    });
    dispatch_until(&mut event_loop, &mut (), |()| !driver.is_attached());
    let calls = count.get();
    for _ in 0..3 {
        event_loop.dispatch(Duration::ZERO, &mut ()).unwrap();
    }
    assert_eq!(count.get(), calls);
    // It holds the driver, which holds the reactor, which holds it.
    reactor.remove_timeout(timer).unwrap();
    let _ = reactor.turn(Some(Duration::ZERO)).unwrap();
}

#[test]
fn l3_the_same_loop_takes_the_next_driver_before_it_lets_go_of_the_first() {
    let reactor = Reactor::new().unwrap();
    let mut event_loop = EventLoop::<()>::try_new().unwrap();
    let count = zero_timer(&reactor);
    for _ in 0..3 {
        let driver = attach(&reactor, &event_loop.handle()).unwrap();
        let before = count.get();
        dispatch_until(&mut event_loop, &mut (), |()| count.get() > before + 3);
        driver.detach();
        // No dispatch in between: the old source is still there.
    }
}

#[test]
fn l3_another_loop_takes_over_when_the_event_loop_is_dropped() {
    let reactor = Reactor::new().unwrap();
    let (_fd, count) = ready_watch(&reactor);
    let mut event_loop = EventLoop::<()>::try_new().unwrap();
    let driver = attach(&reactor, &event_loop.handle()).unwrap();
    dispatch_until(&mut event_loop, &mut (), |()| count.get() > 0);

    drop(event_loop);
    assert!(!driver.is_attached());
    let before = count.get();
    let builtin = virt_event_loop::EventLoop::attach(&reactor).unwrap();
    thread::spawn(move || builtin.run_once(Some(PATIENCE)).unwrap())
        .join()
        .unwrap();
    assert!(count.get() > before);

    // And back, on another thread.
    thread::spawn(move || {
        let mut event_loop = EventLoop::<()>::try_new().unwrap();
        attach(&reactor, &event_loop.handle()).unwrap();
        let before = count.get();
        dispatch_until(&mut event_loop, &mut (), |()| count.get() > before);
    })
    .join()
    .unwrap();
}

#[test]
fn a_removed_source_detaches_and_another_is_inserted() {
    let reactor = Reactor::new().unwrap();
    let count = zero_timer(&reactor);
    let mut event_loop = EventLoop::<()>::try_new().unwrap();
    let handle = event_loop.handle();
    for _ in 0..3 {
        let source = Source::new(&reactor).unwrap();
        let driver = source.driver().clone();
        let token = handle.insert_source(source, |(), _, _| {}).unwrap();
        let before = count.get();
        dispatch_until(&mut event_loop, &mut (), |()| count.get() > before);
        handle.remove(token);
        assert!(!driver.is_attached());
        event_loop.dispatch(Duration::ZERO, &mut ()).unwrap();
    }
}

#[test]
fn the_source_may_remove_itself() {
    let reactor = Reactor::new().unwrap();
    zero_timer(&reactor);
    let mut event_loop = EventLoop::<Option<_>>::try_new().unwrap();
    let handle = event_loop.handle();
    let source = Source::new(&reactor).unwrap();
    let driver = source.driver().clone();
    let inside = handle.clone();
    let mut token = Some(
        handle
            .insert_source(source, move |(), _, token: &mut Option<_>| {
                if let Some(token) = token.take() {
                    inside.remove(token);
                }
            })
            .unwrap(),
    );
    dispatch_until(&mut event_loop, &mut token, |_| !driver.is_attached());
    event_loop.dispatch(Duration::ZERO, &mut token).unwrap();
}

#[test]
fn a_disabled_source_rests_and_loses_nothing() {
    let reactor = Reactor::new().unwrap();
    let (_fd, count) = ready_watch(&reactor);
    let mut event_loop = EventLoop::<()>::try_new().unwrap();
    let handle = event_loop.handle();
    let source = Source::new(&reactor).unwrap();
    let token = handle.insert_source(source, |(), _, _| {}).unwrap();

    handle.disable(&token).unwrap();
    event_loop.dispatch(Duration::ZERO, &mut ()).unwrap();
    assert_eq!(count.get(), 0);

    handle.enable(&token).unwrap();
    event_loop.dispatch(None, &mut ()).unwrap();
    assert_ne!(count.get(), 0);

    handle.update(&token).unwrap();
    let before = count.get();
    event_loop.dispatch(None, &mut ()).unwrap();
    assert!(count.get() > before);

    handle.disable(&token).unwrap();
    handle.remove(token);
    event_loop.dispatch(Duration::ZERO, &mut ()).unwrap();
}

#[test]
fn a_source_in_a_dispatcher_moves_to_another_loop() {
    let reactor = Reactor::new().unwrap();
    let (_fd, count) = ready_watch(&reactor);
    let dispatcher = Dispatcher::new(Source::new(&reactor).unwrap(), |(), _, _: &mut ()| {});
    let driver = dispatcher.as_source_ref().driver().clone();
    for _ in 0..2 {
        let mut event_loop = EventLoop::<()>::try_new().unwrap();
        let handle = event_loop.handle();
        let token = handle.register_dispatcher(dispatcher.clone()).unwrap();
        let before = count.get();
        dispatch_until(&mut event_loop, &mut (), |()| count.get() > before);
        handle.remove(token);
        assert!(driver.is_attached(), "the dispatcher still has the source");
    }
    // Out of it, and into a third one.
    let source = dispatcher.into_source_inner();
    let mut event_loop = EventLoop::<()>::try_new().unwrap();
    event_loop
        .handle()
        .insert_source(source, |(), _, _| {})
        .unwrap();
    let before = count.get();
    dispatch_until(&mut event_loop, &mut (), |()| count.get() > before);
}

#[test]
fn a_source_inside_another_one_works() {
    let reactor = Reactor::new().unwrap();
    let (_fd, count) = ready_watch(&reactor);
    let mut event_loop = EventLoop::<()>::try_new().unwrap();
    let mut wrapped = TransientSource::from(Source::new(&reactor).unwrap());
    let driver = wrapped.map(|source| source.driver().clone()).unwrap();
    event_loop
        .handle()
        .insert_source(wrapped, |(), _, _| {})
        .unwrap();
    dispatch_until(&mut event_loop, &mut (), |()| count.get() > 0);

    driver.detach();
    let before = count.get();
    for _ in 0..3 {
        event_loop.dispatch(Duration::ZERO, &mut ()).unwrap();
    }
    assert_eq!(count.get(), before);
}

#[test]
fn l2_drains_beside_the_loop_and_after_it() {
    let reactor = Reactor::new().unwrap();
    let mut event_loop = EventLoop::<()>::try_new().unwrap();
    let driver = attach(&reactor, &event_loop.handle()).unwrap();
    let timer = timer(&reactor, Period::millis(1), || {});
    let left = driver.drain(Duration::from_millis(5)).unwrap_err();
    assert_eq!(left.left.len(), 1);

    reactor.remove_timeout(timer).unwrap();
    driver.drain(PATIENCE).unwrap();
    event_loop.dispatch(Duration::ZERO, &mut ()).unwrap();

    let start = Instant::now();
    reactor
        .remove_timeout(crate::timer(&reactor, Period::millis(1), || {}))
        .unwrap();
    drop(event_loop);
    driver.drain(PATIENCE).unwrap();
    assert!(start.elapsed() < PATIENCE);
}
