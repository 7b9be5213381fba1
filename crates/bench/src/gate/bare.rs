//! The floor's loop: an epoll instance and nothing else.

use std::os::fd::OwnedFd;

use anyhow::Result;
use rustix::event::epoll;

use super::Gate;
use crate::sample::Sample;

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
            epoll::EventData::new_u64(0),
            epoll::EventFlags::IN,
        )?;
        Ok(Self { epoll, gate })
    }

    /// The epoll instance. Nothing but the gate may become ready in it.
    pub(crate) fn epoll(&self) -> &OwnedFd {
        &self.epoll
    }

    /// Makes the calls on another thread while this one runs the loop.
    pub(crate) fn round(
        &self,
        operations: u64,
        call: impl FnMut() -> Result<()> + Send,
    ) -> Result<Sample> {
        self.gate.round(operations, || self.run(), call)
    }

    fn run(&self) -> Result<()> {
        let mut events = Vec::with_capacity(64);
        loop {
            events.clear();
            let buffer = rustix::buffer::spare_capacity(&mut events);
            epoll::wait(&self.epoll, buffer, None)?;
            if self.gate.ready() {
                return Ok(());
            }
        }
    }
}
