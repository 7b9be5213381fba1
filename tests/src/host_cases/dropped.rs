//! The host loop is dropped while everything is alive (contract R3).

use std::os::fd::AsRawFd;
use std::sync::{Arc, mpsc};

use virt_event::{EventImpl, HandleEvents, Period};
use virt_event_conformance::fixtures::{eventfd, patience};
use virt_event_examples::host_loop::LoopKind;
use virt_event_reactor::Reactor;

use super::bell::Bell;
use super::connection::Connection;
use super::running::Running;
use super::tally::Tally;
use super::{Host, HostCase, host_case};

pub(super) const CASES: &[HostCase] = &[host_case!(r03_host_dropped_first, Leaks, FreesOnDrop)];

fn r03_host_dropped_first(host: &'static dyn Host) {
    let reactor =
        virt_event_libvirt::installed_or_install(Reactor::new).expect("libvirt has no loop yet");
    let (tally, calls) = (Tally::default(), Arc::new(Bell::default()));
    let source = eventfd();
    source.kick();
    let add_watch = |interest| {
        let callback = tally.handle({
            let (calls, source, mut first) = (Arc::clone(&calls), source.duplicate(), true);
            move || {
                source.take();
                if first {
                    calls.ring();
                }
                first = false;
            }
        });
        reactor
            .add_handle(source.as_raw_fd(), interest, callback)
            .expect("a watch")
    };
    let add_timer = |period| {
        let callback = tally.timeout(|| {});
        reactor.add_timeout(period, callback).expect("a timer")
    };

    // It has ended its run, and is held before its drop.
    let (go_on, held) = mpsc::channel::<()>();
    let first = Running::start_and_then(host, &reactor, move |_| {
        let _ = held.recv();
    });
    let mut connection = Connection::open();
    let watch = add_watch(HandleEvents::READABLE);
    let timer = add_timer(Period::millis(1));
    calls.wait_for(1, "a call");
    connection.provoke();
    connection.wait();
    first.stop_soon();
    let left = add_watch(HandleEvents::empty());
    let idle = add_timer(Period::DISABLED);
    first.wait_until_asleep();

    // This is to be freed, by whoever drives next.
    reactor.remove_handle(watch).expect("it is live");
    reactor.remove_timeout(timer).expect("it is live");
    connection.provoke();
    let freed = tally.freed();
    let thread = first.thread_id();
    drop(go_on);
    first.join();
    assert_eq!(tally.freed(), freed, "freed when the host loop was dropped");
    assert_eq!(tally.freed_by(thread), 0, "freed on the host's thread");

    // Nobody drives. Adds go on working, and wait.
    source.kick();
    let added = add_watch(HandleEvents::READABLE);
    let zero = add_timer(Period::EVERY_ITERATION);
    assert_eq!(calls.rung(), 1, "called without a driver");

    for kind in LoopKind::ALL {
        let next = Running::start(kind, &reactor);
        calls.wait_for(2, "a call");
        tally.wait_for_frees(2);
        connection.provoke();
        connection.wait();
        next.stop();
    }

    reactor.remove_handle(left).expect("it is live");
    reactor.remove_timeout(idle).expect("it is live");
    reactor.remove_handle(added).expect("it is live");
    reactor.remove_timeout(zero).expect("it is live");
    drop(connection);
    let frees = tally.freed();
    reactor.drain(patience()).expect("nothing is left behind");
    assert_eq!(tally.freed(), frees + 4, "the drain frees the rest");
    assert_eq!(tally.freed_by(thread), 0, "freed on the host's thread");
    tally.wait_for_frees(6);
}
