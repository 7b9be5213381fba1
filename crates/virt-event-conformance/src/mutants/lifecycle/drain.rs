//! Drains that end too early, too late, or with too little to say (L2).

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use virt_event::{
    EventImpl, HandleCallback, HandleEvents, Period, Rejected, TimeoutCallback, TimerId, WatchId,
};

use crate::fixtures::patience;
use crate::mutants::{Fault, broken};
use crate::{Config, Factory, Subject};

/// A drain in place of the right one.
struct Drains(fn(&dyn Subject, Duration) -> Result<(), String>);

impl Fault for Drains {
    fn drain(&self, inner: &dyn Subject, limit: Duration) -> Result<(), String> {
        (self.0)(inner, limit)
    }
}

pub(crate) fn drain_fails(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let drain = |_: &dyn Subject, _| Err("it cannot be drained".to_owned());
    broken(factory, config, Drains(drain))
}

pub(crate) fn drain_does_nothing(factory: Factory, config: &Config) -> Box<dyn Subject> {
    broken(factory, config, Drains(|_, _| Ok(())))
}

pub(crate) fn drain_turns_once(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let drain = |inner: &dyn Subject, _| {
        inner.turn(Duration::from_millis(1));
        Ok(())
    };
    broken(factory, config, Drains(drain))
}

pub(crate) fn drain_counts(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let drain = |inner: &dyn Subject, limit| {
        let drained = inner.drain(limit);
        drained.map_err(|_| "some handles and timeouts are left".to_owned())
    };
    broken(factory, config, Drains(drain))
}

pub(crate) fn drain_gives_up(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let drain = |inner: &dyn Subject, limit: Duration| inner.drain(limit / 10);
    broken(factory, config, Drains(drain))
}

pub(crate) fn drain_ignores_the_clock(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let drain = |inner: &dyn Subject, limit| {
        let began = Instant::now();
        loop {
            let drained = inner.drain(limit);
            if drained.is_ok() || began.elapsed() > patience() * 2 {
                return drained;
            }
        }
    };
    broken(factory, config, Drains(drain))
}

pub(crate) fn drain_removes(factory: Factory, config: &Config) -> Box<dyn Subject> {
    broken(factory, config, Removes::default())
}

/// Removes what is left at the deadline.
#[derive(Default)]
struct Removes {
    watches: Mutex<Vec<WatchId>>,
    timers: Mutex<Vec<TimerId>>,
}

impl Fault for Removes {
    fn add_handle(
        &self,
        inner: &Arc<dyn EventImpl>,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        let watch = inner.add_handle(fd, events, callback)?;
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        watches.push(watch);
        Ok(watch)
    }

    fn add_timeout(
        &self,
        inner: &Arc<dyn EventImpl>,
        period: Period,
        callback: TimeoutCallback,
    ) -> Result<TimerId, Rejected<TimeoutCallback>> {
        let timer = inner.add_timeout(period, callback)?;
        let mut timers = self.timers.lock().unwrap_or_else(PoisonError::into_inner);
        timers.push(timer);
        Ok(timer)
    }

    fn drain(&self, inner: &dyn Subject, limit: Duration) -> Result<(), String> {
        let drained = inner.drain(limit);
        let event_impl = inner.event_impl();
        for watch in &*self.watches.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = event_impl.remove_handle(*watch);
        }
        for timer in &*self.timers.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = event_impl.remove_timeout(*timer);
        }
        drained
    }
}

pub(crate) fn drain_needs_a_driver(factory: Factory, config: &Config) -> Box<dyn Subject> {
    broken(factory, config, NeedsDriver::default())
}

/// Fails when it was detached.
#[derive(Default)]
struct NeedsDriver {
    detached: AtomicBool,
}

impl Fault for NeedsDriver {
    fn drain(&self, inner: &dyn Subject, limit: Duration) -> Result<(), String> {
        if self.detached.load(Ordering::Acquire) {
            return Err("there is no driver".to_owned());
        }
        inner.drain(limit)
    }

    fn detach(&self, inner: &dyn Subject) {
        self.detached.store(true, Ordering::Release);
        inner.detach();
    }

    fn attach(&self, inner: &dyn Subject) -> Result<(), String> {
        self.detached.store(false, Ordering::Release);
        inner.attach()
    }
}
