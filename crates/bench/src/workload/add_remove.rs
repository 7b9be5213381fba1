//! Watches that come and go: a callback adds one and removes it again.
//!
//! It does so [`BATCH`] times for each iteration of the loop, because the loop
//! has to free what was removed and that belongs to the cost; with one pair an
//! iteration the iteration would be most of it. All happens on the loop's
//! thread, so that the number of iterations does not depend on the scheduler.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::Result;
use rustix::event::epoll;

use super::Rounds;
use crate::event_fd::EventFd;
use crate::host::{Entry, Host, Stop};
use crate::libvirt::{self, Handler, READABLE, Silent};
use crate::sample::{Sample, Stopwatch};

/// Pairs of add and remove between two iterations.
pub(super) const BATCH: u64 = 16;

/// Iterations after the last pair in which a loop should have freed all. One
/// that has not, frees when it is idle (libvirt-glib does), and is left idle.
/// Few, because each is charged to the pairs.
const PATIENCE: u64 = 2;

/// `epoll_ctl` ADD and DEL.
pub(super) struct Floor {
    epoll: OwnedFd,
    kick: EventFd,
    spare: EventFd,
    /// Never ready.
    registered: Vec<EventFd>,
}

impl Floor {
    pub(super) fn new(registered: u32) -> Result<Self> {
        let floor = Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            kick: EventFd::new()?,
            spare: EventFd::new()?,
            registered: EventFd::idle(registered)?,
        };
        for fd in floor.registered.iter().chain([&floor.kick]) {
            floor.add(fd)?;
        }
        Ok(floor)
    }

    fn add(&self, fd: &EventFd) -> Result<()> {
        let data = epoll::EventData::new_u64(0);
        Ok(epoll::add(&self.epoll, fd, data, epoll::EventFlags::IN)?)
    }
}

impl Rounds for Floor {
    fn round(&mut self, operations: u64) -> Result<Sample> {
        let mut events = Vec::with_capacity(64);
        let mut left = operations;
        self.kick.add(1);
        let stopwatch = Stopwatch::start();
        loop {
            events.clear();
            let buffer = rustix::buffer::spare_capacity(&mut events);
            epoll::wait(&self.epoll, buffer, None)?;
            self.kick.take();
            if left == 0 {
                return Ok(stopwatch.stop());
            }
            let pairs = left.min(BATCH);
            for _ in 0..pairs {
                self.add(&self.spare)?;
                epoll::delete(&self.epoll, &self.spare)?;
            }
            left -= pairs;
            self.kick.add(1);
        }
    }
}

/// The same by `virEventAddHandle` and `virEventRemoveHandle`.
pub(super) struct OnLibvirt {
    host: Box<dyn Host>,
    worker: &'static Worker,
}

/// Its numbers are touched by the loop's thread only.
struct Worker {
    kick: EventFd,
    spare: EventFd,
    coming: Coming,
    /// Pairs that this round still has to make.
    left: AtomicU64,
    /// Iterations since the last pair.
    waited: AtomicU64,
}

/// The handler of the watches that come and go.
struct Coming {
    /// Removed and not yet freed.
    unfreed: AtomicU64,
    /// Nothing but the last free will end the round.
    is_last: AtomicBool,
    stop: Stop,
}

impl OnLibvirt {
    pub(super) fn new(entry: Entry, registered: u32) -> Result<Self> {
        let host = entry.host;
        for fd in EventFd::idle(registered)?.leak() {
            libvirt::add_handle(fd, READABLE, &Silent)?;
        }
        let worker = Box::leak(Box::new(Worker {
            kick: EventFd::new()?,
            spare: EventFd::new()?,
            coming: Coming {
                unfreed: AtomicU64::new(0),
                is_last: AtomicBool::new(false),
                stop: host.stop(),
            },
            left: AtomicU64::new(0),
            waited: AtomicU64::new(0),
        }));
        libvirt::add_handle(&worker.kick, READABLE, worker)?;
        Ok(Self { host, worker })
    }
}

impl Rounds for OnLibvirt {
    fn round(&mut self, operations: u64) -> Result<Sample> {
        let worker = self.worker;
        worker.left.store(operations, Ordering::Relaxed);
        worker.waited.store(0, Ordering::Relaxed);
        worker.kick.add(1);
        let stopwatch = Stopwatch::start();
        self.host.run()?;
        Ok(stopwatch.stop())
    }
}

impl Handler for Worker {
    fn ready(&'static self) {
        self.kick.take();
        let left = self.left.load(Ordering::Relaxed);
        if left > 0 {
            let pairs = left.min(BATCH);
            for _ in 0..pairs {
                let watch = libvirt::add_handle(&self.spare, READABLE, &self.coming)
                    .expect("the descriptor is open");
                libvirt::remove_handle(watch).expect("the watch was just added");
            }
            self.coming.unfreed.fetch_add(pairs, Ordering::Relaxed);
            self.left.store(left - pairs, Ordering::Relaxed);
        } else {
            let waited = self.waited.fetch_add(1, Ordering::Relaxed);
            if self.coming.unfreed.load(Ordering::Relaxed) == 0 {
                return (self.coming.stop)();
            }
            if waited >= PATIENCE {
                return self.coming.is_last.store(true, Ordering::Relaxed);
            }
        }
        self.kick.add(1);
    }
}

impl Handler for Coming {
    fn ready(&'static self) {
        panic!("the loop called back for a descriptor that is never ready");
    }

    fn freed(&'static self) {
        let before = self.unfreed.fetch_sub(1, Ordering::Relaxed);
        if before == 1 && self.is_last.swap(false, Ordering::Relaxed) {
            (self.stop)();
        }
    }
}
