//! Two sources that are always ready: how often does the loop come to one of
//! them beside the other?
//!
//! The one that is counted is the host's own. The other is a watch of
//! libvirt's, or where the host is measured by itself, a source of its own of
//! the same priority. Both read their eventfd and kick it again. Either way a
//! round ends after a number of turns of the first; how long they took says how
//! many it gets in a given time. *Fairness* is the number that it gets beside
//! libvirt's watch ÷ the number that it gets beside the host's own source: the
//! ratio of the times, the other way round.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;

use super::Rounds;
use crate::event_fd::EventFd;
use crate::host::{Entry, Stop};
use crate::libvirt::Handler;
use crate::sample::{Sample, Stopwatch};

/// Two sources on one loop.
pub(super) struct OnLoop {
    entry: Entry,
    counted: &'static Counted,
}

/// The host's own source, ready for as long as a round lasts.
struct Counted {
    kick: EventFd,
    /// Turns that this round still has to see. Touched by the loop's thread
    /// only.
    left: AtomicU64,
    stop: Stop,
}

/// The source beside it, ready for ever.
struct Busy {
    kick: EventFd,
}

impl OnLoop {
    pub(super) fn new(mut entry: Entry) -> Result<Self> {
        let counted: &'static Counted = Box::leak(Box::new(Counted {
            kick: EventFd::new()?,
            left: AtomicU64::new(0),
            stop: entry.host.stop(),
        }));
        let busy: &'static Busy = Box::leak(Box::new(Busy {
            kick: EventFd::new()?,
        }));
        entry.host.watch(&counted.kick, counted)?;
        entry.watch(&busy.kick, busy)?;
        busy.kick.add(1);
        Ok(Self { entry, counted })
    }
}

impl Rounds for OnLoop {
    fn round(&mut self, operations: u64) -> Result<Sample> {
        self.counted.left.store(operations, Ordering::Relaxed);
        self.counted.kick.add(1);
        let stopwatch = Stopwatch::start();
        self.entry.host.run()?;
        Ok(stopwatch.stop())
    }
}

impl Handler for Counted {
    fn ready(&'static self) {
        self.kick.take();
        let left = self.left.load(Ordering::Relaxed) - 1;
        self.left.store(left, Ordering::Relaxed);
        if left > 0 {
            self.kick.add(1);
        } else {
            (self.stop)();
        }
    }
}

impl Handler for Busy {
    fn ready(&'static self) {
        self.kick.take();
        self.kick.add(1);
    }
}
