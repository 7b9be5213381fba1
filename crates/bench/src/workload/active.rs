//! Many watches that are ready at once: each callback reads its eventfd and
//! kicks it again. What an event costs where a fetch returns many.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use rustix::event::epoll;

use super::Rounds;
use crate::event_fd::EventFd;
use crate::host::{Entry, Stop};
use crate::libvirt::Handler;
use crate::sample::{Sample, Stopwatch};

/// `epoll_wait` that fetches all of them, then `read` and `write` for each.
pub(super) struct Floor {
    epoll: OwnedFd,
    balls: Vec<EventFd>,
}

impl Floor {
    pub(super) fn new(watches: u32) -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let balls = EventFd::idle(watches)?;
        for (index, ball) in (0..).zip(&balls) {
            let data = epoll::EventData::new_u64(index);
            epoll::add(&epoll, ball, data, epoll::EventFlags::IN)?;
            ball.add(1);
        }
        Ok(Self { epoll, balls })
    }
}

impl Rounds for Floor {
    fn round(&mut self, operations: u64) -> Result<Sample> {
        let mut events = Vec::with_capacity(self.balls.len());
        let mut left = operations;
        let stopwatch = Stopwatch::start();
        while left > 0 {
            events.clear();
            let buffer = rustix::buffer::spare_capacity(&mut events);
            epoll::wait(&self.epoll, buffer, None)?;
            for event in &events {
                let data = event.data;
                let ball = &self.balls[data.u64() as usize];
                ball.take();
                ball.add(1);
                left = left.saturating_sub(1);
            }
        }
        Ok(stopwatch.stop())
    }
}

/// The same through callbacks of libvirt's, or of the loop's own sources.
pub(super) struct OnLoop {
    entry: Entry,
    crowd: &'static Crowd,
}

/// What all players share.
struct Crowd {
    /// Events that this round still has to see. Set while the loop rests, and
    /// then touched by one thread after the other, or by several where the host
    /// has several.
    left: AtomicU64,
    stop: Stop,
}

/// Ready for ever.
struct Player {
    ball: EventFd,
    crowd: &'static Crowd,
}

impl OnLoop {
    pub(super) fn new(mut entry: Entry, watches: u32) -> Result<Self> {
        let crowd: &'static Crowd = Box::leak(Box::new(Crowd {
            left: AtomicU64::new(u64::MAX),
            stop: entry.host.stop(),
        }));
        for ball in EventFd::idle(watches)? {
            let player: &'static Player = Box::leak(Box::new(Player { ball, crowd }));
            entry.watch(&player.ball, player)?;
            player.ball.add(1);
        }
        Ok(Self { entry, crowd })
    }
}

impl Rounds for OnLoop {
    fn round(&mut self, operations: u64) -> Result<Sample> {
        self.crowd.left.store(operations, Ordering::Relaxed);
        let stopwatch = Stopwatch::start();
        self.entry.host.run()?;
        Ok(stopwatch.stop())
    }
}

impl Handler for Player {
    fn ready(&'static self) {
        self.ball.take();
        self.ball.add(1);
        // The last of the round stops the loop; what the others of its fetch
        // do after it is part of the next round, or of nothing.
        if self.crowd.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            (self.crowd.stop)();
        }
    }
}
