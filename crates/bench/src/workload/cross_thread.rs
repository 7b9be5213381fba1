//! Ping-pong between two threads: one kicks an eventfd and waits, the loop
//! answers through another. What an event costs that finds the loop asleep.

use anyhow::Result;
use rustix::event::epoll;

use super::Rounds;
use crate::event_fd::EventFd;
use crate::gate;
use crate::host::Entry;
use crate::libvirt::Handler;
use crate::sample::{Sample, Whose};

/// The way there and the way back.
struct Table {
    there: EventFd,
    back: EventFd,
}

impl Table {
    fn new() -> Result<Self> {
        Ok(Self {
            there: EventFd::new()?,
            back: EventFd::blocking()?,
        })
    }

    /// The caller's stroke: returns when the answer is there.
    fn serve(&self) {
        self.there.add(1);
        self.back.take();
    }

    /// The loop's stroke.
    fn answer(&self) {
        self.there.take();
        self.back.add(1);
    }
}

/// `epoll_wait`, `read`, `write` in the loop.
pub(super) struct Floor {
    bare: gate::Bare,
    table: Table,
}

impl Floor {
    pub(super) fn new() -> Result<Self> {
        let bare = gate::Bare::new()?;
        let table = Table::new()?;
        let data = epoll::EventData::new_u64(0);
        epoll::add(bare.epoll(), &table.there, data, epoll::EventFlags::IN)?;
        Ok(Self { bare, table })
    }
}

impl Rounds for Floor {
    fn round(&mut self, operations: u64) -> Result<Sample> {
        let call = || {
            self.table.serve();
            Ok(())
        };
        self.bare
            .round(operations, Whose::Process, || self.table.answer(), call)
    }
}

/// The same through a callback of libvirt's, or of the loop's own source.
pub(super) struct OnLoop {
    gated: gate::OnLoop,
    table: &'static Table,
}

impl OnLoop {
    pub(super) fn new(mut entry: Entry) -> Result<Self> {
        let table: &'static Table = Box::leak(Box::new(Table::new()?));
        entry.watch(&table.there, table)?;
        Ok(Self {
            gated: gate::OnLoop::new(entry)?,
            table,
        })
    }
}

impl Rounds for OnLoop {
    fn round(&mut self, operations: u64) -> Result<Sample> {
        let call = || {
            self.table.serve();
            Ok(())
        };
        self.gated.round(operations, Whose::Process, call)
    }
}

impl Handler for Table {
    fn ready(&'static self) {
        self.answer();
    }
}
