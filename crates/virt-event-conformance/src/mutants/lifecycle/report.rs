//! Numbers and log messages that are wrong, missing, or too many (L4, R5, H7).

use std::io;
use std::os::fd::RawFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use virt_event::{
    Error, EventImpl, HandleCallback, HandleEvents, Period, Rejected, TimeoutCallback, TimerId,
    WatchId,
};

use crate::mutants::{Fault, broken, intercept_timeout};
use crate::{Config, Factory, Stats, Subject};

const HOUR: Duration = Duration::from_secs(3600);

/// Statistics that are changed on their way.
struct Miscounts(fn(&mut Stats));

impl Fault for Miscounts {
    fn stats(&self, inner: &dyn Subject) -> Stats {
        let mut stats = inner.stats();
        (self.0)(&mut stats);
        stats
    }
}

pub(crate) fn timers_are_watches(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let fault = Miscounts(|stats| stats.watches += stats.timers);
    broken(factory, config, fault)
}

pub(crate) fn frees_do_not_count(factory: Factory, config: &Config) -> Box<dyn Subject> {
    broken(factory, config, Miscounts(|stats| stats.pending_frees = 0))
}

pub(crate) fn callbacks_do_not_count(factory: Factory, config: &Config) -> Box<dyn Subject> {
    broken(factory, config, Miscounts(|stats| stats.callbacks = 0))
}

pub(crate) fn iterations_count_twice(factory: Factory, config: &Config) -> Box<dyn Subject> {
    broken(factory, config, Miscounts(|stats| stats.iterations *= 2))
}

pub(crate) fn nothing_is_measured(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let fault = Miscounts(|stats| stats.longest_callback = Duration::ZERO);
    broken(factory, config, fault)
}

pub(crate) fn warnings_do_not_count(factory: Factory, config: &Config) -> Box<dyn Subject> {
    broken(factory, config, Miscounts(|stats| stats.warnings = 0))
}

/// Nothing is wrong but the configuration.
struct Misconfigured;

impl Fault for Misconfigured {}

pub(crate) fn never_slow(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let config = Config {
        slow_callback: HOUR,
        ..config.clone()
    };
    broken(factory, &config, Misconfigured)
}

pub(crate) fn always_slow(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let config = Config {
        slow_callback: Duration::ZERO,
        ..config.clone()
    };
    broken(factory, &config, Misconfigured)
}

pub(crate) fn silent(factory: Factory, config: &Config) -> Box<dyn Subject> {
    broken(factory, &never_stalled(config), Misconfigured)
}

fn never_stalled(config: &Config) -> Config {
    Config {
        stall_after: HOUR,
        ..config.clone()
    }
}

pub(crate) fn reports_every_slow_call(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let quiet = Config {
        slow_callback: HOUR,
        ..config.clone()
    };
    broken(factory, &quiet, EverySlowCall(config.slow_callback))
}

/// Reports each call of a timer that took longer than this.
struct EverySlowCall(Duration);

impl Fault for EverySlowCall {
    fn add_timeout(
        &self,
        inner: &Arc<dyn EventImpl>,
        period: Period,
        callback: TimeoutCallback,
    ) -> Result<TimerId, Rejected<TimeoutCallback>> {
        let limit = self.0;
        let callback = intercept_timeout(callback, move |callback, timer| {
            let began = Instant::now();
            callback.call(timer);
            if began.elapsed() > limit {
                tracing::warn!(timer = timer.get(), "a callback was slow");
            }
        });
        inner.add_timeout(period, callback)
    }
}

pub(crate) fn nervous(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let fault = Warns::new(config, |since_turn, _| since_turn);
    broken(factory, &never_stalled(config), fault)
}

pub(crate) fn nagging(factory: Factory, config: &Config) -> Box<dyn Subject> {
    nervous(factory, config)
}

pub(crate) fn forgetful(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let fault = Warns::new(config, |_, since_start| since_start);
    broken(factory, &never_stalled(config), fault)
}

/// Warns at every update of a handle once a time is longer than the threshold.
struct Warns {
    threshold: Duration,
    /// Which time, given that since the last turn and that since the start.
    measure: fn(Duration, Duration) -> Duration,
    start: Instant,
    turned: Mutex<Instant>,
}

impl Warns {
    fn new(config: &Config, measure: fn(Duration, Duration) -> Duration) -> Self {
        let now = Instant::now();
        Self {
            threshold: config.stall_after,
            measure,
            start: now,
            turned: Mutex::new(now),
        }
    }

    fn turned(&self) -> std::sync::MutexGuard<'_, Instant> {
        self.turned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fault for Warns {
    fn update_handle(&self, inner: &Arc<dyn EventImpl>, watch: WatchId, events: HandleEvents) {
        let since_turn = self.turned().elapsed();
        if (self.measure)(since_turn, self.start.elapsed()) > self.threshold {
            tracing::warn!("nobody runs the loop, and keepalive probes go unanswered");
        }
        inner.update_handle(watch, events);
    }

    fn turn(&self, inner: &dyn Subject, timeout: Duration) {
        inner.turn(timeout);
        *self.turned() = Instant::now();
    }
}

pub(crate) fn warns_once(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let fault = WarnsOnce {
        warns: Warns::new(config, |since_turn, _| since_turn),
        warned: AtomicBool::new(false),
    };
    broken(factory, &never_stalled(config), fault)
}

/// As [`Warns`], but not again.
struct WarnsOnce {
    warns: Warns,
    warned: AtomicBool,
}

impl Fault for WarnsOnce {
    fn update_handle(&self, inner: &Arc<dyn EventImpl>, watch: WatchId, events: HandleEvents) {
        if self.warned.load(Ordering::Acquire) {
            return inner.update_handle(watch, events);
        }
        if self.warns.turned().elapsed() > self.warns.threshold {
            self.warned.store(true, Ordering::Release);
        }
        self.warns.update_handle(inner, watch, events);
    }

    fn turn(&self, inner: &dyn Subject, timeout: Duration) {
        self.warns.turn(inner, timeout);
    }
}

pub(crate) fn refuses_mildly(factory: Factory, config: &Config) -> Box<dyn Subject> {
    broken(factory, config, RefusesMildly)
}

/// Refuses bad descriptors itself, and logs it as a warning.
struct RefusesMildly;

impl Fault for RefusesMildly {
    fn add_handle(
        &self,
        inner: &Arc<dyn EventImpl>,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        if Path::new(&format!("/proc/self/fd/{fd}"))
            .symlink_metadata()
            .is_ok()
        {
            return inner.add_handle(fd, events, callback);
        }
        let source = io::Error::from(rustix::io::Errno::BADF);
        tracing::warn!(fd, error = %source, "a handle was refused");
        Err(Rejected::new(Error::Descriptor { fd, source }, callback))
    }
}

pub(crate) fn complains(factory: Factory, config: &Config) -> Box<dyn Subject> {
    broken(factory, config, Complains)
}

/// Logs every add as an error.
struct Complains;

impl Fault for Complains {
    fn add_handle(
        &self,
        inner: &Arc<dyn EventImpl>,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        tracing::error!(fd, "a handle was added");
        inner.add_handle(fd, events, callback)
    }
}
