//! A timer, switched between 10 s and disabled from another thread while the
//! loop sleeps: what libvirt does to its keepalive.

use std::ffi::c_int;
use std::os::fd::OwnedFd;

use anyhow::Result;
use rustix::event::epoll;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use super::Rounds;
use crate::gate;
use crate::host::Host;
use crate::libvirt;
use crate::sample::Sample;

/// Far enough away to stay out of the way of the measurement.
const PERIOD_SECONDS: i32 = 10;

/// `timerfd_settime` for each change. Not a limit, unlike the other floors:
/// who notices that no deadline moved earlier can leave the kernel alone.
pub(super) struct Floor {
    bare: gate::Bare,
    timer: OwnedFd,
    armed: bool,
}

impl Floor {
    pub(super) fn new() -> Result<Self> {
        let bare = gate::Bare::new()?;
        let timer = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK,
        )?;
        let data = epoll::EventData::new_u64(0);
        epoll::add(bare.epoll(), &timer, data, epoll::EventFlags::IN)?;
        Ok(Self {
            bare,
            timer,
            armed: false,
        })
    }
}

impl Rounds for Floor {
    fn round(&mut self, operations: u64) -> Result<Sample> {
        let toggle = || {
            self.armed = !self.armed;
            let seconds = if self.armed { PERIOD_SECONDS } else { 0 };
            let value = Itimerspec {
                it_interval: Timespec::default(),
                it_value: Timespec {
                    tv_sec: seconds.into(),
                    tv_nsec: 0,
                },
            };
            timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &value)?;
            Ok(())
        };
        self.bare.round(operations, toggle)
    }
}

/// The same by `virEventUpdateTimeout`.
pub(super) struct OnLibvirt {
    gated: gate::OnLibvirt,
    timer: c_int,
    armed: bool,
}

impl OnLibvirt {
    pub(super) fn new(host: Box<dyn Host>) -> Result<Self> {
        Ok(Self {
            gated: gate::OnLibvirt::new(host)?,
            timer: libvirt::add_timeout(-1)?,
            armed: false,
        })
    }
}

impl Rounds for OnLibvirt {
    fn round(&mut self, operations: u64) -> Result<Sample> {
        let toggle = || {
            self.armed = !self.armed;
            let milliseconds = if self.armed {
                PERIOD_SECONDS * 1_000
            } else {
                -1
            };
            libvirt::update_timeout(self.timer, milliseconds);
            Ok(())
        };
        self.gated.round(operations, toggle)
    }
}
