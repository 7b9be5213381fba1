use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Nanoseconds on `CLOCK_MONOTONIC`, never 0.
pub(crate) type Moment = u64;

/// The time, exactly. No system call where the vDSO serves it.
pub(crate) fn now() -> Moment {
    moment(clock_gettime(ClockId::Monotonic))
}

/// The time as of the last clock tick, 1 to 10 ms ago; cheaper than [`now`].
pub(crate) fn now_coarse() -> Moment {
    moment(clock_gettime(ClockId::MonotonicCoarse))
}

/// The moment that lies `duration` after `start`; the end of time if there is
/// no such moment.
pub(crate) fn after(start: Moment, duration: Duration) -> Moment {
    start.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}

pub(super) fn timespec(nanos: u64) -> Timespec {
    Timespec {
        tv_sec: (nanos / 1_000_000_000).try_into().unwrap_or(i64::MAX),
        tv_nsec: (nanos % 1_000_000_000) as _,
    }
}

fn moment(time: Timespec) -> Moment {
    (time.tv_sec as u64) * 1_000_000_000 + time.tv_nsec as u64
}
