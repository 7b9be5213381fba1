//! No wake-up is lost, although mio tells each change once.

use std::os::fd::AsRawFd;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use mio::Token;
use virt_event::{EventImpl, HandleCallback, HandleEvents, Period, WatchId};
use virt_event_mio::{Reactor, TurnError, attach, mio};

use crate::{Count, Host, LIBVIRT, PATIENCE, readable, ready_watch, timer, zero_timer};

#[test]
fn a_bounded_dispatch_has_the_token_fire_again() {
    let reactor = Reactor::new().unwrap();
    let mut host = Host::new();
    let (source, driver) = attach(&reactor, host.poll.registry(), LIBVIRT).unwrap();
    for budget in [1_u32, 2, 5] {
        driver.set_budget(budget.try_into().unwrap());
        let (fd, watch, count) = ready_watch(&reactor);
        for turns in 1..50 {
            host.turn(&source);
            assert_eq!(count.get(), turns * budget as usize);
        }
        reactor.remove_handle(watch).unwrap();
        host.settle(&source);
        drop(fd);
    }
}

#[test]
fn h1_a_level_that_stays_is_served_beside_other_sources() {
    let reactor = Reactor::new().unwrap();
    let mut host = Host::new();
    let (source, _driver) = attach(&reactor, host.poll.registry(), LIBVIRT).unwrap();
    let zero = zero_timer(&reactor);
    let (_fd, _, watch) = ready_watch(&reactor);
    let late = Count::default();
    let inside = late.clone();
    timer(&reactor, Period::millis(1), move || inside.up());

    const OWN: Token = Token(1);
    let own = mio::Waker::new(host.poll.registry(), OWN).unwrap();
    own.wake().unwrap();
    let mut own_events = 0;
    let end = Instant::now() + PATIENCE;
    while [zero.get(), watch.get(), own_events]
        .iter()
        .any(|&n| n < 200)
        || late.get() < 3
    {
        assert!(Instant::now() < end, "somebody starves");
        for token in host.fired(PATIENCE) {
            if token == OWN {
                own_events += 1;
                own.wake().unwrap();
            } else {
                source.dispatch().unwrap();
            }
        }
    }
}

/// Several threads, each of which enables a watch that disables itself when it
/// is called, again and again: each enabling must wake the poll.
fn toggle(budget: u32) {
    const THREADS: usize = 3;
    const ROUNDS: usize = 3000;

    let reactor = Reactor::new().unwrap();
    let mut host = Host::new();
    let (source, driver) = attach(&reactor, host.poll.registry(), LIBVIRT).unwrap();
    driver.set_budget(budget.try_into().unwrap());
    let done = Count::default();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            let (reactor, done, waker) = (&reactor, done.clone(), driver.clone());
            scope.spawn(move || {
                let fd = readable();
                let (sender, called) = mpsc::channel();
                let itself = reactor.clone();
                let park = move |watch: WatchId, _, _| {
                    itself.update_handle(watch, HandleEvents::empty());
                    sender.send(()).unwrap();
                };
                let watch = reactor
                    .add_handle(
                        fd.as_raw_fd(),
                        HandleEvents::empty(),
                        HandleCallback::new(park),
                    )
                    .unwrap();
                for _ in 0..ROUNDS {
                    reactor.update_handle(watch, HandleEvents::READABLE);
                    called.recv_timeout(PATIENCE).expect("a wake-up was lost");
                }
                reactor.remove_handle(watch).unwrap();
                done.up();
                waker.wake();
            });
        }
        host.turn_until(&source, || done.get() == THREADS);
    });
    driver.drain(PATIENCE).unwrap();
}

#[test]
fn x1_a_change_of_interest_on_another_thread_is_never_lost() {
    toggle(virt_event_reactor::DEFAULT_BUDGET.get());
}

#[test]
fn x1_a_change_of_interest_is_never_lost_at_a_budget_of_one() {
    toggle(1);
}

#[test]
fn x1_everything_else_on_another_thread_wakes_the_poll() {
    let reactor = Reactor::new().unwrap();
    let mut host = Host::new();
    let (source, driver) = attach(&reactor, host.poll.registry(), LIBVIRT).unwrap();
    let done = Count::default();
    let elsewhere = thread::spawn({
        let done = done.clone();
        move || {
            for _ in 0..500 {
                // A deadline that comes earlier, and a free.
                let (sender, fired) = mpsc::channel();
                let timer = timer(&reactor, Period::millis(1), move || {
                    let _ = sender.send(());
                });
                fired.recv_timeout(PATIENCE).expect("a wake-up was lost");
                reactor.remove_timeout(timer).unwrap();
                let freed = || matches!(fired.try_recv(), Err(mpsc::TryRecvError::Disconnected));
                let end = Instant::now() + PATIENCE;
                while !freed() {
                    assert!(Instant::now() < end, "a wake-up was lost");
                    thread::yield_now();
                }
            }
            done.up();
            driver.wake();
        }
    });
    host.turn_until(&source, || done.get() > 0);
    elsewhere.join().unwrap();
}

