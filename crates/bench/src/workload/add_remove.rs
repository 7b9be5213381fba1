//! Watches that come and go: a callback adds one and removes it again.
//!
//! It does so [`BATCH`] times for each iteration of the loop, because the loop
//! has to free what was removed and that belongs to the cost; with one pair an
//! iteration the iteration would be most of it. All happens on the loop's
//! thread, so that the number of iterations does not depend on the scheduler.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, ensure};
use rustix::event::epoll;

use super::Rounds;
use crate::event_fd::EventFd;
use crate::host::{Host, Stop};
use crate::libvirt::{self, Handler, READABLE, Silent};
use crate::sample::{Sample, Stopwatch};

/// Pairs of add and remove between two iterations.
const BATCH: u64 = 16;

/// Iterations after the last pair in which a loop has to have freed all.
const PATIENCE: u64 = 100;

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
    stop: Stop,
}

/// The handler of the watches that come and go.
#[derive(Default)]
struct Coming {
    /// Removed and not yet freed.
    unfreed: AtomicU64,
}

impl OnLibvirt {
    pub(super) fn new(host: Box<dyn Host>, registered: u32) -> Result<Self> {
        for fd in EventFd::idle(registered)?.leak() {
            libvirt::add_handle(fd, READABLE, &Silent)?;
        }
        let worker = Box::leak(Box::new(Worker {
            kick: EventFd::new()?,
            spare: EventFd::new()?,
            coming: Coming::default(),
            left: AtomicU64::new(0),
            waited: AtomicU64::new(0),
            stop: host.stop(),
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
        let sample = stopwatch.stop();
        let unfreed = worker.coming.unfreed.load(Ordering::Relaxed);
        ensure!(
            unfreed == 0,
            "{unfreed} removed watches were not freed within {PATIENCE} iterations"
        );
        Ok(sample)
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
            if self.coming.unfreed.load(Ordering::Relaxed) == 0 || waited >= PATIENCE {
                return (self.stop)();
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
        self.unfreed.fetch_sub(1, Ordering::Relaxed);
    }
}
