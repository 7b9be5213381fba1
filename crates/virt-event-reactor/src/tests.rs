//! What the conformance suite cannot reach: faults of the kernel, and what
//! adapters see of turns and drivers.

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fd::OwnedFd;
use virt_event::{
    Error, EventImpl, HandleCallback, HandleEvents, Period, TimeoutCallback, WatchId,
};

use crate::sys::Errno;
use crate::{AttachError, Leftover, Reactor, TurnError};

const PATIENCE: Duration = Duration::from_secs(20);

fn kicked() -> OwnedFd {
    let fd = eventfd(1, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
    fd.expect("three descriptors are not too many")
}

fn counter() -> (Arc<AtomicUsize>, HandleCallback) {
    let count = Arc::new(AtomicUsize::new(0));
    let inside = Arc::clone(&count);
    let callback = HandleCallback::new(move |_, _, _| {
        inside.fetch_add(1, Ordering::SeqCst);
    });
    (count, callback)
}

/// A ready descriptor, and a parked watch on it with a count of its calls.
fn parked(reactor: &Reactor) -> (OwnedFd, WatchId, Arc<AtomicUsize>) {
    let fd = kicked();
    let (count, callback) = counter();
    let added = reactor.add_handle(fd.as_raw_fd(), HandleEvents::empty(), callback);
    (fd, added.unwrap(), count)
}

fn nothing() -> TimeoutCallback {
    TimeoutCallback::new(|_| {})
}

fn is_readable(reactor: &Reactor, patience: Duration) -> bool {
    let timeout = patience.try_into().expect("seconds fit");
    poll(&mut [PollFd::new(reactor, PollFlags::IN)], Some(&timeout)).is_ok_and(|n| n == 1)
}

fn inject(reactor: &Reactor, fault: Option<Errno>) {
    let code = fault.map_or(0, Errno::raw_os_error);
    reactor.poller.fault.store(code, Ordering::SeqCst);
}

#[test]
fn h10_a_change_refused_for_lack_of_memory_is_made_later() {
    let reactor = Reactor::new().unwrap();
    let (_fd, watch, count) = parked(&reactor);

    inject(&reactor, Some(Errno::NOSPC));
    reactor.update_handle(watch, HandleEvents::READABLE);
    let _ = reactor.turn(Some(Duration::ZERO)).unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 0);

    // Nobody calls again; the reactor asks for the turn that tries again.
    inject(&reactor, None);
    let end = Instant::now() + PATIENCE;
    while count.load(Ordering::SeqCst) == 0 && Instant::now() < end {
        assert!(is_readable(&reactor, PATIENCE));
        let _ = reactor.turn(Some(Duration::ZERO)).unwrap();
    }
    assert_ne!(count.load(Ordering::SeqCst), 0);
}

#[test]
fn h10_an_entry_with_a_refused_change_can_be_parked_and_removed() {
    let reactor = Reactor::new().unwrap();
    let (_fd, watch, count) = parked(&reactor);
    inject(&reactor, Some(Errno::NOMEM));
    reactor.update_handle(watch, HandleEvents::READABLE);
    reactor.update_handle(watch, HandleEvents::empty());
    inject(&reactor, None);
    let _ = reactor.turn(Some(Duration::ZERO)).unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 0);

    inject(&reactor, Some(Errno::NOMEM));
    reactor.update_handle(watch, HandleEvents::READABLE);
    reactor.remove_handle(watch).unwrap();
    inject(&reactor, None);
    reactor.drain(PATIENCE).unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

#[test]
fn h07_an_add_that_the_kernel_has_no_memory_for_is_refused() {
    let reactor = Reactor::new().unwrap();
    let fd = kicked();
    inject(&reactor, Some(Errno::NOSPC));
    let (_, callback) = counter();
    let rejected = reactor
        .add_handle(fd.as_raw_fd(), HandleEvents::READABLE, callback)
        .unwrap_err();
    let Error::Descriptor { fd: named, source } = rejected.error else {
        panic!("{}", rejected.error);
    };
    assert_eq!(named, fd.as_raw_fd());
    assert_eq!(source.raw_os_error(), Some(Errno::NOSPC.raw_os_error()));

    inject(&reactor, None);
    let added = reactor.add_handle(fd.as_raw_fd(), HandleEvents::READABLE, rejected.inner);
    assert!(added.is_ok());
}

