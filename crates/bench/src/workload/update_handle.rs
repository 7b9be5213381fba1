//! The interest of a watch, switched off and on from another thread while the
//! loop sleeps, or while it is busy: what libvirt does twice per RPC.
//!
//! A busy loop has work of its own, which is not what is asked about. So what is
//! measured there is the other thread's time alone, the wait for a lock included.

use std::ffi::c_int;
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use rustix::event::epoll;

use super::Rounds;
use crate::event_fd::EventFd;
use crate::gate;
use crate::host::Entry;
use crate::libvirt::{self, Handler, READABLE, Silent};
use crate::sample::{Sample, Whose};

/// Ready for ever, which keeps a loop busy.
struct Busy(EventFd);

impl Busy {
    fn new() -> Result<Self> {
        let busy = Self(EventFd::new()?);
        busy.0.add(1);
        Ok(busy)
    }

    fn serve(&self) {
        self.0.take();
        self.0.add(1);
    }
}

impl Handler for Busy {
    fn ready(&'static self) {
        self.serve();
    }
}

/// `epoll_ctl` DEL and ADD in turns, as a program does it that has read the manual:
/// MOD to no events would not do, for the kernel goes on to report a hang-up then.
pub(super) struct Floor {
    bare: gate::Bare,
    toggled: EventFd,
    enabled: bool,
    busy: Option<Busy>,
}

impl Floor {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            bare: gate::Bare::new()?,
            toggled: EventFd::new()?,
            enabled: false,
            busy: None,
        })
    }

    pub(super) fn busy() -> Result<Self> {
        let floor = Self {
            busy: Some(Busy::new()?),
            ..Self::new()?
        };
        if let Some(busy) = &floor.busy {
            let data = epoll::EventData::new_u64(0);
            epoll::add(floor.bare.epoll(), &busy.0, data, epoll::EventFlags::IN)?;
        }
        Ok(floor)
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
        match &self.busy {
            None => self
                .bare
                .round(operations, Whose::Process, gate::never, toggle),
            Some(busy) => self
                .bare
                .round(operations, Whose::Thread, || busy.serve(), toggle),
        }
    }
}

/// As ours do it: the descriptor stays in the set, and is parked there with
/// `EPOLLONESHOT`, under a lock.
pub(super) struct SharedFloor {
    bare: gate::Bare,
    toggled: EventFd,
    enabled: Mutex<bool>,
}

impl SharedFloor {
    pub(super) fn new() -> Result<Self> {
        let floor = Self {
            bare: gate::Bare::new()?,
            toggled: EventFd::new()?,
            enabled: Mutex::new(false),
        };
        let data = epoll::EventData::new_u64(0);
        let parked = epoll::EventFlags::ONESHOT;
        epoll::add(floor.bare.epoll(), &floor.toggled, data, parked)?;
        Ok(floor)
    }
}

impl Rounds for SharedFloor {
    fn round(&mut self, operations: u64) -> Result<Sample> {
        let epoll = self.bare.epoll();
        let toggle = || {
            let mut enabled = self.enabled.lock().unwrap_or_else(PoisonError::into_inner);
            *enabled = !*enabled;
            let flags = if *enabled {
                epoll::EventFlags::IN
            } else {
                epoll::EventFlags::ONESHOT
            };
            let data = epoll::EventData::new_u64(0);
            epoll::modify(epoll, &self.toggled, data, flags)?;
            Ok(())
        };
        self.bare
            .round(operations, Whose::Process, gate::never, toggle)
    }
}

/// The same by `virEventUpdateHandle`.
pub(super) struct OnLibvirt {
    gated: gate::OnLoop,
    whose: Whose,
    watch: c_int,
    enabled: bool,
}

impl OnLibvirt {
    pub(super) fn new(entry: Entry) -> Result<Self> {
        let gated = gate::OnLoop::new(entry)?;
        let toggled = Box::leak(Box::new(EventFd::new()?));
        Ok(Self {
            gated,
            whose: Whose::Process,
            watch: libvirt::add_handle(toggled, 0, &Silent)?,
            enabled: false,
        })
    }

    pub(super) fn busy(entry: Entry) -> Result<Self> {
        let busy: &'static Busy = Box::leak(Box::new(Busy::new()?));
        libvirt::add_handle(&busy.0, READABLE, busy)?;
        Ok(Self {
            whose: Whose::Thread,
            ..Self::new(entry)?
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
        self.gated.round(operations, self.whose, toggle)
    }
}
