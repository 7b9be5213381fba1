//! What the conformance suite cannot reach: faults of the kernel, and what
//! adapters see of turns and drivers.

use std::num::NonZeroU32;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, epoll, eventfd, poll};
use rustix::fd::OwnedFd;
use virt_event::{
    Error, EventImpl, HandleCallback, HandleEvents, Period, TimeoutCallback, WatchId,
};

use crate::sys::Errno;
use crate::{AttachError, DrainStep, Draining, Leftover, NotDrained, Reactor, TurnError};

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
fn h10_a_change_of_interest_needs_no_memory() {
    let reactor = Reactor::new().unwrap();
    let (_fd, watch, count) = parked(&reactor);
    inject(&reactor, Some(Errno::NOSPC));
    for calls in [1, 2] {
        reactor.update_handle(watch, HandleEvents::READABLE);
        let _ = reactor.turn(Some(Duration::ZERO)).unwrap();
        assert_eq!(count.load(Ordering::SeqCst), calls);
        reactor.update_handle(watch, HandleEvents::empty());
        let _ = reactor.turn(Some(Duration::ZERO)).unwrap();
        assert_eq!(count.load(Ordering::SeqCst), calls);
    }
    reactor.remove_handle(watch).unwrap();
    reactor.drain(PATIENCE).unwrap();
}

/// H4, H8: the kernel may report the hang-up of a parked descriptor once, which
/// is no call and no stale event.
#[test]
fn h04_a_hang_up_of_a_parked_descriptor_is_fetched_once() {
    let reactor = Reactor::new().unwrap();
    let (count, callback) = counter();
    let (reader, writer) = UnixStream::pair().unwrap();
    let watch = reactor
        .add_handle(reader.as_raw_fd(), HandleEvents::empty(), callback)
        .unwrap();
    drop(writer);
    for _ in 0..3 {
        let _ = reactor.turn(Some(Duration::ZERO)).unwrap();
    }
    assert!(!is_readable(&reactor, Duration::ZERO));
    assert_eq!(count.load(Ordering::SeqCst), 0);
    reactor.update_handle(watch, HandleEvents::READABLE);
    assert!(is_readable(&reactor, PATIENCE));
    let _ = reactor.turn(Some(Duration::ZERO)).unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 1);
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
fn a_turn_that_is_detached_ends_with_its_iteration() {
    let reactor = Reactor::new().unwrap();
    let attachment = reactor.attach().unwrap();
    let driver = attachment.driver().clone();
    let mut calls = 0;
    let callback = TimeoutCallback::new(move |_| {
        calls += 1;
        assert_eq!(calls, 1, "called after the detach");
        driver.detach();
    });
    let timer = reactor
        .add_timeout(Period::EVERY_ITERATION, callback)
        .unwrap();
    let turn = attachment.turn(Some(PATIENCE)).unwrap();
    assert_eq!(turn.iterations, 1);
    let next = attachment.turn(Some(Duration::ZERO));
    assert!(matches!(next, Err(TurnError::Detached)), "{next:?}");
    // It holds the driver, which holds the reactor, which holds it.
    reactor.remove_timeout(timer).unwrap();
    let _ = reactor.turn(Some(Duration::ZERO)).unwrap();
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

/// A zero timer whose callback says that it is inside, waits to be released,
/// and removes the timer.
fn detained(reactor: &Arc<Reactor>) -> (Arc<Barrier>, Arc<Barrier>) {
    let (inside, release) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let (waits, passes) = (Arc::clone(&inside), Arc::clone(&release));
    let doomed = Arc::clone(reactor);
    let callback = TimeoutCallback::new(move |timer| {
        waits.wait();
        passes.wait();
        doomed.remove_timeout(timer).unwrap();
    });
    reactor
        .add_timeout(Period::EVERY_ITERATION, callback)
        .unwrap();
    (inside, release)
}

/// An edge-triggered host: what it has seen it is not told again.
struct EdgeHost(OwnedFd);

impl EdgeHost {
    fn new(watched: impl AsFd) -> Self {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&epoll, watched, epoll::EventData::new_u64(0), flags).unwrap();
        Self(epoll)
    }

    /// Whether there is an edge within `limit`.
    fn edge(&self, limit: Duration) -> bool {
        let mut room = [std::mem::MaybeUninit::uninit(); 4];
        let limit = limit.try_into().unwrap();
        let (events, _) = epoll::wait(&self.0, &mut room[..], Some(&limit)).unwrap();
        !events.is_empty()
    }
}

