//! How many events have arrived.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Events that have not arrived after that are lost.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the subscribers tell, who may be on several threads.
pub(crate) struct Tally {
    received: AtomicU64,
    /// How many there will be.
    awaited: AtomicU64,
    /// How many subscribers are in their callbacks.
    inside: AtomicU64,
    /// How many callbacks began during another one.
    overlaps: AtomicU64,
    last: Sender<Instant>,
    lasts: Mutex<Receiver<Instant>>,
}

impl Tally {
    pub(crate) fn new() -> Self {
        let (last, lasts) = channel();
        Self {
            received: AtomicU64::new(0),
            awaited: AtomicU64::new(0),
            inside: AtomicU64::new(0),
            overlaps: AtomicU64::new(0),
            last,
            lasts: Mutex::new(lasts),
        }
    }

    /// A subscriber's callback for an event.
    pub(crate) fn arrived(&self) {
        if self.inside.fetch_add(1, Ordering::Relaxed) > 0 {
            self.overlaps.fetch_add(1, Ordering::Relaxed);
        }
        let received = self.received.fetch_add(1, Ordering::AcqRel) + 1;
        if received == self.awaited.load(Ordering::Acquire) {
            // The other end is here.
            let _ = self.last.send(Instant::now());
        }
        self.inside.fetch_sub(1, Ordering::Relaxed);
    }

    /// Sets how many more will come. All from before have arrived.
    pub(crate) fn expect(&self, events: u64) {
        self.awaited.fetch_add(events, Ordering::AcqRel);
    }

    /// Waits until they have arrived, and tells when the last one did.
    pub(crate) fn last(&self) -> Result<Instant> {
        let lasts = self.lasts.lock().expect("nobody panics in here");
        lasts.recv_timeout(PATIENCE).with_context(|| {
            let awaited = self.awaited.load(Ordering::Relaxed);
            let received = self.received.load(Ordering::Relaxed);
            format!("{awaited} events were caused, and {received} arrived")
        })
    }

    /// How many have arrived, and how many of those during another callback.
    pub(crate) fn overlaps(&self) -> (u64, u64) {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (load(&self.received), load(&self.overlaps))
    }
}
