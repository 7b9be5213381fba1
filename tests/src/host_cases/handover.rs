//! One host after the other (contract L3), with libvirt in it.

use std::os::fd::AsRawFd;
use std::sync::{Arc, mpsc};

use virt_event::{
    EventImpl, HandleCallback, HandleEvents, Period, TimeoutCallback, TimerId, WatchId,
};
use virt_event_conformance::fixtures::{EventFd, eventfd, patience};
use virt_event_reactor::Reactor;

use super::bell::Bell;
use super::connection::Connection;
use super::running::Running;
use super::{Detach, Host, HostCase, host_case, hosts};

pub(super) const CASES: &[HostCase] = &[
    host_case!(l03_host_detached_and_each_other_attached, MissesFirst),
    host_case!(l03_host_dropped_and_each_other_attached, MissesFirst, Leaks),
    host_case!(l03_host_attached_again_before_it_ran, MissesFirst, KeepsOld),
    host_case!(l03_host_attached_again_after_it_ran, MissesFirst),
];

/// Hands the reactor from `host` to each other and back, each on a thread of
/// its own. The one before goes on, without a driver, until the next drives.
fn l03_host_detached_and_each_other_attached(host: &'static dyn Host) {
    let mut traffic = Traffic::new();
    let mut before: Option<Running> = None;
    for next in hosts().flat_map(|other| [host, other]) {
        traffic.pile_up();
        let (running, detach) = program(next, &traffic.reactor);
        traffic.flows();
        if let Some(before) = before {
            before.stop();
            traffic.flows();
        }
        running.wait_until_asleep();
        detach();
        before = Some(running);
    }
    before.expect("there are hosts").stop();
    traffic.ends();
}

/// As above, but each is gone before the next comes.
fn l03_host_dropped_and_each_other_attached(host: &'static dyn Host) {
    let mut traffic = Traffic::new();
    for next in hosts().flat_map(|other| [host, other]) {
        traffic.pile_up();
        let running = Running::start(next, &traffic.reactor);
        traffic.flows();
        running.stop();
    }
    traffic.ends();
}

/// On the very loop that it was on, which did not run in between and so has not
/// noticed.
fn l03_host_attached_again_before_it_ran(host: &'static dyn Host) {
    let mut traffic = Traffic::new();
    traffic.pile_up();
    let driven = Arc::clone(&traffic.reactor);
    let (running, _) = Running::program(host, move |program| {
        for _ in 0..3 {
            program.attach(&driven).expect("a driver")();
        }
        program.attach(&driven).expect("a driver")
    });
    traffic.flows();
    running.stop();
    traffic.ends();
}

/// On the very loop that it was on, which has run in between, or slept.
fn l03_host_attached_again_after_it_ran(host: &'static dyn Host) {
    let mut traffic = Traffic::new();
    let driven = Arc::clone(&traffic.reactor);
    let (running, controls) = Running::spawn(move || {
        let mut program = host.program();
        let detach = program.attach(&driven).expect("a driver");
        let first_stop = program.stopper();
        let detached = Arc::new(Bell::default());
        let again = Arc::clone(&detached);
        let (sender, receiver) = mpsc::channel();
        let body = move || {
            program.run().expect("a loop that runs until it is stopped");
            again.wait_for(1, "the detach");
            let _detach = program.attach(&driven).expect("a driver");
            sender.send(program.stopper()).expect("the case waits");
            program.run().expect("a loop that runs until it is stopped");
        };
        (first_stop, (detach, detached, receiver), body)
    });
    let (detach, detached, second_stop) = controls;
    traffic.flows();
    running.wait_until_asleep();
    detach();
    running.stop_soon();
    traffic.pile_up();
    detached.ring();
    let second_stop = second_stop.recv().expect("the loop goes on");
    traffic.flows();
    second_stop();
    running.join();
    traffic.ends();
}

fn program(host: &'static dyn Host, reactor: &Arc<Reactor>) -> (Running, Detach) {
    let driven = Arc::clone(reactor);
    Running::program(host, move |program| {
        program.attach(&driven).expect("a driver")
    })
}

/// What must go on, whoever drives: a watch of which each kick counts, a timer,
/// and a connection with its events.
struct Traffic {
    reactor: Arc<Reactor>,
    connection: Connection,
    source: EventFd,
    watch: WatchId,
    /// Rung once for each kick that arrived.
    taken: Arc<Bell>,
    kicks: u64,
    timer: TimerId,
    ticks: Arc<Bell>,
}

impl Traffic {
    fn new() -> Self {
        let reactor =
            virt_event_libvirt::installed_or_install(Reactor::new).expect("libvirt has no loop");
        let source = eventfd();
        let taken = Arc::new(Bell::default());
        let (bell, takes) = (Arc::clone(&taken), source.duplicate());
        let callback = HandleCallback::new(move |_, _, _| {
            let mut count = [0; 8];
            if rustix::io::read(&takes, &mut count).is_ok() {
                (0..u64::from_ne_bytes(count)).for_each(|_| bell.ring());
            }
        });
        let watch = reactor.add_handle(source.as_raw_fd(), HandleEvents::READABLE, callback);
        let ticks = Arc::new(Bell::default());
        let bell = Arc::clone(&ticks);
        let callback = TimeoutCallback::new(move |_| bell.ring());
        let timer = reactor.add_timeout(Period::DISABLED, callback);
        Self {
            reactor,
            connection: Connection::open(),
            source,
            watch: watch.expect("a watch"),
            taken,
            kicks: 0,
            timer: timer.expect("a timer"),
            ticks,
        }
    }

    /// What happens while nobody drives.
    fn pile_up(&mut self) {
        self.kick();
        self.connection.provoke();
    }

    fn kick(&mut self) {
        self.source.kick();
        self.kicks += 1;
    }

    /// Everything that happened arrives, and so does what happens now. The
    /// timer comes last: it would wake a loop that has missed something.
    fn flows(&mut self) {
        for _ in 0..3 {
            self.taken.wait_for(self.kicks, "a kick");
            assert_eq!(self.taken.rung(), self.kicks, "each kick is seen once");
            self.connection.wait();
            self.kick();
            self.connection.provoke();
        }
        let ticks = self.ticks.rung();
        self.reactor.update_timeout(self.timer, Period::millis(1));
        self.ticks.wait_for(ticks + 3, "a tick");
        self.reactor.update_timeout(self.timer, Period::DISABLED);
        self.taken.wait_for(self.kicks, "a kick");
        self.connection.wait();
    }

    /// Nothing is lost, and nothing is left.
    fn ends(self) {
        drop(self.connection);
        self.reactor.remove_handle(self.watch).expect("it is live");
        self.reactor.remove_timeout(self.timer).expect("it is live");
        self.reactor.drain(patience()).expect("nothing is left");
        assert_eq!(self.taken.rung(), self.kicks, "each kick is seen once");
    }
}
