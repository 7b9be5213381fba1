//! Broken ways to call the loop that libvirt has.

use std::os::fd::RawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;

use virt_event::{
    Error, EventImpl, HandleCallback, HandleEvents, Period, Rejected, TimeoutCallback, TimerId,
    WatchId,
};
use virt_event_libvirt::InstallError;

use super::{Installer, Real};

/// One thing that is wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Twist {
    /// A refused callback is freed, and another one comes back.
    FreesTheRefused,
    /// A refusal is taken for the first id.
    TakesZeroForAnId,
    /// Every refusal is somebody else's.
    HidesTheReason,
    /// Timers are there, but their callbacks are not called.
    CallsNothing,
    /// Removing always works.
    RemovesAnything,
    /// A panic in a callback goes on into C, where Rust ends the process.
    LetsPanicsThrough,
}

pub(super) struct Twisted(pub(super) Twist);

impl Installer for Twisted {
    fn register_default_loop(&self) -> Result<Box<dyn EventImpl>, InstallError> {
        let inner = Real.register_default_loop()?;
        Ok(Box::new(TwistedImpl(inner, self.0)))
    }

    fn registered(&self) -> Option<Box<dyn EventImpl>> {
        let inner = Real.registered()?;
        Some(Box::new(TwistedImpl(inner, self.0)))
    }
}

struct TwistedImpl(Box<dyn EventImpl>, Twist);

impl EventImpl for TwistedImpl {
    fn add_handle(
        &self,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        self.0
            .add_handle(fd, events, callback)
            .or_else(|rejected| match self.1 {
                Twist::FreesTheRefused => {
                    let another = HandleCallback::new(|_, _, _| {});
                    Err(Rejected::new(rejected.error, another))
                }
                Twist::TakesZeroForAnId => Ok(WatchId::new(1).expect("positive")),
                Twist::HidesTheReason => Err(Rejected::new(Error::IdsExhausted, rejected.inner)),
                _ => Err(rejected),
            })
    }

    fn update_handle(&self, watch: WatchId, events: HandleEvents) {
        self.0.update_handle(watch, events);
    }

    fn remove_handle(&self, watch: WatchId) -> Result<(), Error> {
        let answer = self.0.remove_handle(watch);
        answer.or_else(|error| match self.1 {
            Twist::RemovesAnything => Ok(()),
            _ => Err(error),
        })
    }

    fn add_timeout(
        &self,
        period: Period,
        mut callback: TimeoutCallback,
    ) -> Result<TimerId, Rejected<TimeoutCallback>> {
        if self.1 == Twist::LetsPanicsThrough {
            callback = TimeoutCallback::new(move |timer| {
                if catch_unwind(AssertUnwindSafe(|| callback.call(timer))).is_err() {
                    process::abort();
                }
            });
        }
        if self.1 == Twist::CallsNothing {
            callback = TimeoutCallback::new(move |_| {
                let _ = &callback;
            });
        }
        self.0
            .add_timeout(period, callback)
            .or_else(|rejected| match self.1 {
                Twist::FreesTheRefused => {
                    let another = TimeoutCallback::new(|_| {});
                    Err(Rejected::new(rejected.error, another))
                }
                Twist::TakesZeroForAnId => Ok(TimerId::new(1).expect("positive")),
                Twist::HidesTheReason => Err(Rejected::new(Error::IdsExhausted, rejected.inner)),
                _ => Err(rejected),
            })
    }

    fn update_timeout(&self, timer: TimerId, period: Period) {
        self.0.update_timeout(timer, period);
    }

    fn remove_timeout(&self, timer: TimerId) -> Result<(), Error> {
        let answer = self.0.remove_timeout(timer);
        answer.or_else(|error| match self.1 {
            Twist::RemovesAnything => Ok(()),
            _ => Err(error),
        })
    }
}