#[test]
fn a_turn_has_at_most_the_budget_and_says_whether_it_finished() {
    let reactor = Reactor::new().unwrap();
    let attachment = reactor.attach().unwrap();
    let fd = kicked();
    let (count, callback) = counter();
    reactor
        .add_handle(fd.as_raw_fd(), HandleEvents::READABLE, callback)
        .unwrap();
    for budget in [1, 4, 2] {
        attachment.driver().set_budget(budget.try_into().unwrap());
        count.store(0, Ordering::SeqCst);
        let turn = attachment.turn(Some(Duration::ZERO)).unwrap();
        assert_eq!((turn.iterations, turn.pending), (budget, true));
        assert_eq!(count.load(Ordering::SeqCst), budget as usize);
    }
    rustix::io::read(&fd, &mut [0; 8]).unwrap();
    let turn = attachment.turn(Some(Duration::ZERO)).unwrap();
    assert!(!turn.pending);
    assert!(!is_readable(&reactor, Duration::ZERO));
}

#[test]
fn a_driver_excludes_another_until_it_is_gone() {
    let reactor = Reactor::new().unwrap();
    let first = reactor.attach().unwrap();
    assert!(matches!(
        reactor.attach(),
        Err(AttachError::AlreadyAttached)
    ));
    assert!(matches!(
        reactor.turn(Some(Duration::ZERO)),
        Err(TurnError::Attached)
    ));

    let driver = first.driver().clone();
    driver.detach();
    driver.detach();
    assert!(!driver.is_attached());
    assert!(matches!(
        first.turn(Some(Duration::ZERO)),
        Err(TurnError::Detached)
    ));
    let second = reactor.attach().unwrap();
    drop(first);
    driver.detach();
    assert!(second.driver().is_attached(), "only its own is detached");
    drop(second);
    assert!(reactor.attach().is_ok(), "dropping detaches");
}

#[test]
fn a_second_thread_is_refused_while_one_sleeps_in_a_turn() {
    let reactor = Reactor::new().unwrap();
    let attachment = reactor.attach().unwrap();
    thread::scope(|scope| {
        let sleeper = scope.spawn(|| attachment.turn(None));
        let end = Instant::now() + PATIENCE;
        while reactor.stats().turns == 0 {
            assert!(Instant::now() < end);
            thread::yield_now();
        }
        let refused = attachment.turn(Some(Duration::ZERO));
        assert!(matches!(refused, Err(TurnError::Busy)), "{refused:?}");
        reactor.wake();
        let _ = sleeper.join().unwrap().unwrap();
    });
}

#[test]
fn while_a_drain_elsewhere_calls_back_a_turn_is_pending() {
    let reactor = Reactor::new().unwrap();
    let attachment = reactor.attach().unwrap();
    let (inside, release) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let (waits, passes) = (Arc::clone(&inside), Arc::clone(&release));
    let doomed = Arc::clone(&reactor);
    let callback = TimeoutCallback::new(move |timer| {
        waits.wait();
        passes.wait();
        doomed.remove_timeout(timer).unwrap();
    });
    reactor
        .add_timeout(Period::EVERY_ITERATION, callback)
        .unwrap();
    thread::scope(|scope| {
        let drain = scope.spawn(|| reactor.drain(PATIENCE));
        inside.wait();
        let turn = attachment.turn(Some(Duration::ZERO)).unwrap();
        assert_eq!((turn.iterations, turn.pending), (0, true));
        let host = scope.spawn(|| attachment.turn(Some(Duration::from_millis(10))));
        release.wait();
        let _ = host.join().unwrap().unwrap();
        drain.join().unwrap().unwrap();
    });
}

#[test]
fn what_is_left_is_said_in_words() {
    let reactor = Reactor::new().unwrap();
    let fd = kicked();
    let (_, callback) = counter();
    let watch = reactor
        .add_handle(fd.as_raw_fd(), HandleEvents::empty(), callback)
        .unwrap();
    let timer = reactor
        .add_timeout(Period::millis(60_000), nothing())
        .unwrap();
    let error = reactor.drain(Duration::from_millis(1)).unwrap_err();
    let fd = fd.as_raw_fd();
    let handle = Leftover::Handle {
        watch,
        fd,
        events: HandleEvents::empty(),
    };
    let period = Period::millis(60_000);
    assert_eq!(error.left, [handle, Leftover::Timeout { timer, period }]);
    assert_eq!(
        error.to_string(),
        format!(
            "the event loop is not drained: handle 1 (fd {fd}, parked), \
             timeout 1 (60000 ms), 0 callbacks to free"
        )
    );
}

#[test]
fn the_types_cross_threads_as_they_should() {
    fn shared<T: Send + Sync>() {}
    shared::<Reactor>();
    shared::<crate::Attachment>();
    shared::<crate::Driver>();
    shared::<crate::NotDrained>();
    shared::<TurnError>();
}