#[test]
fn l1_a_wake_fires_the_token_once() {
    let reactor = Reactor::new().unwrap();
    let mut host = Host::new();
    let (source, driver) = attach(&reactor, host.poll.registry(), LIBVIRT).unwrap();
    for _ in 0..100 {
        driver.wake();
        host.turn(&source);
        host.settle(&source);
    }
}

#[test]
fn c7_a_callback_dispatches() {
    let reactor = Reactor::new().unwrap();
    let mut host = Host::new();
    let (source, driver) = attach(&reactor, host.poll.registry(), LIBVIRT).unwrap();
    let source = std::sync::Arc::new(source);
    let others = zero_timer(&reactor);
    let nested = Count::default();
    let (outer, inner, inside) = (nested.clone(), others.clone(), source.clone());
    let fd = readable();
    let watch = reactor
        .add_handle(
            fd.as_raw_fd(),
            HandleEvents::READABLE,
            HandleCallback::new(move |_, _, _| {
                let before = inner.get();
                let end = Instant::now() + PATIENCE;
                while inner.get() == before && Instant::now() < end {
                    inside.dispatch().unwrap();
                }
                assert_ne!(inner.get(), before);
                outer.up();
            }),
        )
        .unwrap();
    host.turn_until(&source, || nested.get() >= 100);
    reactor.remove_handle(watch).unwrap();
    // The callback holds the source, and the source the reactor.
    driver.detach();
    let _ = driver.reactor().turn(Some(Duration::ZERO)).unwrap();
}

#[test]
fn busy_on_another_thread_loses_no_edge() {
    let reactor = Reactor::new().unwrap();
    let mut host = Host::new();
    let (source, _driver) = attach(&reactor, host.poll.registry(), LIBVIRT).unwrap();
    let (entered, has_entered) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let mut first = true;
    let fd = readable();
    let callback = HandleCallback::new(move |_, _, _| {
        if std::mem::take(&mut first) {
            entered.send(()).unwrap();
            released.recv_timeout(PATIENCE).unwrap();
        }
    });
    reactor
        .add_handle(fd.as_raw_fd(), HandleEvents::READABLE, callback)
        .unwrap();
    thread::scope(|scope| {
        scope.spawn(|| source.dispatch().unwrap());
        has_entered.recv_timeout(PATIENCE).unwrap();
        for _ in 0..3 {
            assert!(host.fired(PATIENCE).contains(&LIBVIRT));
            assert!(matches!(source.dispatch(), Err(TurnError::Busy)));
        }
        release.send(()).unwrap();
    });
    host.turn(&source);
}

#[test]
fn a_drain_on_another_thread_loses_no_edge() {
    let reactor = Reactor::new().unwrap();
    let mut host = Host::new();
    let (source, driver) = attach(&reactor, host.poll.registry(), LIBVIRT).unwrap();
    let count = Count::default();
    let inside = count.clone();
    let timer = timer(&reactor, Period::millis(1), move || inside.up());
    thread::scope(|scope| {
        scope.spawn(|| driver.drain(Duration::from_millis(200)).unwrap_err());
        host.turn_until(&source, || count.get() >= 100);
    });
    // It still goes by itself.
    let before = count.get();
    host.turn_until(&source, || count.get() >= before + 3);
    reactor.remove_timeout(timer).unwrap();
}

#[test]
fn dispatching_without_an_event_does_no_harm() {
    let reactor = Reactor::new().unwrap();
    let mut host = Host::new();
    let (source, _driver) = attach(&reactor, host.poll.registry(), LIBVIRT).unwrap();
    let (_fd, watch, count) = ready_watch(&reactor);
    source.dispatch().unwrap();
    source.dispatch().unwrap();
    reactor.update_handle(watch, HandleEvents::empty());
    host.settle(&source);
    let before = count.get();
    source.dispatch().unwrap();
    assert_eq!(count.get(), before);
    reactor.update_handle(watch, HandleEvents::READABLE);
    host.turn(&source);
    assert!(count.get() > before);
}
