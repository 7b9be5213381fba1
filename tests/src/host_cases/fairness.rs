//! The reactor and the program's own sources both have their turn. How much of
//! it is for the benchmark; here it is that neither starves.

use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use virt_event::{EventImpl, HandleCallback, HandleEvents, Period, TimeoutCallback};
use virt_event_conformance::fixtures::{eventfd, patience};
use virt_event_reactor::Reactor;

use super::running::Running;
use super::{Host, HostCase, Own, host_case};

pub(super) const CASES: &[HostCase] = &[host_case!(
    t04_host_and_reactor_both_have_their_turn,
    TurnsOn,
    OwnFirst
)];

/// How often each has to be served.
const OFTEN: u64 = 2_000;
/// The same for what is ready once in a millisecond.
const PACED: u64 = 30;
/// How often one may be served for each time that another is, neither waiting
/// for anything.
const LOPSIDED: u64 = 1_000;

fn t04_host_and_reactor_both_have_their_turn(host: &'static dyn Host) {
    let reactor = Reactor::new().expect("a reactor");
    let driven = Arc::clone(&reactor);
    let (running, own) = Running::program(host, move |program| {
        drop(program.attach(&driven).expect("a driver"));
        program.add_sources(&driven)
    });
    assert!(own.iter().any(|own| !own.paced), "nothing to compete with");
    let all: Vec<Own> = own.into_iter().chain(always_ready(&reactor)).collect();

    let enough = |own: &Own| {
        let served = own.served.load(Ordering::Relaxed);
        served >= if own.paced { PACED } else { OFTEN }
    };
    let counts = |own: &Own| (own.what, own.served.load(Ordering::Relaxed));
    let began = Instant::now();
    while !all.iter().all(enough) {
        let served: Vec<_> = all.iter().map(counts).collect();
        assert!(began.elapsed() < patience(), "somebody starves: {served:?}");
        thread::sleep(Duration::from_millis(1));
    }
    let served: Vec<_> = all.iter().filter(|own| !own.paced).map(counts).collect();
    for (what, count) in &served {
        for (other, others) in &served {
            assert!(
                count * LOPSIDED >= *others,
                "{what} was served {count} times, and {other} {others} times"
            );
        }
    }
    running.stop();
}

/// What libvirt may have: a descriptor that is always ready, and a zero timer.
fn always_ready(reactor: &Reactor) -> [Own; 2] {
    let watch = Own::always_ready("libvirt's watch");
    let timer = Own::always_ready("libvirt's zero timer");
    let source = eventfd();
    source.kick();
    let (fd, own) = (source.as_raw_fd(), watch.clone());
    let callback = HandleCallback::with_state(source, move |_, _, _, _| own.serve());
    reactor
        .add_handle(fd, HandleEvents::READABLE, callback)
        .expect("a watch");
    let own = timer.clone();
    let callback = TimeoutCallback::new(move |_| own.serve());
    reactor
        .add_timeout(Period::EVERY_ITERATION, callback)
        .expect("a timer");
    [watch, timer]
}
