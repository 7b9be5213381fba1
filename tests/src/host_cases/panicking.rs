//! Callbacks that panic (contract C8): the host does what its adapter says, and
//! everything else goes on.

use std::mem;
use std::os::fd::AsRawFd;
use std::panic::{self, AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use virt_event::{EventImpl, HandleCallback, HandleEvents, Period, TimeoutCallback};
use virt_event_conformance::fixtures::{EventFd, eventfd, wait_until};
use virt_event_reactor::Reactor;

use super::bell::Bell;
use super::running::Running;
use super::{Host, HostCase, Panics, host_case};

pub(super) const CASES: &[HostCase] = &[
    host_case!(c08_host_goes_on_after_a_panic, StopsAtPanic, LeavesAtPanic),
    host_case!(
        c08_host_goes_on_after_a_panic_in_a_free,
        StopsAtPanic,
        LeavesAtPanic
    ),
    host_case!(
        c08_host_goes_on_after_a_panic_in_a_timer,
        StopsAtPanic,
        LeavesAtPanic
    ),
];

const ROUNDS: u64 = 200;
/// How many panics a round has, each in an iteration of its own.
const IN_A_ROW: u64 = 3;

/// What the callbacks panic with.
struct OnPurpose;

fn c08_host_goes_on_after_a_panic(host: &'static dyn Host) {
    let (panicking, next) = (Panicking::new(host), eventfd());
    let source = eventfd();
    let callback = HandleCallback::new({
        let (source, next, mut calls) = (source.duplicate(), next.duplicate(), 0);
        move |_, _, _| {
            calls += 1;
            // It stays ready meanwhile: there is no edge.
            if calls % IN_A_ROW == 0 {
                source.take();
                next.kick();
            }
            panic_any(OnPurpose);
        }
    });
    panicking
        .reactor
        .add_handle(source.as_raw_fd(), HandleEvents::READABLE, callback)
        .expect("a watch");
    panicking.rounds(&next, |_| source.kick());
}

fn c08_host_goes_on_after_a_panic_in_a_free(host: &'static dyn Host) {
    /// The first of some that free each other.
    struct Bomb {
        reactor: Weak<Reactor>,
        next: EventFd,
        more: u64,
    }

    impl Bomb {
        fn bury(self, reactor: &Reactor) {
            let callback = TimeoutCallback::with_state(self, |_, _| {});
            let timer = reactor.add_timeout(Period::DISABLED, callback);
            reactor
                .remove_timeout(timer.expect("a timer"))
                .expect("it is live");
        }
    }

    impl Drop for Bomb {
        fn drop(&mut self) {
            if self.more == 0 {
                self.next.kick();
            } else {
                let bomb = Self {
                    reactor: self.reactor.clone(),
                    next: self.next.duplicate(),
                    more: self.more - 1,
                };
                bomb.bury(&self.reactor.upgrade().expect("a reactor that is driven"));
            }
            panic_any(OnPurpose);
        }
    }

    let (panicking, next) = (Panicking::new(host), eventfd());
    let weak = Arc::downgrade(&panicking.reactor);
    panicking.rounds(&next, |reactor| {
        let bomb = Bomb {
            reactor: weak.clone(),
            next: next.duplicate(),
            more: IN_A_ROW - 1,
        };
        bomb.bury(reactor);
    });
}

fn c08_host_goes_on_after_a_panic_in_a_timer(host: &'static dyn Host) {
    let (panicking, next) = (Panicking::new(host), eventfd());
    let callback = TimeoutCallback::new({
        let (reactor, next) = (Arc::downgrade(&panicking.reactor), next.duplicate());
        let mut calls = 0;
        move |timer| {
            calls += 1;
            if calls % IN_A_ROW == 0 {
                let reactor = reactor.upgrade().expect("a reactor that is driven");
                reactor.update_timeout(timer, Period::DISABLED);
                next.kick();
            }
            panic_any(OnPurpose);
        }
    });
    let timer = panicking.reactor.add_timeout(Period::DISABLED, callback);
    let timer = timer.expect("a timer");
    panicking.rounds(&next, |reactor| {
        reactor.update_timeout(timer, Period::EVERY_ITERATION);
    });
}

/// A host that is called back into when a panic comes out of it.
struct Panicking {
    host: &'static dyn Host,
    reactor: Arc<Reactor>,
    running: Running,
    /// Rung for each panic that came out.
    came_out: Arc<Bell>,
}

impl Panicking {
    fn new(host: &'static dyn Host) -> Self {
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !info.payload().is::<OnPurpose>() {
                hook(info);
            }
        }));
        let reactor = Reactor::new().expect("a reactor");
        let came_out = Arc::new(Bell::default());
        let (driven, bell) = (Arc::clone(&reactor), Arc::clone(&came_out));
        let (running, ()) = Running::spawn(move || {
            let mut host_loop = host.attach(&driven).expect("a driver");
            let stop = host_loop.stopper();
            let body = move || {
                while let Err(panic) = catch_unwind(AssertUnwindSafe(|| {
                    host_loop
                        .run()
                        .expect("a loop that runs until it is stopped");
                })) {
                    assert!(panic.is::<OnPurpose>(), "the host itself panicked");
                    mem::forget(panic);
                    bell.ring();
                }
            };
            (stop, (), body)
        });
        Self {
            host,
            reactor,
            running,
            came_out,
        }
    }

    /// In each round something panics after it has made `next` ready, which
    /// must be noticed.
    fn rounds(self, next: &EventFd, mut provoke: impl FnMut(&Reactor)) {
        let noticed = Arc::new(Bell::default());
        let callback = HandleCallback::new({
            let (next, noticed) = (next.duplicate(), Arc::clone(&noticed));
            move |_, _, _| {
                next.take();
                noticed.ring();
            }
        });
        self.reactor
            .add_handle(next.as_raw_fd(), HandleEvents::READABLE, callback)
            .expect("a watch");
        let healthy = Arc::new(AtomicBool::new(false));
        for round in 1..=ROUNDS {
            provoke(&self.reactor);
            noticed.wait_for(round, "what got ready before a panic");
            if self.host.panics() == Panics::ComeOut {
                self.came_out
                    .wait_for(round * IN_A_ROW, "a panic out of the loop");
            }
        }
        assert_eq!(noticed.rung(), ROUNDS);
        let ticks = Arc::clone(&healthy);
        let callback = TimeoutCallback::new(move |_| ticks.store(true, Ordering::Release));
        self.reactor
            .add_timeout(Period::millis(1), callback)
            .expect("a timer");
        wait_until("a timer", || healthy.load(Ordering::Acquire));
        self.running.stop();
        let came_out = match self.host.panics() {
            Panics::ComeOut => ROUNDS * IN_A_ROW,
            Panics::AreCaught => 0,
        };
        assert_eq!(self.came_out.rung(), came_out, "panics out of the loop");
    }
}
