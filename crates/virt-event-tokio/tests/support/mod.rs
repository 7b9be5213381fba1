//! What several test binaries need.

#![allow(dead_code, reason = "no binary needs all of it")]
#![allow(unreachable_pub, reason = "it is a module of several binaries")]

use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use virt_event::{
    EventImpl, HandleCallback, HandleEvents, Period, TimeoutCallback, TimerId, WatchId,
};
use virt_event_tokio::Reactor;

/// How long anything may take before a test fails.
pub const LIMIT: Duration = Duration::from_secs(30);

pub fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

pub fn multi_thread(workers: usize) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .unwrap()
}

/// One of each kind that a driver may be on.
pub fn runtimes() -> Vec<(&'static str, Runtime)> {
    vec![
        ("current-thread", current_thread()),
        ("multi-thread, 1 worker", multi_thread(1)),
        ("multi-thread, 2 workers", multi_thread(2)),
    ]
}

/// Counts what a callback does.
#[derive(Clone, Debug, Default)]
pub struct Count(Arc<AtomicU64>);

impl Count {
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// Waits, by tokio's timers, until there were `more` than now.
    pub async fn grows(&self, more: u64) {
        let goal = self.get() + more;
        until(|| self.get() >= goal).await;
    }
}

/// Waits for a condition, by tokio's timers.
pub async fn until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Waits for a condition, without a runtime.
pub fn block_until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain");
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub fn millis(millis: u64) -> Period {
    Period::from(Duration::from_millis(millis))
}

pub fn add_timer(
    reactor: &Reactor,
    period: Period,
    mut callback: impl FnMut() + Send + 'static,
) -> TimerId {
    reactor
        .add_timeout(period, TimeoutCallback::new(move |_| callback()))
        .unwrap()
}

/// A timer that counts.
pub fn add_counter(reactor: &Reactor, period: Period) -> (TimerId, Count) {
    let count = Count::default();
    let counter = count.clone();
    (add_timer(reactor, period, move || counter.add()), count)
}

/// Watches one end of a pair for reading; gives the other end. The callback
/// gets its own end.
pub fn add_stream(
    reactor: &Reactor,
    events: HandleEvents,
    mut callback: impl FnMut(&UnixStream) + Send + 'static,
) -> (WatchId, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let fd = ours.as_raw_fd();
    let callback = HandleCallback::new(move |_, _, _| callback(&ours));
    let watch = reactor.add_handle(fd, events, callback).unwrap();
    (watch, theirs)
}