#[test]
fn a_turn_that_a_drain_elsewhere_keeps_out_is_announced_by_an_edge() {
    let reactor = Reactor::new().unwrap();
    let attachment = reactor.attach().unwrap();
    let (inside, release) = detained(&reactor);
    thread::scope(|scope| {
        let drain = scope.spawn(|| reactor.drain(PATIENCE));
        inside.wait();
        let turn = attachment.turn(Some(Duration::ZERO));
        let host = EdgeHost::new(&attachment);
        while host.edge(Duration::ZERO) {}
        release.wait();
        // Whoever turned now would take the edge, and do the work.
        let announced = host.edge(PATIENCE);
        drain.join().unwrap().unwrap();
        let turn = turn.unwrap();
        assert_eq!((turn.iterations, turn.pending), (0, false));
        assert!(announced);
    });
}

/// Takes steps as an edge-triggered host does, until the end.
fn drain_by_edges(draining: &Draining) -> Result<(), NotDrained> {
    let host = EdgeHost::new(draining);
    loop {
        match draining.step()? {
            DrainStep::Drained => return Ok(()),
            DrainStep::Again => {}
            DrainStep::Wait => assert!(host.edge(PATIENCE), "an edge was lost"),
        }
    }
}

#[test]
fn a_drain_in_steps_ends_when_nothing_is_left() {
    let reactor = Reactor::new().unwrap();
    drain_by_edges(&reactor.start_drain(PATIENCE).unwrap()).unwrap();
    let mut fires = 0;
    let doomed = Arc::clone(&reactor);
    let callback = TimeoutCallback::new(move |timer| {
        fires += 1;
        if fires == 5 {
            doomed.remove_timeout(timer).unwrap();
        }
    });
    reactor.add_timeout(Period::millis(1), callback).unwrap();
    drain_by_edges(&reactor.start_drain(PATIENCE).unwrap()).unwrap();
    assert_eq!(reactor.stats().timers, 0);
}

#[test]
fn a_drain_in_steps_of_nothing_can_be_waited_for() {
    let reactor = Reactor::new().unwrap();
    let draining = reactor.start_drain(PATIENCE).unwrap();
    assert!(EdgeHost::new(&draining).edge(PATIENCE / 2));
    assert!(draining.is_over().unwrap());
}

#[test]
fn a_drain_that_leaves_the_turns_to_the_driver_sees_its_end() {
    let reactor = Reactor::new().unwrap();
    let attachment = reactor.attach().unwrap();
    // Idle for a moment, and then not.
    let draining = reactor.start_drain(PATIENCE * 2).unwrap();
    let host = EdgeHost::new(&draining);
    let callback = TimeoutCallback::new(|_| {});
    let timer = reactor
        .add_timeout(Period::millis(60_000), callback)
        .unwrap();
    assert!(host.edge(PATIENCE));
    assert!(!draining.is_over().unwrap());
    // The removal is announced before the driver has freed the callback.
    reactor.remove_timeout(timer).unwrap();
    assert!(host.edge(PATIENCE));
    assert!(!draining.is_over().unwrap());
    let _ = attachment.turn(Some(Duration::ZERO)).unwrap();
    assert!(host.edge(PATIENCE), "the end is not announced");
    assert!(draining.is_over().unwrap());
}

