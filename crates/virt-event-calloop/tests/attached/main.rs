//! A calloop event loop that drives a reactor, without libvirt.

mod fairness;
mod life_cycle;
mod panics;
mod source;

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use calloop::EventLoop;
use rustix::event::{EventfdFlags, eventfd};
use virt_event::{EventImpl, HandleCallback, HandleEvents, Period, TimeoutCallback, TimerId};
use virt_event_calloop::{Reactor, calloop};

/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Dispatches until `is_done`.
pub(crate) fn dispatch_until<Data>(
    event_loop: &mut EventLoop<'_, Data>,
    data: &mut Data,
    mut is_done: impl FnMut(&Data) -> bool,
) {
    let end = Instant::now() + PATIENCE;
    while !is_done(data) {
        assert!(Instant::now() < end, "it did not happen");
        // Short, because some conditions come true on another thread.
        event_loop
            .dispatch(Duration::from_millis(20), data)
            .expect("a dispatch");
    }
}

/// A count that callbacks go up.
#[derive(Clone, Default)]
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    pub(crate) fn up(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// A timer of `reactor` that calls `callback`.
pub(crate) fn timer(
    reactor: &Reactor,
    period: Period,
    mut callback: impl FnMut() + Send + 'static,
) -> TimerId {
    let callback = TimeoutCallback::new(move |_| callback());
    reactor.add_timeout(period, callback).expect("a timer")
}

/// A timer that fires in every iteration, and how often it has.
pub(crate) fn zero_timer(reactor: &Reactor) -> Count {
    let count = Count::default();
    let inside = count.clone();
    timer(reactor, Period::EVERY_ITERATION, move || inside.up());
    count
}

/// A descriptor that is always readable, and how often its watch was called.
pub(crate) fn ready_watch(reactor: &Reactor) -> (OwnedFd, Count) {
    let fd = eventfd(1, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).expect("an eventfd");
    let count = Count::default();
    let inside = count.clone();
    let callback = HandleCallback::new(move |_, _, _| inside.up());
    reactor
        .add_handle(fd.as_raw_fd(), HandleEvents::READABLE, callback)
        .expect("a watch");
    (fd, count)
}
