//! Faults that reviews found, each kept from coming back.

use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use virt_event::{EventImpl, HandleCallback, HandleEvents, Period, TimeoutCallback, TimerId};
use virt_event_conformance::fixtures::eventfd;
use virt_event_loop::EventLoop;
use virt_event_reactor::{Reactor, TurnError};

const PATIENCE: Duration = Duration::from_secs(20);
const NOW: Option<Duration> = Some(Duration::ZERO);

fn timer(reactor: &Reactor, period: Period, call: impl FnMut(TimerId) + Send + 'static) -> TimerId {
    let added = reactor.add_timeout(period, TimeoutCallback::new(call));
    added.unwrap()
}

fn spin(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

/// A drain slept as the one who turns, and kept the driver out for as long.
#[test]
fn a_drain_elsewhere_leaves_the_driver_free_to_turn() {
    let reactor = Reactor::new().unwrap();
    let attachment = reactor.attach().unwrap();
    let fd = eventfd();
    let callback = HandleCallback::new(|_, _, _| {});
    let watch = reactor
        .add_handle(fd.as_raw_fd(), HandleEvents::READABLE, callback)
        .unwrap();
    thread::scope(|scope| {
        let drain = scope.spawn(|| reactor.drain(PATIENCE * 2));
        let (sender, turned) = mpsc::channel();
        let attachment = &attachment;
        scope.spawn(move || {
            for _ in 0..100 {
                let _ = attachment.turn(NOW).unwrap();
            }
            sender.send(()).unwrap();
        });
        let turned = turned.recv_timeout(PATIENCE);
        // The host goes on to what the drain waits for.
        reactor.remove_handle(watch).unwrap();
        drain.join().unwrap().unwrap();
        assert!(turned.is_ok(), "the driver waited for the drain");
    });
}

/// A host that finishes the work did not tell a drain that slept.
#[test]
fn a_drain_notices_that_the_driver_has_finished() {
    for _ in 0..50 {
        let reactor = Reactor::new().unwrap();
        let event_loop = EventLoop::attach(&reactor).unwrap().spawn().unwrap();
        let timer = timer(&reactor, Period::millis(60_000), |_| {});
        thread::scope(|scope| {
            let drain = scope.spawn(|| reactor.drain(PATIENCE));
            reactor.remove_timeout(timer).unwrap();
            drain.join().unwrap().unwrap();
        });
        drop(event_loop);
    }
}

/// The new driver's turn waited without limit for a direct turn that slept.
#[test]
fn attaching_ends_the_sleep_of_a_turn_without_a_driver() {
    let reactor = Reactor::new().unwrap();
    thread::scope(|scope| {
        let sleeper = scope.spawn(|| reactor.turn(None));
        while reactor.stats().turns == 0 {
            thread::yield_now();
        }
        let attachment = reactor.attach().unwrap();
        let _ = sleeper.join().unwrap().unwrap();
        let turn = attachment.turn(NOW).unwrap();
        assert_eq!(turn.iterations, 1);
    });
}

/// The same, when the callback of the old driver waits for the new one.
#[test]
fn a_callback_can_wait_for_the_driver_that_takes_over() {
    let reactor = Reactor::new().unwrap();
    let old = reactor.attach().unwrap();
    let driver = old.driver().clone();
    let (sender, outcome) = mpsc::channel();
    let inside = Arc::clone(&reactor);
    let once = timer(&reactor, Period::EVERY_ITERATION, move |timer| {
        inside.remove_timeout(timer).unwrap();
        driver.detach();
        let new = inside.attach().unwrap();
        let turn = thread::spawn(move || new.turn(Some(Duration::from_millis(10))));
        let turn = turn.join().unwrap().unwrap();
        sender.send((turn.iterations, turn.pending)).unwrap();
    });
    let _ = old.turn(Some(PATIENCE)).unwrap();
    assert_eq!(outcome.recv_timeout(PATIENCE), Ok((0, true)));
    assert!(matches!(old.turn(NOW), Err(TurnError::Detached)));
    assert!(reactor.remove_timeout(once).is_err());
}

/// H8: the old watch was called for an event that had been fetched before its
/// number was given to a new descriptor and a new watch.
#[test]
fn a_number_that_is_reused_within_a_batch() {
    let reactor = Reactor::new().unwrap();
    let fds = [eventfd().into_fd(), eventfd().into_fd()].map(IntoRawFd::into_raw_fd);
    let first = Arc::new(AtomicBool::new(true));
    let stale = Arc::new(AtomicUsize::new(0));
    for (index, &fd) in fds.iter().enumerate() {
        let (first, stale) = (Arc::clone(&first), Arc::clone(&stale));
        let inside = Arc::downgrade(&reactor);
        let other = fds[1 - index];
        let callback = HandleCallback::new(move |_, _, _| {
            if !first.swap(false, Ordering::SeqCst) {
                stale.fetch_add(1, Ordering::SeqCst);
                return;
            }
            replace(other, eventfd().into_fd());
            let callback = HandleCallback::new(|_, _, _| {});
            let inside = inside.upgrade().unwrap();
            inside
                .add_handle(other, HandleEvents::READABLE, callback)
                .unwrap();
        });
        reactor
            .add_handle(fd, HandleEvents::WRITABLE, callback)
            .unwrap();
    }
    let _ = reactor.turn(NOW).unwrap();
    assert!(!first.load(Ordering::SeqCst));
    assert_eq!(stale.load(Ordering::SeqCst), 0);
}

/// Gives the number of one descriptor to another.
#[expect(unsafe_code, reason = "takes over a descriptor by its number")]
fn replace(number: i32, with: OwnedFd) {
    // SAFETY: the test owns the number, and keeps it open afterwards.
    let mut target = unsafe { OwnedFd::from_raw_fd(number) };
    rustix::io::dup2(&with, &mut target).unwrap();
    let _ = target.into_raw_fd();
}

/// R5: what came due during a long callback was called late right after it.
#[test]
fn no_warning_right_after_a_long_turn() {
    let reactor = Reactor::builder()
        .stall_after(Duration::from_secs(1))
        .slow_callback(PATIENCE)
        .build()
        .unwrap();
    timer(&reactor, Period::EVERY_ITERATION, |_| {
        spin(Duration::from_millis(1500));
    });
    timer(&reactor, Period::millis(100), |_| {});
    let _ = reactor.turn(None).unwrap();
    assert_eq!(reactor.stats().warnings, 0);
}

/// L4: a callback that keeps the loop turning was called slow.
#[test]
fn a_modal_callback_is_not_slow() {
    let reactor = Reactor::builder()
        .slow_callback(Duration::from_millis(20))
        .build()
        .unwrap();
    let inside = Arc::clone(&reactor);
    timer(&reactor, Period::millis(1), move |timer| {
        let end = Instant::now() + Duration::from_millis(60);
        while Instant::now() < end {
            let _ = inside.turn(Some(Duration::from_millis(1))).unwrap();
        }
        inside.remove_timeout(timer).unwrap();
    });
    reactor.drain(PATIENCE).unwrap();
    let stats = reactor.stats();
    assert_eq!(stats.warnings, 0, "{stats:?}");
}

/// L1: a nested `run` took the stop that was meant for the outer one as well.
#[test]
fn a_stop_ends_nested_runs_too() {
    let reactor = Reactor::new().unwrap();
    let event_loop = Arc::new(EventLoop::attach(&reactor).unwrap());
    let handle = event_loop.handle();
    let inside = Arc::clone(&event_loop);
    let mut depth = 0;
    let levels: Vec<_> = (0..3)
        .map(|_| {
            let (handle, inside) = (handle.clone(), Arc::clone(&inside));
            depth += 1;
            let deepest = depth == 3;
            let mut first = true;
            timer(&reactor, Period::millis(1), move |_| {
                if std::mem::take(&mut first) {
                    if deepest {
                        handle.stop();
                    }
                    inside.run().unwrap();
                }
            })
        })
        .collect();
    let (sender, ended) = mpsc::channel();
    let outer = Arc::clone(&event_loop);
    let runner = thread::spawn(move || sender.send(outer.run().is_ok()));
    assert_eq!(ended.recv_timeout(PATIENCE), Ok(true));
    runner.join().unwrap().unwrap();
    for level in levels {
        reactor.remove_timeout(level).unwrap();
    }
    drop((inside, event_loop));
    reactor.drain(PATIENCE).unwrap();
}

/// L1: a nested `run_once` took the wake-up of a stop, and the `run` around it
/// slept on.
#[test]
fn a_stop_that_ends_a_nested_turn_ends_the_run() {
    let reactor = Reactor::new().unwrap();
    let event_loop = Arc::new(EventLoop::attach(&reactor).unwrap());
    let handle = event_loop.handle();
    let inside = Arc::clone(&event_loop);
    timer(&reactor, Period::millis(1), move |timer| {
        inside.driver().reactor().remove_timeout(timer).unwrap();
        handle.stop();
        inside.run_once(Some(PATIENCE)).unwrap();
    });
    let (sender, ended) = mpsc::channel();
    let outer = Arc::clone(&event_loop);
    let runner = thread::spawn(move || sender.send(outer.run().is_ok()));
    assert_eq!(ended.recv_timeout(PATIENCE), Ok(true));
    runner.join().unwrap().unwrap();
}

/// A loop thread that is stopped from its own callback cannot join itself.
#[test]
fn a_loop_thread_stopped_by_itself_says_so() {
    let reactor = Reactor::new().unwrap();
    let slot = Arc::new(Mutex::new(None));
    let (sender, message) = mpsc::channel();
    let taken = Arc::clone(&slot);
    let timer = timer(&reactor, Period::millis(1), move |_| {
        if let Some(thread) = taken.lock().unwrap().take() {
            let thread: virt_event_loop::LoopThread = thread;
            let stop = std::panic::AssertUnwindSafe(|| thread.stop().is_ok());
            let panic = std::panic::catch_unwind(stop).unwrap_err();
            let text = panic.downcast_ref::<&str>().copied();
            sender.send(text.map(str::to_owned)).unwrap();
        }
    });
    let thread = EventLoop::attach(&reactor).unwrap().spawn().unwrap();
    *slot.lock().unwrap() = Some(thread);
    let text = message.recv_timeout(PATIENCE).unwrap().unwrap();
    assert!(text.contains("its own thread"), "{text}");
    reactor.remove_timeout(timer).unwrap();
    reactor.drain(PATIENCE).unwrap();
}

/// L1: a stop did not reach a loop that waited for the turn of a drain.
#[test]
fn a_stop_ends_a_loop_that_waits_for_a_drain() {
    let reactor = Reactor::new().unwrap();
    let event_loop = EventLoop::attach(&reactor).unwrap();
    let handle = event_loop.handle();
    let (entered, inside) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let own = Arc::clone(&reactor);
    let once = timer(&reactor, Period::EVERY_ITERATION, move |timer| {
        own.remove_timeout(timer).unwrap();
        entered.send(()).unwrap();
        released.recv_timeout(PATIENCE * 2).unwrap();
    });
    thread::scope(|scope| {
        let drain = scope.spawn(|| reactor.drain(PATIENCE * 2));
        inside.recv_timeout(PATIENCE).unwrap();
        let (sender, ended) = mpsc::channel();
        let event_loop = &event_loop;
        scope.spawn(move || sender.send(event_loop.run().is_ok()));
        handle.stop();
        let ended = ended.recv_timeout(PATIENCE);
        release.send(()).unwrap();
        drain.join().unwrap().unwrap();
        assert_eq!(ended, Ok(true));
    });
    assert!(reactor.remove_timeout(once).is_err());
}

/// L1: a drain took the wake-up that was meant for the loop.
#[test]
fn a_drain_leaves_wake_ups_to_the_loop() {
    let reactor = Reactor::new().unwrap();
    let attachment = reactor.attach().unwrap();
    reactor.wake();
    // The drain turns, and fails: the timer stays.
    timer(&reactor, Period::EVERY_ITERATION, |_| {});
    assert!(reactor.drain(Duration::from_millis(20)).is_err());
    reactor.update_timeout(TimerId::new(1).unwrap(), Period::DISABLED);
    assert!(reactor.drain(Duration::from_millis(20)).is_err());
    let began = Instant::now();
    let _ = attachment.turn(Some(PATIENCE)).unwrap();
    assert!(began.elapsed() < PATIENCE);
}

/// R5: the time of a slow free was not counted as the loop's.
#[test]
fn no_warning_right_after_a_slow_free() {
    struct Slow;
    impl Drop for Slow {
        fn drop(&mut self) {
            spin(Duration::from_millis(1500));
        }
    }
    let reactor = Reactor::builder()
        .stall_after(Duration::from_secs(1))
        .slow_callback(PATIENCE)
        .build()
        .unwrap();
    let callback = TimeoutCallback::with_state(Slow, |_, _| {});
    let slow = reactor.add_timeout(Period::DISABLED, callback).unwrap();
    timer(&reactor, Period::millis(100), |_| {});
    reactor.remove_timeout(slow).unwrap();
    let _ = reactor.turn(None).unwrap();
    assert_eq!(reactor.stats().pending_frees, 0);
    assert_eq!(reactor.stats().warnings, 0);
}

/// C9: a panic whose payload panics when it is dropped ended the process.
#[test]
fn panics_within_panics_while_a_reactor_is_dropped() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("the payload of a panic");
        }
    }
    struct Panics(Arc<AtomicUsize>);
    impl Drop for Panics {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
            std::panic::panic_any(Bomb);
        }
    }
    let reactor = Reactor::new().unwrap();
    let frees = Arc::new(AtomicUsize::new(0));
    for _ in 0..3 {
        let callback = TimeoutCallback::with_state(Panics(Arc::clone(&frees)), |_, _| {});
        reactor.add_timeout(Period::DISABLED, callback).unwrap();
    }
    drop(reactor);
    assert_eq!(frees.load(Ordering::SeqCst), 3);
}
