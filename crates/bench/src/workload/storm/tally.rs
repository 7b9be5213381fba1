//! How many events have arrived.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;

use crate::event_fd::EventFd;
use crate::host::{Entry, Stop};
use crate::libvirt::Handler;

/// Counts what a subscriber hears of, and ends the turns of the loop with the
/// last event. All subscribers do the same with an event: this.
pub(in crate::workload) struct Tally {
    /// Since the subscription began. Written by the subscriber only, which is on
    /// one thread.
    received: AtomicU64,
    /// How many there will be when all have arrived. Written while the loop
    /// rests.
    awaited: AtomicU64,
    /// Kicked for the last one, from whatever thread hears of it; a loop is
    /// stopped from inside its callbacks only.
    end: EventFd,
    stop: Stop,
}

impl Tally {
    /// One whose end `entry` watches.
    pub(in crate::workload) fn watched_by(entry: &mut Entry) -> Result<&'static Self> {
        let tally: &'static Self = Box::leak(Box::new(Self {
            received: AtomicU64::new(0),
            awaited: AtomicU64::new(0),
            end: EventFd::new()?,
            stop: entry.host.stop(),
        }));
        entry.watch(&tally.end, tally)?;
        Ok(tally)
    }

    /// Sets how many events end the turns, those that were there before
    /// included.
    pub(in crate::workload) fn await_in_all(&self, events: u64) {
        self.awaited.store(events, Ordering::Relaxed);
    }

    /// The subscriber's word for each event.
    #[inline]
    pub(in crate::workload) fn arrived(&self) {
        let received = self.received.load(Ordering::Relaxed) + 1;
        self.received.store(received, Ordering::Release);
        if received == self.awaited.load(Ordering::Relaxed) {
            self.end();
        }
    }

    /// Ends the turns of the loop, from any thread.
    pub(in crate::workload) fn end(&self) {
        self.end.add(1);
    }

    pub(in crate::workload) fn received(&self) -> u64 {
        self.received.load(Ordering::Acquire)
    }
}

impl Handler for Tally {
    fn ready(&'static self) {
        self.end.take();
        (self.stop)();
    }
}
