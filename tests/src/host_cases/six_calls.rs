//! The six calls, from threads that know nothing of the host (contract X1).

use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::thread;

use virt_event::{EventImpl, HandleEvents, Period};
use virt_event_conformance::fixtures::eventfd;
use virt_event_examples::host_loop::LoopKind;
use virt_event_reactor::Reactor;

use super::bell::Bell;
use super::running::Running;
use super::tally::Tally;
use super::{Host, HostCase, host_case};

pub(super) const CASES: &[HostCase] = &[host_case!(x01_six_calls_from_strangers, Polls)];

const THREADS: usize = 4;
/// How often each calls all six while the loop has enough to do.
const ROUNDS: usize = 100;
/// How often each does while it sleeps.
const ASLEEP: usize = 25;

fn x01_six_calls_from_strangers(host: &'static dyn Host) {
    let reactor = Reactor::new().expect("a reactor");
    let tally = Tally::default();
    let running = Running::start(host, &reactor);
    let thread = running.thread_id();

    for _ in 0..ASLEEP {
        for _ in 0..THREADS {
            running.wait_until_asleep();
            strangers(1, || all_six_served(&reactor, &tally));
        }
    }
    strangers(THREADS, || {
        for _ in 0..ROUNDS {
            all_six_served(&reactor, &tally);
        }
    });
    // All at once, and nobody waits for anything but the end.
    strangers(THREADS, || {
        for _ in 0..ROUNDS {
            all_six(&reactor, &tally, &Arc::default(), &Arc::default());
        }
    });
    tally.wait_for_all(&[thread]);
    running.stop();

    strangers(THREADS, || {
        for _ in 0..ROUNDS {
            all_six(&reactor, &tally, &Arc::default(), &Arc::default());
        }
    });
    assert_eq!(tally.freed_by(thread), 0, "freed by a loop that has ended");
    let next = Running::start(&LoopKind::Builtin, &reactor);
    tally.wait_for_all(&[next.thread_id()]);
    next.stop();
    let stats = reactor.stats();
    assert_eq!(
        (stats.watches, stats.timers, stats.pending_frees),
        (0, 0, 0)
    );
}

/// Runs it on new threads, all at once, to its end.
fn strangers(threads: usize, act: impl Fn() + Sync) {
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(&act);
        }
    });
}

/// Each of the six calls once, without waiting for what comes of it.
fn all_six(reactor: &Reactor, tally: &Tally, called: &Arc<Bell>, ticked: &Arc<Bell>) {
    add_and(reactor, tally, called, ticked, || {});
}

/// Each of the six calls once, and waits for what comes of it.
fn all_six_served(reactor: &Reactor, tally: &Tally) {
    let (called, ticked) = (Arc::<Bell>::default(), Arc::<Bell>::default());
    let freed = Tally::default();
    add_and(reactor, tally, &called, &ticked, || {
        called.wait_for(1, "a call of a watch");
        ticked.wait_for(1, "a call of a timer");
    });
    // Another one, whose free nobody's call announces.
    let callback = freed.timeout(|| {});
    let timer = reactor.add_timeout(Period::DISABLED, callback);
    let timer = timer.expect("a timer");
    reactor.remove_timeout(timer).expect("it is live");
    freed.wait_for_frees(1);
}

fn add_and(
    reactor: &Reactor,
    tally: &Tally,
    called: &Arc<Bell>,
    ticked: &Arc<Bell>,
    served: impl FnOnce(),
) {
    let source = eventfd();
    source.kick();
    let fd = source.as_raw_fd();
    let bell = Arc::clone(called);
    let callback = tally.handle(move || {
        source.take();
        bell.ring();
    });
    let watch = reactor.add_handle(fd, HandleEvents::empty(), callback);
    let watch = watch.expect("a watch");
    let bell = Arc::clone(ticked);
    let callback = tally.timeout(move || bell.ring());
    let timer = reactor.add_timeout(Period::DISABLED, callback);
    let timer = timer.expect("a timer");
    reactor.update_handle(watch, HandleEvents::READABLE);
    reactor.update_timeout(timer, Period::EVERY_ITERATION);
    served();
    reactor.remove_handle(watch).expect("it is live");
    reactor.remove_timeout(timer).expect("it is live");
}
