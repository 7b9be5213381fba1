//! The floor's loop: an epoll instance and nothing else.

use std::os::fd::OwnedFd;

use anyhow::Result;
use rustix::event::epoll;

use super::Gate;
use crate::sample::{Sample, Whose};

/// The gate's data in the epoll set.
const GATE: u64 = u64::MAX;

/// A bare epoll loop beside which another thread makes system calls.
#[derive(Debug)]
pub(crate) struct Bare {
    epoll: OwnedFd,
    gate: Gate,
}

impl Bare {
    pub(crate) fn new() -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let gate = Gate::new()?;
        epoll::add(
            &epoll,
            gate.control(),
            epoll::EventData::new_u64(GATE),
            epoll::EventFlags::IN,
        )?;
        Ok(Self { epoll, gate })
    }

    /// The epoll instance. Other descriptors in it have 0 for data.
    pub(crate) fn epoll(&self) -> &OwnedFd {
        &self.epoll
    }

    /// Makes the calls on another thread while this one runs the loop, which
    /// calls `ready` for each event.
    pub(crate) fn round(
        &self,
        operations: u64,
        whose: Whose,
        ready: impl FnMut(),
        call: impl FnMut() -> Result<()> + Send,
    ) -> Result<Sample> {
        self.gate.round(operations, whose, || self.run(ready), call)
    }

    fn run(&self, mut ready: impl FnMut()) -> Result<()> {
        let mut events = Vec::with_capacity(64);
        loop {
            events.clear();
            let buffer = rustix::buffer::spare_capacity(&mut events);
            epoll::wait(&self.epoll, buffer, None)?;
            for event in &events {
                let data = event.data;
                if data.u64() != GATE {
                    ready();
                } else if self.gate.ready() {
                    return Ok(());
                }
            }
        }
    }
}

/// What [`Bare::round`] calls where nothing but the gate can become ready.
pub(crate) fn never() {
    panic!("a descriptor is ready that never is");
}