#[test]
fn a_drain_passes_on_the_wake_up_that_it_met() {
    let reactor = Reactor::new().unwrap();
    let attachment = reactor.attach().unwrap();
    let (_fd, _watch, _count) = parked(&reactor);
    for in_steps in [false, true] {
        reactor.wake();
        if in_steps {
            let draining = reactor.start_drain(PATIENCE).unwrap();
            while draining.step().unwrap() == DrainStep::Again {}
        } else {
            let limit = Duration::from_millis(2);
            assert!(reactor.drain(limit).is_err());
        }
        let mut host = [PollFd::new(&attachment, PollFlags::IN)];
        assert_eq!(poll(&mut host, Some(&Default::default())), Ok(1));
        let _ = attachment.turn(Some(PATIENCE)).unwrap();
        assert_eq!(poll(&mut host, Some(&Default::default())), Ok(0));
    }
}

#[test]
fn a_wake_up_ends_a_turn_with_a_large_budget() {
    let reactor = Reactor::new().unwrap();
    let attachment = reactor.attach().unwrap();
    let driver = attachment.driver().clone();
    driver.set_budget(NonZeroU32::new(1000).unwrap());
    let wakes = driver.clone();
    let mut calls = 0;
    let callback = TimeoutCallback::new(move |_| {
        calls += 1;
        if calls == 2 {
            wakes.wake();
        }
    });
    let timer = reactor
        .add_timeout(Period::EVERY_ITERATION, callback)
        .unwrap();
    let turn = attachment.turn(Some(PATIENCE)).unwrap();
    assert_eq!((turn.iterations, turn.pending), (2, true));
    assert_eq!(attachment.turn(None).unwrap().iterations, 1000);
    // It holds the driver, which holds the reactor, which holds it.
    reactor.remove_timeout(timer).unwrap();
    let _ = attachment.turn(Some(Duration::ZERO)).unwrap();
}

/// L1: the run slept on, with nobody to wake it any more.
#[test]
fn a_wake_up_that_a_nested_turn_takes_ends_the_run_around_it() {
    let reactor = Reactor::new().unwrap();
    let attachment = reactor.attach().unwrap();
    let inside = Arc::clone(&reactor);
    let callback = TimeoutCallback::new(move |timer| {
        inside.remove_timeout(timer).unwrap();
        inside.wake();
        let _ = inside.turn(Some(PATIENCE)).unwrap();
    });
    reactor.add_timeout(Period::millis(1), callback).unwrap();
    thread::scope(|scope| {
        let (sender, ended) = mpsc::channel();
        let attachment = &attachment;
        scope.spawn(move || sender.send(attachment.run().is_ok()));
        let ended = ended.recv_timeout(PATIENCE);
        reactor.wake();
        assert_eq!(ended, Ok(true));
    });
}

/// H8: the change was called refused, and the descriptor still watched.
#[test]
fn h08_a_number_that_stands_for_the_set_itself_was_closed() {
    let reactor = Reactor::new().unwrap();
    let mut fd = kicked();
    let (_, callback) = counter();
    let watch = reactor
        .add_handle(fd.as_raw_fd(), HandleEvents::READABLE, callback)
        .unwrap();
    rustix::io::dup2(&reactor, &mut fd).unwrap();
    let nothing = HandleEvents::empty();
    let changed = reactor
        .lock()
        .handles
        .update(&reactor.poller, watch, nothing);
    assert!(changed.is_ok(), "{changed:?}");
    reactor.remove_handle(watch).unwrap();
    reactor.drain(PATIENCE).unwrap();
}

