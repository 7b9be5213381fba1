use std::ffi::c_int;
use std::fmt;
use std::time::Duration;

/// How often a timer fires: never, in every iteration of the loop, or about
/// every so many milliseconds.
///
/// libvirt packs these three into one C int, where −1 is *disabled* and 0 is
/// *every iteration*. [`from_raw`](Self::from_raw) and
/// [`to_raw`](Self::to_raw) convert.
///
/// ```
/// use std::time::Duration;
/// use virt_event::Period;
///
/// assert_eq!(Period::from_raw(250), Period::millis(250));
/// assert_eq!(Period::from_raw(-7), Period::DISABLED);
/// // A timer is never early, so a fraction of a millisecond rounds up.
/// assert_eq!(Period::from(Duration::from_micros(1)), Period::millis(1));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Period(c_int);

impl Period {
    /// The timer keeps its id and does not fire.
    pub const DISABLED: Self = Self(-1);

    /// The timer fires once in every iteration of the loop.
    ///
    /// The loop does not sleep while such a timer exists. To run something
    /// once, [disable](Self::DISABLED) or remove the timer in its callback.
    pub const EVERY_ITERATION: Self = Self(0);

    /// About every `millis` milliseconds; 0 is [`EVERY_ITERATION`](Self::EVERY_ITERATION).
    ///
    /// Numbers above `i32::MAX` (24.8 days), which C cannot express, become
    /// `i32::MAX`.
    pub const fn millis(millis: u32) -> Self {
        if millis > c_int::MAX as u32 {
            Self(c_int::MAX)
        } else {
            Self(millis as c_int)
        }
    }

    /// The period that libvirt's C int stands for, in milliseconds. Every
    /// negative number means [`DISABLED`](Self::DISABLED).
    pub const fn from_raw(millis: c_int) -> Self {
        if millis < 0 {
            Self::DISABLED
        } else {
            Self(millis)
        }
    }

    /// The C int that libvirt's functions take: −1, 0, or milliseconds.
    pub const fn to_raw(self) -> c_int {
        self.0
    }

    /// Whether the timer does not fire.
    pub const fn is_disabled(self) -> bool {
        self.0 < 0
    }

    /// The time between two calls; zero for
    /// [`EVERY_ITERATION`](Self::EVERY_ITERATION), `None` when disabled.
    pub const fn duration(self) -> Option<Duration> {
        if self.is_disabled() {
            None
        } else {
            Some(Duration::from_millis(self.0 as u64))
        }
    }
}

/// Rounds up to whole milliseconds, because a timer is never early; longer
/// durations than C can express become `i32::MAX` milliseconds.
impl From<Duration> for Period {
    fn from(duration: Duration) -> Self {
        let millis = duration.as_nanos().div_ceil(1_000_000);
        Self::millis(u32::try_from(millis).unwrap_or(u32::MAX))
    }
}

impl fmt::Debug for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Period({self})")
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::DISABLED => f.write_str("disabled"),
            Self::EVERY_ITERATION => f.write_str("every iteration"),
            Self(millis) => write!(f, "{millis} ms"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_negative_numbers_disable() {
        for raw in [-1, -2, i32::MIN] {
            assert_eq!(Period::from_raw(raw), Period::DISABLED);
            assert_eq!(Period::from_raw(raw).to_raw(), -1);
            assert_eq!(Period::from_raw(raw).duration(), None);
        }
    }

    #[test]
    fn extremes_saturate() {
        assert_eq!(Period::millis(u32::MAX).to_raw(), i32::MAX);
        assert_eq!(Period::from(Duration::MAX).to_raw(), i32::MAX);
        assert_eq!(Period::from(Duration::ZERO), Period::EVERY_ITERATION);
        assert_eq!(Period::from(Duration::from_nanos(1_000_001)).to_raw(), 2);
    }
}
