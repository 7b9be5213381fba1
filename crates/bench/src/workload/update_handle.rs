//! The interest of a watch, switched off and on from another thread while the
//! loop sleeps: what libvirt does twice per RPC.

use std::ffi::c_int;

use anyhow::Result;
use rustix::event::epoll;

use super::Rounds;
use crate::event_fd::EventFd;
use crate::gate;
use crate::host::Entry;
use crate::libvirt::{self, READABLE, Silent};
use crate::sample::Sample;

/// `epoll_ctl` DEL and ADD in turns. MOD to no events would not do: the kernel
/// goes on to report a hang-up then.
pub(super) struct Floor {
    bare: gate::Bare,
    toggled: EventFd,
    enabled: bool,
}

impl Floor {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            bare: gate::Bare::new()?,
            toggled: EventFd::new()?,
            enabled: false,
        })
    }
}

impl Rounds for Floor {
    fn round(&mut self, operations: u64) -> Result<Sample> {
        let epoll = self.bare.epoll();
        let toggle = || {
            self.enabled = !self.enabled;
            if self.enabled {
                let data = epoll::EventData::new_u64(0);
                epoll::add(epoll, &self.toggled, data, epoll::EventFlags::IN)?;
            } else {
                epoll::delete(epoll, &self.toggled)?;
            }
            Ok(())
        };
        self.bare.round(operations, gate::never, toggle)
    }
}

/// The same by `virEventUpdateHandle`.
pub(super) struct OnLibvirt {
    gated: gate::OnLoop,
    watch: c_int,
    enabled: bool,
}

impl OnLibvirt {
    pub(super) fn new(entry: Entry) -> Result<Self> {
        let gated = gate::OnLoop::new(entry)?;
        let toggled = Box::leak(Box::new(EventFd::new()?));
        Ok(Self {
            gated,
            watch: libvirt::add_handle(toggled, 0, &Silent)?,
            enabled: false,
        })
    }
}

impl Rounds for OnLibvirt {
    fn round(&mut self, operations: u64) -> Result<Sample> {
        let toggle = || {
            self.enabled = !self.enabled;
            libvirt::update_handle(self.watch, if self.enabled { READABLE } else { 0 });
            Ok(())
        };
        self.gated.round(operations, toggle)
    }
}
