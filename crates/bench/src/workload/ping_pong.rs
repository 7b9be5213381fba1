//! Self-kick ping-pong: a callback reads an eventfd and kicks it again.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use rustix::event::epoll;
use rustix::time::{ClockId, Timespec, clock_gettime};

use super::Rounds;
use crate::event_fd::EventFd;
use crate::host::{Entry, Stop};
use crate::libvirt::{Handler, Silent};
use crate::sample::{Sample, Stopwatch};

/// One epoll instance: `epoll_wait`, `read`, `write` per event.
pub(super) struct Floor {
    epoll: OwnedFd,
    ball: EventFd,
    /// In the epoll set; held so that they stay there.
    _idle: Vec<EventFd>,
}

impl Floor {
    pub(super) fn new(idle: u32) -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let idle = EventFd::idle(idle)?;
        let ball = EventFd::new()?;
        for fd in idle.iter().chain([&ball]) {
            epoll::add(
                &epoll,
                fd,
                epoll::EventData::new_u64(0),
                epoll::EventFlags::IN,
            )?;
        }
        Ok(Self {
            epoll,
            ball,
            _idle: idle,
        })
    }
}

impl Rounds for Floor {
    fn round(&mut self, operations: u64) -> Result<Sample> {
        self.play(operations, || ())
    }
}

impl Floor {
    /// One round, with something before and after each call.
    fn play(&self, operations: u64, mut around: impl FnMut()) -> Result<Sample> {
        let mut events = Vec::with_capacity(64);
        let mut left = operations;
        self.ball.add(1);
        let stopwatch = Stopwatch::start();
        while left > 0 {
            events.clear();
            let buffer = rustix::buffer::spare_capacity(&mut events);
            epoll::wait(&self.epoll, buffer, None)?;
            for _ in &events {
                around();
                self.ball.take();
                left -= 1;
                if left > 0 {
                    self.ball.add(1);
                }
                around();
            }
        }
        Ok(stopwatch.stop())
    }
}

/// The floor of a loop whose watches other threads may change, and whose slow
/// callbacks are noticed: before and after each call a lock is taken and given
/// back, and the coarse clock looked at.
pub(super) struct SharedFloor {
    floor: Floor,
    state: Mutex<Timespec>,
}

impl SharedFloor {
    pub(super) fn new(idle: u32) -> Result<Self> {
        Ok(Self {
            floor: Floor::new(idle)?,
            state: Mutex::new(Timespec::default()),
        })
    }
}

impl Rounds for SharedFloor {
    fn round(&mut self, operations: u64) -> Result<Sample> {
        self.floor.play(operations, || {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            *state = clock_gettime(ClockId::MonotonicCoarse);
        })
    }
}

/// The same through a callback of libvirt's, or of the loop's own source.
pub(super) struct OnLoop {
    entry: Entry,
    player: &'static Player,
}

struct Player {
    ball: EventFd,
    /// Events that this round still has to see. Set before the ball is in play,
    /// and then touched by the thread that has the ball.
    left: AtomicU64,
    stop: Stop,
}

impl OnLoop {
    pub(super) fn new(mut entry: Entry, idle: u32) -> Result<Self> {
        for fd in EventFd::idle(idle)?.leak() {
            entry.watch(fd, &Silent)?;
        }
        let player: &'static Player = Box::leak(Box::new(Player {
            ball: EventFd::new()?,
            left: AtomicU64::new(0),
            stop: entry.host.stop(),
        }));
        entry.watch(&player.ball, player)?;
        Ok(Self { entry, player })
    }
}

impl Rounds for OnLoop {
    fn round(&mut self, operations: u64) -> Result<Sample> {
        self.player.left.store(operations, Ordering::Relaxed);
        self.player.ball.add(1);
        let stopwatch = Stopwatch::start();
        self.entry.host.run()?;
        Ok(stopwatch.stop())
    }
}

impl Handler for Player {
    fn ready(&'static self) {
        self.ball.take();
        let left = self.left.load(Ordering::Relaxed) - 1;
        self.left.store(left, Ordering::Relaxed);
        if left > 0 {
            self.ball.add(1);
        } else {
            (self.stop)();
        }
    }
}