/// H8, T1: what the kernel reports for ever of descriptors that are gone filled
/// the fetch, and the alarm came through now and then.
#[test]
fn h08_duplicates_keep_no_timer_waiting() {
    let reactor = Reactor::new().unwrap();
    let duplicates: Vec<_> = (0..40)
        .map(|_| {
            // Closed by putting another in its place, as the number must not go
            // to another thread.
            let set = [kicked(), kicked()];
            let number = set[0].as_raw_fd();
            let (_, callback) = counter();
            let watch = reactor.add_handle(number, HandleEvents::READABLE, callback);
            let duplicate = rustix::io::dup(&set[0]).unwrap();
            let [mut gone, other] = set;
            rustix::io::dup2(&other, &mut gone).unwrap();
            reactor.remove_handle(watch.unwrap()).unwrap();
            duplicate
        })
        .collect();
    let fires = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&fires);
    let callback = TimeoutCallback::new(move |_| {
        counts.fetch_add(1, Ordering::SeqCst);
    });
    reactor
        .add_timeout(Period::EVERY_ITERATION, callback)
        .unwrap();
    let turns = |count| {
        for _ in 0..count {
            let _ = reactor.turn(Some(PATIENCE)).unwrap();
        }
        fires.swap(0, Ordering::SeqCst)
    };
    // The room doubles where it is found to be too small.
    turns(10);
    assert_eq!(turns(10), 10);
    drop(duplicates);
}

/// L4: by default a watch's calls are measured in ticks.
#[test]
fn l04_a_slow_watch_is_noticed_in_ticks() {
    let reactor = Reactor::new().unwrap();
    let fd = kicked();
    let callback = HandleCallback::new(|_, _, _| {
        let end = Instant::now() + Duration::from_millis(300);
        while Instant::now() < end {
            thread::yield_now();
        }
    });
    reactor
        .add_handle(fd.as_raw_fd(), HandleEvents::READABLE, callback)
        .unwrap();
    for _ in 0..2 {
        let _ = reactor.turn(Some(Duration::ZERO)).unwrap();
    }
    let stats = reactor.stats();
    assert_eq!(stats.warnings, 1, "{stats:?}");
    assert!(
        stats.longest_callback > Duration::from_millis(200),
        "{stats:?}"
    );
}

#[test]
fn a_drain_in_steps_ends_when_the_driver_does_the_work() {
    let reactor = Reactor::new().unwrap();
    let attachment = reactor.attach().unwrap();
    let (inside, release) = detained(&reactor);
    thread::scope(|scope| {
        let driver = scope.spawn(|| {
            while reactor.drain(Duration::ZERO).is_err() {
                let _ = attachment.turn(Some(Duration::from_millis(10))).unwrap();
            }
        });
        inside.wait();
        let draining = reactor.start_drain(PATIENCE).unwrap();
        let step = draining.step();
        let host = EdgeHost::new(&draining);
        while host.edge(Duration::ZERO) {}
        release.wait();
        let announced = host.edge(PATIENCE);
        driver.join().unwrap();
        assert_eq!(step.unwrap(), DrainStep::Wait);
        assert!(announced);
        drain_by_edges(&draining).unwrap();
    });
}

#[test]
fn a_drain_in_steps_ends_in_time_and_says_what_is_left() {
    let reactor = Reactor::new().unwrap();
    let (_fd, watch, _count) = parked(&reactor);
    let began = Instant::now();
    let limit = Duration::from_millis(20);
    let draining = reactor.start_drain(limit).unwrap();
    let error = drain_by_edges(&draining).unwrap_err();
    assert!(began.elapsed() >= limit);
    assert!(
        matches!(error.left[..], [Leftover::Handle { watch: left, .. }] if left == watch),
        "{error}"
    );
    assert!(draining.step().is_err(), "it does not begin anew");
}

#[test]
fn a_drain_that_is_called_off_leaves_no_trace() {
    let reactor = Reactor::new().unwrap();
    let (_fd, watch, _count) = parked(&reactor);
    let draining = reactor.start_drain(PATIENCE).unwrap();
    assert_eq!(draining.step().unwrap(), DrainStep::Wait);
    drop(draining);
    reactor.remove_handle(watch).unwrap();
    let attachment = reactor.attach().unwrap();
    let _ = attachment.turn(Some(PATIENCE)).unwrap();
    assert_eq!(reactor.stats().pending_frees, 0);
    assert_eq!(reactor.lock().drainers, 0);
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
             timeout 1 (60000 ms), 0 callbacks to free; a connection may be open still, or \
             held open by a domain, a subscription or another object made from it: drop those \
             first"
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
