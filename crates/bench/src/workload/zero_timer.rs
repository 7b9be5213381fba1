//! A timer of 0 ms, which is due in every iteration: how many iterations has a
//! second?

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use rustix::event::epoll;

use super::Rounds;
use crate::event_fd::EventFd;
use crate::host::{Entry, Stop};
use crate::libvirt::{self, Handler};
use crate::sample::{Sample, Stopwatch};

/// `epoll_wait` with something that is always ready, as one has to look for
/// other events meanwhile.
pub(super) struct Floor {
    epoll: OwnedFd,
    /// In the epoll set; held so that it stays there.
    _ready: EventFd,
}

impl Floor {
    pub(super) fn new() -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let ready = EventFd::new()?;
        ready.add(1);
        let data = epoll::EventData::new_u64(0);
        epoll::add(&epoll, &ready, data, epoll::EventFlags::IN)?;
        Ok(Self {
            epoll,
            _ready: ready,
        })
    }
}

impl Rounds for Floor {
    fn round(&mut self, operations: u64) -> Result<Sample> {
        let mut events = Vec::with_capacity(64);
        let stopwatch = Stopwatch::start();
        for _ in 0..operations {
            events.clear();
            let buffer = rustix::buffer::spare_capacity(&mut events);
            epoll::wait(&self.epoll, buffer, None)?;
        }
        Ok(stopwatch.stop())
    }
}

/// The same by `virEventAddTimeout`.
pub(super) struct OnLibvirt {
    entry: Entry,
    ticking: &'static Ticking,
    timer: i32,
}

struct Ticking {
    /// Calls that this round still has to see. Touched by the loop's thread
    /// only.
    left: AtomicU64,
    stop: Stop,
}

impl OnLibvirt {
    pub(super) fn new(entry: Entry) -> Result<Self> {
        let ticking: &'static Ticking = Box::leak(Box::new(Ticking {
            left: AtomicU64::new(0),
            stop: entry.host.stop(),
        }));
        Ok(Self {
            entry,
            ticking,
            timer: libvirt::add_timeout(-1, ticking)?,
        })
    }
}

impl Rounds for OnLibvirt {
    fn round(&mut self, operations: u64) -> Result<Sample> {
        self.ticking.left.store(operations, Ordering::Relaxed);
        libvirt::update_timeout(self.timer, 0);
        let stopwatch = Stopwatch::start();
        self.entry.host.run()?;
        let sample = stopwatch.stop();
        libvirt::update_timeout(self.timer, -1);
        Ok(sample)
    }
}

impl Handler for Ticking {
    fn ready(&'static self) {
        // A turn may have several iterations, the last ones after the stop.
        let left = self.left.load(Ordering::Relaxed);
        self.left.store(left.saturating_sub(1), Ordering::Relaxed);
        if left == 1 {
            (self.stop)();
        }
    }
}
