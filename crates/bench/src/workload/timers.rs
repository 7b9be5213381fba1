//! 10,000 timers of 100 ms: the processor time of a call, and how late the
//! calls come.
//!
//! The timers stay set between rounds. A round begins with as many calls as there
//! are timers, which are not measured: all of them, since all are overdue by then,
//! and their next deadlines count from there. What is measured is the calls after
//! these. Every eighth timer looks at the clock: that is enough to see how late
//! they are, and what looking costs does not make up the figure.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::Rounds;
use crate::host::{Entry, Host, Stop};
use crate::libvirt::{self, Handler};
use crate::sample::{Extra, Lateness, Sample, Stopwatch};

/// Timers.
pub(super) const COUNT: u64 = 10_000;

/// Milliseconds.
const PERIOD: i32 = 100;

/// Timers for each one that looks at the clock.
const LOOKS: u64 = 8;

/// When timers are due beside each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phases {
    /// As they were set one after the other: all at about the same time
    Together,
    /// A few each millisecond: they have 100 to 199 ms
    Spread,
}

impl Phases {
    /// Milliseconds.
    fn period(self, timer: u64) -> i32 {
        match self {
            Self::Together => PERIOD,
            Self::Spread => PERIOD + (timer % 100) as i32,
        }
    }
}

impl fmt::Display for Phases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Together => "together",
            Self::Spread => "spread",
        })
    }
}

/// The timers, by `virEventAddTimeout`.
pub(super) struct OnLibvirt {
    host: Box<dyn Host>,
    crowd: &'static Crowd,
}

/// What all timers share, and the handler of those that do not look at the
/// clock.
struct Crowd {
    /// Calls that this round still has to see. Touched by the loop's thread
    /// only.
    left: AtomicU64,
    stop: Stop,
    /// The beginning of time.
    began: Instant,
    /// How late each call was that was timed in this round. Locked by the loop's
    /// thread while it runs.
    late: Mutex<Vec<Duration>>,
}

/// The handler of a timer that looks at the clock.
struct Timed {
    crowd: &'static Crowd,
    period: Duration,
    /// When it was set or called last, in nanoseconds since `began`.
    last: AtomicU64,
}

impl OnLibvirt {
    pub(super) fn new(entry: Entry, phases: Phases) -> Result<Self> {
        let crowd: &'static Crowd = Box::leak(Box::new(Crowd {
            left: AtomicU64::new(0),
            stop: entry.host.stop(),
            began: Instant::now(),
            late: Mutex::default(),
        }));
        for index in 0..COUNT {
            let period = phases.period(index);
            if index.is_multiple_of(LOOKS) {
                libvirt::add_timeout(period, Timed::new(crowd, period))?;
            } else {
                libvirt::add_timeout(period, crowd)?;
            }
        }
        Ok(Self {
            host: entry.host,
            crowd,
        })
    }

    /// Turns the loop for so many calls, and returns how late they were.
    fn run(&mut self, calls: u64) -> Result<Vec<Duration>> {
        self.crowd.left.store(calls, Ordering::Relaxed);
        self.host.run()?;
        Ok(std::mem::take(&mut *self.crowd.late()))
    }
}

impl Rounds for OnLibvirt {
    fn round(&mut self, operations: u64) -> Result<Sample> {
        // They know now when they were called last.
        self.run(COUNT)?;
        let stopwatch = Stopwatch::start();
        let late = self.run(operations)?;
        let sample = stopwatch.stop();
        Ok(Sample {
            extra: if late.is_empty() {
                Extra::Nothing
            } else {
                Extra::Late(Lateness::of(late))
            },
            ..sample
        })
    }
}

impl Crowd {
    fn now(&self) -> u64 {
        self.began.elapsed().as_nanos() as u64
    }

    fn late(&self) -> std::sync::MutexGuard<'_, Vec<Duration>> {
        self.late.lock().expect("nobody panics with it")
    }
}

impl Handler for Crowd {
    fn ready(&'static self) {
        // A turn may have several iterations, the last ones after the stop.
        let left = self.left.load(Ordering::Relaxed);
        self.left.store(left.saturating_sub(1), Ordering::Relaxed);
        if left == 1 {
            (self.stop)();
        }
    }
}

impl Timed {
    fn new(crowd: &'static Crowd, period: i32) -> &'static Self {
        Box::leak(Box::new(Self {
            crowd,
            period: Duration::from_millis(period.unsigned_abs().into()),
            last: AtomicU64::new(crowd.now()),
        }))
    }
}

impl Handler for Timed {
    fn ready(&'static self) {
        let now = self.crowd.now();
        let last = self.last.swap(now, Ordering::Relaxed);
        let late = Duration::from_nanos(now - last).saturating_sub(self.period);
        self.crowd.late().push(late);
        self.crowd.ready();
    }
}
