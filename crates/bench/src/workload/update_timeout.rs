//! A timer that another thread changes while the loop sleeps: switched between
//! 10 s and disabled, which is what libvirt does to its keepalive, or moved to
//! an earlier deadline each time, which is what costs a loop most.

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
use crate::host::Entry;
use crate::libvirt::{self, Silent};
use crate::sample::{Sample, Whose};

/// The periods that a timer is set to, one after the other, in milliseconds; -1
/// disables it.
pub(super) trait Periods: Send {
    fn next(&mut self) -> i32;
}

/// 10 s, far enough away to stay out of the way of the measurement, and off. No
/// deadline comes before the first, so that a loop that notices this can leave
/// the kernel alone.
#[derive(Default)]
pub(super) struct OnAndOff {
    on: bool,
}

impl Periods for OnAndOff {
    fn next(&mut self) -> i32 {
        self.on = !self.on;
        if self.on { 10_000 } else { -1 }
    }
}

/// Every deadline before the one that is set, from weeks away down to 10 s,
/// then from the top again, which takes 200 million operations.
pub(super) struct Earlier {
    milliseconds: i32,
}

impl Earlier {
    const LAST: i32 = 10_000;
    /// Longer than an operation takes, or the deadline would not move earlier.
    const STEP: i32 = 10;
}

impl Default for Earlier {
    fn default() -> Self {
        Self {
            milliseconds: i32::MAX,
        }
    }
}

impl Periods for Earlier {
    fn next(&mut self) -> i32 {
        self.milliseconds -= Self::STEP;
        if self.milliseconds < Self::LAST {
            *self = Self::default();
        }
        self.milliseconds
    }
}

/// `timerfd_settime` for each change. Not a limit where the timer goes on and
/// off, unlike the other floors: who notices that no deadline moved earlier can
/// leave the kernel alone.
pub(super) struct Floor<P> {
    bare: gate::Bare,
    timer: OwnedFd,
    periods: P,
}

impl<P: Periods> Floor<P> {
    pub(super) fn new(periods: P) -> Result<Self> {
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
            periods,
        })
    }
}

impl<P: Periods> Rounds for Floor<P> {
    fn round(&mut self, operations: u64) -> Result<Sample> {
        let change = || {
            // Zero disarms it.
            let milliseconds = self.periods.next().max(0);
            let value = Itimerspec {
                it_interval: Timespec::default(),
                it_value: Timespec {
                    tv_sec: (milliseconds / 1_000).into(),
                    tv_nsec: (milliseconds % 1_000 * 1_000_000).into(),
                },
            };
            timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &value)?;
            Ok(())
        };
        self.bare
            .round(operations, Whose::Process, gate::never, change)
    }
}

/// The same by `virEventUpdateTimeout`.
pub(super) struct OnLibvirt<P> {
    gated: gate::OnLoop,
    timer: c_int,
    periods: P,
}

impl<P: Periods> OnLibvirt<P> {
    pub(super) fn new(entry: Entry, periods: P) -> Result<Self> {
        Ok(Self {
            gated: gate::OnLoop::new(entry)?,
            timer: libvirt::add_timeout(-1, &Silent)?,
            periods,
        })
    }
}

impl<P: Periods> Rounds for OnLibvirt<P> {
    fn round(&mut self, operations: u64) -> Result<Sample> {
        let change = || {
            libvirt::update_timeout(self.timer, self.periods.next());
            Ok(())
        };
        self.gated.round(operations, Whose::Process, change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_and_off_alternate() {
        let mut periods = OnAndOff::default();
        assert_eq!([10_000, -1, 10_000], [(); 3].map(|()| periods.next()));
    }

    #[test]
    fn each_period_is_shorter_until_the_top_comes_again() {
        let mut periods = Earlier::default();
        let first = periods.next();
        assert_eq!(periods.next(), first - Earlier::STEP);
        periods.milliseconds = Earlier::LAST;
        assert_eq!(periods.next(), i32::MAX);
    }
}
