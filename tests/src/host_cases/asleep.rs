//! A call while the host sleeps, many times: no wake-up is lost (contract X1).
//!
//! Nothing but the call wakes the host, so that one that is lost stays lost.
//! The next call comes as soon as the callback has run, which is when the host
//! is about to sleep again; that is where wake-ups get lost. Now and then it
//! comes when the host sleeps for certain.

use std::os::fd::AsRawFd;
use std::sync::Arc;

use virt_event::{
    EventImpl, HandleCallback, HandleEvents, Period, TimeoutCallback, TimerId, WatchId,
};
use virt_event_conformance::fixtures::{dev_null, eventfd, fill, socketpair, write_byte};
use virt_event_reactor::Reactor;

use super::bell::Bell;
use super::running::Running;
use super::tally::Tally;
use super::{Host, HostCase, host_case};

pub(super) const CASES: &[HostCase] = &[
    host_case!(x01_interest_changed_asleep, Polls),
    host_case!(x01_interest_exchanged_asleep, ForgetsPending, Polls),
    host_case!(x01_interest_in_what_is_always_ready_asleep, Polls),
    host_case!(x01_interest_of_both_kinds_asleep, Polls),
    host_case!(x01_earlier_deadline_asleep, Polls),
    host_case!(x01_removed_asleep, Polls),
];

/// How often interest is changed.
const MANY: u64 = 100_000;
/// How often anything else is.
const FEWER: u64 = 10_000;
/// In one of how many rounds the host sleeps for certain.
const CERTAIN: u64 = 500;

fn x01_interest_changed_asleep(host: &'static dyn Host) {
    let asleep = Asleep::new(host);
    let source = eventfd();
    source.kick();
    let watch = asleep.add_watch(&source, HandleEvents::empty());
    asleep.rounds(MANY, |reactor, _| {
        reactor.update_handle(watch, HandleEvents::READABLE);
    });
}

/// For the kernel this is another thing than interest that comes and goes: it
/// may take what it knows already for told.
fn x01_interest_exchanged_asleep(host: &'static dyn Host) {
    let asleep = Asleep::new(host);
    let (near, far) = socketpair();
    fill(&near);
    write_byte(&far);
    // It is readable, and not writable.
    let watch = asleep.add_watch(&near, HandleEvents::WRITABLE);
    asleep.rounds(FEWER, |reactor, _| {
        reactor.update_handle(watch, HandleEvents::READABLE);
    });
}

fn x01_interest_in_what_is_always_ready_asleep(host: &'static dyn Host) {
    let asleep = Asleep::new(host);
    let null = dev_null();
    let watch = asleep.add_watch(&null, HandleEvents::empty());
    asleep.rounds(FEWER, |reactor, _| {
        reactor.update_handle(watch, HandleEvents::READABLE);
    });
}

fn x01_interest_of_both_kinds_asleep(host: &'static dyn Host) {
    let asleep = Asleep::new(host);
    let (source, null) = (eventfd(), dev_null());
    source.kick();
    let watches = [
        asleep.add_watch(&source, HandleEvents::empty()),
        asleep.add_watch(&null, HandleEvents::empty()),
    ];
    asleep.rounds(FEWER, |reactor, round| {
        let watch = watches[(round % 2) as usize];
        reactor.update_handle(watch, HandleEvents::READABLE);
    });
}

fn x01_earlier_deadline_asleep(host: &'static dyn Host) {
    let asleep = Asleep::new(host);
    let timer = asleep.add_timer();
    asleep.rounds(FEWER, |reactor, round| {
        // Some lie in the future when the host goes to sleep.
        let period = match round % 100 {
            0 => Period::millis(1),
            _ => Period::EVERY_ITERATION,
        };
        reactor.update_timeout(timer, period);
    });
}

fn x01_removed_asleep(host: &'static dyn Host) {
    let asleep = Asleep::new(host);
    let source = eventfd();
    let tally = Tally::default();
    asleep.rounds(FEWER, |reactor, round| {
        if round % 2 == 0 {
            let callback = tally.handle(|| {});
            let watch = reactor.add_handle(source.as_raw_fd(), HandleEvents::READABLE, callback);
            let watch = watch.expect("a watch");
            reactor.remove_handle(watch).expect("it is live");
        } else {
            let callback = tally.timeout(|| {});
            let timer = reactor.add_timeout(Period::DISABLED, callback);
            let timer = timer.expect("a timer");
            reactor.remove_timeout(timer).expect("it is live");
        }
        tally.wait_for_frees(round);
        asleep.answered.ring();
    });
}

/// A host with nothing to do.
struct Asleep {
    reactor: Arc<Reactor>,
    running: Running,
    /// Rung once in each round, by what the host is woken for.
    answered: Arc<Bell>,
}

impl Asleep {
    fn new(host: &'static dyn Host) -> Self {
        let reactor = Reactor::new().expect("a reactor");
        let running = Running::start(host, &reactor);
        Self {
            reactor,
            running,
            answered: Arc::default(),
        }
    }

    /// A watch that goes back to `resting` when it is called.
    fn add_watch(&self, source: &impl AsRawFd, resting: HandleEvents) -> WatchId {
        let (reactor, answered) = (Arc::downgrade(&self.reactor), Arc::clone(&self.answered));
        let callback = HandleCallback::new(move |watch, _, _| {
            let reactor = reactor.upgrade().expect("a reactor that is driven");
            reactor.update_handle(watch, resting);
            answered.ring();
        });
        let fd = source.as_raw_fd();
        let added = self.reactor.add_handle(fd, resting, callback);
        added.expect("a watch")
    }

    /// A timer that is an hour away again when it has fired.
    fn add_timer(&self) -> TimerId {
        let (reactor, answered) = (Arc::downgrade(&self.reactor), Arc::clone(&self.answered));
        let hour = Period::millis(3_600_000);
        let callback = TimeoutCallback::new(move |timer| {
            let reactor = reactor.upgrade().expect("a reactor that is driven");
            reactor.update_timeout(timer, hour);
            answered.ring();
        });
        self.reactor.add_timeout(hour, callback).expect("a timer")
    }

    /// In each round, from the first, calls something, which is answered once.
    fn rounds(&self, rounds: u64, mut call: impl FnMut(&Reactor, u64)) {
        for round in 1..=rounds {
            if round % CERTAIN == 0 {
                self.running.wait_until_asleep();
            }
            call(&self.reactor, round);
            self.answered.wait_for(round, "an answer");
        }
        assert_eq!(self.answered.rung(), rounds, "one answer a round");
        self.running.stop_soon();
    }
}
