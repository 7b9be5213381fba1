//! Drains beside a host that runs, and after it (contract L2).

use std::os::fd::AsRawFd;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use rustix::thread::gettid;
use virt_event::{EventImpl, HandleCallback, HandleEvents, Period};
use virt_event_conformance::fixtures::{eventfd, patience};
use virt_event_reactor::Reactor;

use super::bell::Bell;
use super::running::{Running, cpu_time};
use super::tally::Tally;
use super::{Host, HostCase, host_case};

pub(super) const CASES: &[HostCase] = &[
    host_case!(l02_drain_beside_a_host, Spins, LeavesWhenTurnedAway),
    host_case!(l02_drain_after_the_host, DrainsNothing),
];

/// How much of a processor the observer takes, to compare the host with: on a
/// loaded machine, too, one that never rests gets about as much.
const BUSY: Duration = Duration::from_millis(150);

/// A callback that blocks in a drain keeps the host from turning, but not the
/// processor busy; and the host goes on afterwards.
fn l02_drain_beside_a_host(host: &'static dyn Host) {
    let reactor = Reactor::new().expect("a reactor");
    let (source, other) = (eventfd(), eventfd());
    let (open, closed) = mpsc::channel::<()>();
    let blocked = Arc::new(Bell::default());
    let callback = HandleCallback::new({
        let (source, blocked) = (source.duplicate(), blocked.clone());
        move |_, _, _| {
            blocked.ring();
            // Until the observation is over.
            let _ = closed.recv();
            source.take();
        }
    });
    let watch = reactor
        .add_handle(source.as_raw_fd(), HandleEvents::READABLE, callback)
        .expect("a watch");
    let served = Arc::new(Bell::default());
    let callback = HandleCallback::new({
        let (other, served) = (other.duplicate(), served.clone());
        move |_, _, _| {
            other.take();
            served.ring();
        }
    });
    let second = reactor
        .add_handle(other.as_raw_fd(), HandleEvents::READABLE, callback)
        .expect("a watch");

    // It has the reactor for itself, so it is the one that calls.
    let drained = drain_elsewhere(&reactor);
    source.kick();
    blocked.wait_for(1, "a call in the drain");
    let running = Running::start(host, &reactor);
    // For the host there is something to do, if it only could.
    other.kick();
    let (before, own) = (running.cpu_time(), busy_for(BUSY));
    let cpu = running.cpu_time() - before;
    assert_eq!(served.rung(), 0, "called while another callback runs");
    assert!(
        cpu < own / 2,
        "the host took {cpu:?} while a drain's callback blocked, and who never rests {own:?}"
    );
    drop(open);
    served.wait_for(1, "a call");
    reactor.remove_handle(watch).expect("it is live");
    reactor.remove_handle(second).expect("it is live");
    drained.join().expect("a drain that succeeds");

    let tally = Tally::default();
    for round in 1..=50 {
        let called = Arc::new(Bell::default());
        let bell = Arc::clone(&called);
        let callback = tally.handle(move || bell.ring());
        source.kick();
        let watch = reactor
            .add_handle(source.as_raw_fd(), HandleEvents::READABLE, callback)
            .expect("a watch");
        let drained = drain_elsewhere(&reactor);
        called.wait_for(2, "a call");
        reactor.remove_handle(watch).expect("it is live");
        drained.join().expect("a drain that succeeds");
        assert_eq!(tally.freed(), 2 * round - 1, "what was drained");
        source.take();
        // Nobody is left but the host.
        running.wait_until_asleep();
        let callback = tally.timeout(|| {});
        let timer = reactor.add_timeout(Period::DISABLED, callback);
        reactor
            .remove_timeout(timer.expect("a timer"))
            .expect("it is live");
        tally.wait_for_frees(2 * round);
    }
    assert!(
        tally.freed_by(running.thread_id()) >= 50,
        "nobody but the host was there"
    );
    running.stop();
}

fn l02_drain_after_the_host(host: &'static dyn Host) {
    let reactor = Reactor::new().expect("a reactor");
    let tally = Tally::default();
    let source = eventfd();
    let add = |interest| {
        let callback = tally.handle(|| {});
        reactor
            .add_handle(source.as_raw_fd(), interest, callback)
            .expect("a watch")
    };
    let (early, late) = (add(HandleEvents::empty()), add(HandleEvents::READABLE));
    let (sender, reports) = mpsc::channel();
    let running = Running::start_and_then(host, &reactor, move |host_loop| {
        let left = host_loop.drain(Duration::from_millis(20));
        sender
            .send(left.map_err(|left| left.left.len()))
            .expect("the case waits");
        let left = host_loop.drain(patience());
        sender
            .send(left.map_err(|left| left.left.len()))
            .expect("the case waits");
    });
    running.wait_until_asleep();
    running.stop_soon();
    let first = reports.recv().expect("a drain");
    assert_eq!(first, Err(2), "two watches are left");
    reactor.remove_handle(early).expect("it is live");
    tally.wait_for_frees(1);
    assert!(reports.try_recv().is_err(), "one watch is left");
    reactor.remove_handle(late).expect("it is live");
    assert_eq!(reports.recv().expect("a drain"), Ok(()));
    assert_eq!(tally.freed(), 2);
    running.join();
}

/// Keeps a processor busy until it has had this much of one, and returns how
/// much it was.
fn busy_for(time: Duration) -> Duration {
    let before = cpu_time(gettid());
    loop {
        let had = cpu_time(gettid()) - before;
        if had >= time {
            return had;
        }
    }
}

fn drain_elsewhere(reactor: &Arc<Reactor>) -> thread::JoinHandle<()> {
    let reactor = Arc::clone(reactor);
    thread::spawn(move || reactor.drain(patience()).expect("nothing is left"))
}
