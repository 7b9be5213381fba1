//! Detaching, dropping, draining, and somebody else taking over.

use std::thread;
use std::time::Duration;

use virt_event::{EventImpl, Period};
use virt_event_mio::{AttachError, Reactor, TurnError, attach};

use crate::{Count, Host, LIBVIRT, PATIENCE, ready_watch, timer, zero_timer};

#[test]
fn a_detach_fires_the_token_and_dispatch_says_so() {
    let reactor = Reactor::new().unwrap();
    let mut host = Host::new();
    let (mut source, driver) = attach(&reactor, host.poll.registry(), LIBVIRT).unwrap();
    let elsewhere = thread::spawn(move || driver.detach());
    assert_eq!(host.fired(PATIENCE), [LIBVIRT]);
    assert!(matches!(source.dispatch(), Err(TurnError::Detached)));
    elsewhere.join().unwrap();

    host.poll.registry().deregister(&mut source).unwrap();
    let _count = zero_timer(&reactor);
    assert_eq!(host.fired(Duration::ZERO), []);
}

#[test]
fn a_callback_may_detach() {
    let reactor = Reactor::new().unwrap();
    let mut host = Host::new();
    let (source, driver) = attach(&reactor, host.poll.registry(), LIBVIRT).unwrap();
    let count = Count::default();
    let (inside, detached) = (count.clone(), driver.clone());
    let timer = timer(&reactor, Period::EVERY_ITERATION, move || {
        inside.up();
        detached.detach();
    });
    host.turn(&source);
    assert!(!driver.is_attached());
    let calls = count.get();
    assert!(matches!(source.dispatch(), Err(TurnError::Detached)));
    assert_eq!(count.get(), calls);
    // It holds the driver, which holds the reactor, which holds it.
    reactor.remove_timeout(timer).unwrap();
    let _ = reactor.turn(Some(Duration::ZERO)).unwrap();
}

#[test]
fn l3_the_same_poll_takes_the_next_driver_before_it_lets_go_of_the_first() {
    let reactor = Reactor::new().unwrap();
    let (_fd, _, count) = ready_watch(&reactor);
    let mut host = Host::new();
    let mut old = Vec::new();
    for _ in 0..3 {
        let (source, driver) = attach(&reactor, host.poll.registry(), LIBVIRT).unwrap();
        let before = count.get();
        host.turn_until(&source, || count.get() >= before + 10);
        driver.detach();
        old.push(source);
    }
    let (source, _driver) = attach(&reactor, host.poll.registry(), LIBVIRT).unwrap();
    drop(old);
    let before = count.get();
    host.turn_until(&source, || count.get() >= before + 10);
}

#[test]
fn a_dropped_source_leaves_nothing_in_the_poll() {
    let reactor = Reactor::new().unwrap();
    let (_fd, _, count) = ready_watch(&reactor);
    let mut host = Host::new();
    let (source, driver) = attach(&reactor, host.poll.registry(), LIBVIRT).unwrap();
    host.turn_until(&source, || count.get() >= 10);
    drop(source);
    assert!(!driver.is_attached());
    assert_eq!(host.fired(Duration::ZERO), []);
    driver.wake();
    assert_eq!(host.fired(Duration::ZERO), []);
}

#[test]
fn l3_another_loop_takes_over_and_back() {
    let reactor = Reactor::new().unwrap();
    let (_fd, _, count) = ready_watch(&reactor);
    let mut host = Host::new();
    let (source, driver) = attach(&reactor, host.poll.registry(), LIBVIRT).unwrap();
    assert!(virt_event_loop::EventLoop::attach(&reactor).is_err());
    assert!(matches!(
        attach(&reactor, host.poll.registry(), LIBVIRT),
        Err(AttachError::Reactor(
            virt_event_reactor::AttachError::AlreadyAttached
        ))
    ));
    host.turn_until(&source, || count.get() > 0);
    driver.detach();

    let builtin = virt_event_loop::EventLoop::attach(&reactor).unwrap();
    let before = count.get();
    thread::spawn(move || builtin.run_once(Some(PATIENCE)).unwrap())
        .join()
        .unwrap();
    assert!(count.get() > before);

    let mut host = Host::new();
    let (source, _driver) = attach(&reactor, host.poll.registry(), LIBVIRT).unwrap();
    let before = count.get();
    host.turn_until(&source, || count.get() >= before + 10);
}

#[test]
fn l2_drains_beside_the_poll_and_after_it() {
    let reactor = Reactor::new().unwrap();
    let host = Host::new();
    let (source, driver) = attach(&reactor, host.poll.registry(), LIBVIRT).unwrap();
    let first = timer(&reactor, Period::millis(1), || {});
    let left = driver.drain(Duration::from_millis(5)).unwrap_err();
    assert_eq!(left.left.len(), 1);
    reactor.remove_timeout(first).unwrap();
    driver.drain(PATIENCE).unwrap();

    let second = timer(&reactor, Period::millis(1), || {});
    drop((source, host));
    reactor.remove_timeout(second).unwrap();
    driver.drain(PATIENCE).unwrap();
}
