//! Turns of the loop.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use virt_event::{EventImpl, HandleCallback, HandleEvents, Period};
use virt_event_loop::EventLoop;
use virt_event_reactor::Reactor;

use super::{BEFORE, TIMES, event_fd, event_fds, kick, reactor, take, timer, watch};
use crate::counted;

/// A turn of the built-in loop with one event.
#[inline(never)]
pub(super) fn event() -> u64 {
    let reactor = reactor();
    let fd = event_fd();
    watch(&*reactor, &fd);
    kick(&fd);
    let mut act = turning(&reactor);
    (0..BEFORE).for_each(|_| act());
    counted(TIMES, &mut act);
    TIMES
}

/// The same where the loop runs until it is stopped, with the read and the kick
/// of the callback.
#[inline(never)]
pub(super) fn event_in_a_run() -> u64 {
    let reactor = reactor();
    let event_loop = EventLoop::attach(&reactor).expect("nobody else drives it");
    let fd = Arc::new(event_fd());
    let (ball, handle) = (Arc::clone(&fd), event_loop.handle());
    let mut played = 0;
    let callback = HandleCallback::new(move |_, _, _| {
        take(&ball);
        kick(&ball);
        played += 1;
        if played % TIMES == 0 {
            handle.stop();
        }
    });
    reactor
        .add_handle(fd.as_raw_fd(), HandleEvents::READABLE, callback)
        .expect("the descriptor is open");
    kick(&fd);
    let mut act = || event_loop.run().expect("the kernel lets it");
    act();
    counted(1, &mut act);
    TIMES
}

/// The same beside a thousand watches on which nothing happens.
#[inline(never)]
pub(super) fn event_beside_1000_idle() -> u64 {
    let reactor = reactor();
    let idle = event_fds(1_000);
    for fd in &idle {
        watch(&*reactor, fd);
    }
    let fd = event_fd();
    watch(&*reactor, &fd);
    kick(&fd);
    let mut act = turning(&reactor);
    (0..BEFORE).for_each(|_| act());
    counted(TIMES, &mut act);
    TIMES
}

/// A turn with 64 events. One event is an operation.
#[inline(never)]
pub(super) fn event_of_64() -> u64 {
    let reactor = reactor();
    let fds = event_fds(64);
    for fd in &fds {
        watch(&*reactor, fd);
        kick(fd);
    }
    let mut act = turning(&reactor);
    (0..BEFORE).for_each(|_| act());
    counted(TIMES / 10, &mut act);
    TIMES / 10 * 64
}

/// An event on a loop of somebody's: a turn that fetches it, and sees that there
/// is nothing more. The kick and the look at it are in the count.
#[inline(never)]
pub(super) fn event_of_a_host() -> u64 {
    let reactor = reactor();
    let attachment = reactor.attach().expect("nobody else drives it");
    let fd = Arc::new(event_fd());
    takes(&reactor, &fd);
    let mut act = || {
        kick(&fd);
        let turn = attachment.turn(Some(Duration::ZERO));
        assert!(!turn.expect("the kernel lets it").pending);
    };
    (0..BEFORE).for_each(|_| act());
    counted(TIMES, &mut act);
    TIMES
}

/// A turn with a timer of 0 ms.
#[inline(never)]
pub(super) fn zero_timer() -> u64 {
    let reactor = reactor();
    timer(&*reactor, Period::EVERY_ITERATION);
    let mut act = turning(&reactor);
    (0..BEFORE).for_each(|_| act());
    counted(TIMES, &mut act);
    TIMES
}

/// A turn in which a thousand timers are due. One call is an operation.
#[inline(never)]
pub(super) fn timer_of_1000() -> u64 {
    const TIMERS: u64 = 1_000;
    const PERIOD: Duration = Duration::from_millis(1);
    let reactor = reactor();
    let timers = (0..TIMERS).map(|_| timer(&*reactor, Period::DISABLED));
    let timers: Vec<_> = timers.collect();
    let mut act = turning(&reactor);
    // A turn needs something to do, or it would wait.
    let fd = Arc::new(event_fd());
    takes(&reactor, &fd);
    kick(&fd);
    act();
    for timer in timers {
        reactor.update_timeout(timer, Period::from(PERIOD));
    }
    // Nobody turns before all of them are due.
    std::thread::sleep(PERIOD * 10);
    counted(1, &mut act);
    assert_eq!(reactor.stats().callbacks, TIMERS + 1);
    TIMERS
}

/// Takes turns of the built-in loop.
fn turning(reactor: &Arc<Reactor>) -> impl FnMut() + use<> {
    let event_loop = EventLoop::attach(reactor).expect("nobody else drives it");
    move || event_loop.run_once(None).expect("the kernel lets it")
}

/// A watch that reads what it is called for.
fn takes(reactor: &Reactor, fd: &Arc<OwnedFd>) {
    let taken = Arc::clone(fd);
    let callback = HandleCallback::new(move |_, _, _| take(&taken));
    reactor
        .add_handle(fd.as_raw_fd(), HandleEvents::READABLE, callback)
        .expect("the descriptor is open");
}
