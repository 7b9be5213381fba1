//! A mio poll that drives a reactor, without libvirt.

mod edges;
mod life_cycle;
mod panics;
mod registration;

use std::io::ErrorKind;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};
use rustix::event::{EventfdFlags, eventfd};
use virt_event::{
    EventImpl, HandleCallback, HandleEvents, Period, TimeoutCallback, TimerId, WatchId,
};
use virt_event_mio::{Reactor, Source, mio};

/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const LIBVIRT: Token = Token(7);

/// A poll, and the tokens that fire.
pub(crate) struct Host {
    pub(crate) poll: Poll,
    events: Events,
}

impl Host {
    pub(crate) fn new() -> Self {
        Self {
            poll: Poll::new().expect("a poll"),
            events: Events::with_capacity(16),
        }
    }

    /// The tokens that fire within `timeout`.
    pub(crate) fn fired(&mut self, timeout: Duration) -> Vec<Token> {
        while let Err(error) = self.poll.poll(&mut self.events, Some(timeout)) {
            assert_eq!(error.kind(), ErrorKind::Interrupted);
        }
        self.events.iter().map(|event| event.token()).collect()
    }

    /// Sleeps until the source's token fires, and dispatches. Only an edge ends
    /// the sleep.
    pub(crate) fn turn(&mut self, source: &Source) {
        let fired = self.fired(PATIENCE);
        assert!(fired.contains(&LIBVIRT), "a wake-up was lost");
        source.dispatch().expect("a dispatch");
    }

    /// [Turns](Self::turn) until `is_done`.
    pub(crate) fn turn_until(&mut self, source: &Source, is_done: impl Fn() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !is_done() {
            assert!(Instant::now() < end, "it did not happen");
            self.turn(source);
        }
    }

    /// Dispatches until the token does not fire.
    pub(crate) fn settle(&mut self, source: &Source) {
        let end = Instant::now() + PATIENCE;
        while self.fired(Duration::ZERO).contains(&LIBVIRT) {
            assert!(Instant::now() < end, "it does not end");
            source.dispatch().expect("a dispatch");
        }
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

/// A descriptor that is always readable, its watch, and how often that was
/// called.
pub(crate) fn ready_watch(reactor: &Reactor) -> (OwnedFd, WatchId, Count) {
    let fd = readable();
    let count = Count::default();
    let inside = count.clone();
    let callback = HandleCallback::new(move |_, _, _| inside.up());
    let watch = reactor.add_handle(fd.as_raw_fd(), HandleEvents::READABLE, callback);
    (fd, watch.expect("a watch"), count)
}

pub(crate) fn readable() -> OwnedFd {
    eventfd(1, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).expect("an eventfd")
}
