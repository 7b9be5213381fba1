//! What one round cost.

use std::fmt;
use std::ops::AddAssign;
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::bail;
use rustix::time::{ClockId, clock_gettime};

/// The cost of one round of a workload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Processor time of every thread of the process, or of the one that the
    /// [`Stopwatch`] is about.
    pub(crate) cpu: Duration,
    /// Time that passed for the thread that held the [`Stopwatch`].
    pub(crate) wall: Duration,
    /// What besides.
    pub(crate) extra: Extra,
}

/// What some workloads measure besides time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Extra {
    #[default]
    Nothing,
    /// By how much the resident memory of the process grew.
    Bytes(u64),
    /// How late timers fired.
    Late(Lateness),
}

/// How late the timers of a round fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lateness {
    /// Half of them were not later.
    pub(crate) p50: Duration,
    /// 99 of 100 were not later.
    pub(crate) p99: Duration,
    /// The latest.
    pub(crate) p100: Duration,
}

/// A round whose time is measured in parts.
impl AddAssign for Sample {
    fn add_assign(&mut self, part: Self) {
        self.cpu += part.cpu;
        self.wall += part.wall;
    }
}

/// What of a [`Sample`] counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantity {
    CpuTime,
    WallTime,
    Memory,
}

/// The form in which a child sends it: nanoseconds of CPU and of wall time,
/// then `bytes` and their number, or `late` and three times in nanoseconds.
impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.cpu.as_nanos(), self.wall.as_nanos())?;
        match self.extra {
            Extra::Nothing => Ok(()),
            Extra::Bytes(bytes) => write!(f, " bytes {bytes}"),
            Extra::Late(Lateness { p50, p99, p100 }) => {
                let [p50, p99, p100] = [p50, p99, p100].map(|time| time.as_nanos());
                write!(f, " late {p50} {p99} {p100}")
            }
        }
    }
}

impl FromStr for Sample {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> anyhow::Result<Self> {
        let time = |word: &str| Ok::<_, anyhow::Error>(Duration::from_nanos(word.parse()?));
        let words: Vec<_> = line.split(' ').collect();
        let [cpu, wall, rest @ ..] = &*words else {
            bail!("two numbers were expected");
        };
        let extra = match rest {
            [] => Extra::Nothing,
            ["bytes", bytes] => Extra::Bytes(bytes.parse()?),
            ["late", p50, p99, p100] => Extra::Late(Lateness {
                p50: time(p50)?,
                p99: time(p99)?,
                p100: time(p100)?,
            }),
            _ => bail!("after two numbers bytes or lateness were expected"),
        };
        Ok(Self {
            cpu: time(cpu)?,
            wall: time(wall)?,
            extra,
        })
    }
}

impl Lateness {
    /// That of all these.
    ///
    /// # Panics
    ///
    /// - If there are none.
    pub(crate) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        // The smallest that is not exceeded by more than the rest of a hundred.
        let percentile = |percent: usize| times[(times.len() * percent).div_ceil(100) - 1];
        Self {
            p50: percentile(50),
            p99: percentile(99),
            p100: percentile(100),
        }
    }

    /// Of each of the three, the one in the middle of these.
    ///
    /// # Panics
    ///
    /// - If there are none.
    pub(crate) fn median(of: &[Self]) -> Self {
        let middle = |time: fn(&Self) -> Duration| {
            let mut times: Vec<_> = of.iter().map(time).collect();
            times.sort_unstable();
            times[times.len() / 2]
        };
        Self {
            p50: middle(|late| late.p50),
            p99: middle(|late| late.p99),
            p100: middle(|late| late.p100),
        }
    }
}

/// Whose processor time counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Of every thread of the process. The kernel brings the account of each up
    /// to date when it is asked, also of those that run right now.
    Process,
    /// Of the thread that holds the stopwatch: what others do meanwhile is not
    /// its business.
    Thread,
}

/// Measures a [`Sample`] from its creation on.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    whose: Whose,
    cpu: Duration,
    wall: Instant,
}

impl Stopwatch {
    /// Of the process.
    pub(crate) fn start() -> Self {
        Self::of(Whose::Process)
    }

    pub(crate) fn of(whose: Whose) -> Self {
        Self {
            whose,
            cpu: whose.cpu(),
            wall: Instant::now(),
        }
    }

    pub(crate) fn stop(self) -> Sample {
        Sample {
            wall: self.wall.elapsed(),
            cpu: self.whose.cpu().saturating_sub(self.cpu),
            extra: Extra::Nothing,
        }
    }
}

impl Whose {
    fn cpu(self) -> Duration {
        let clock = match self {
            Self::Process => ClockId::ProcessCPUTime,
            Self::Thread => ClockId::ThreadCPUTime,
        };
        clock_gettime(clock)
            .try_into()
            .expect("processor time is not negative")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_survives_the_pipe() {
        let time = Duration::from_nanos;
        let late = Lateness {
            p50: time(1),
            p99: time(2),
            p100: time(3),
        };
        for extra in [Extra::Nothing, Extra::Bytes(4096), Extra::Late(late)] {
            let sample = Sample {
                cpu: time(12),
                wall: Duration::from_secs(3),
                extra,
            };
            assert_eq!(sample.to_string().parse::<Sample>().unwrap(), sample);
        }
    }

    #[test]
    fn percentiles_are_those_of_the_values() {
        let times = |count: u64| (1..=count).rev().map(Duration::from_nanos).collect();
        let late = Lateness::of(times(1_000));
        let nanoseconds = [late.p50, late.p99, late.p100].map(|time| time.as_nanos());
        assert_eq!(nanoseconds, [500, 990, 1_000]);
        let late = Lateness::of(times(1));
        assert_eq!((late.p50, late.p100), (late.p99, late.p99));
    }

    #[test]
    fn parts_add_up() {
        let part = Sample {
            cpu: Duration::from_nanos(12),
            wall: Duration::from_nanos(34),
            extra: Extra::Nothing,
        };
        let mut whole = Sample::default();
        whole += part;
        whole += part;
        assert_eq!(whole.to_string(), "24 68");
    }

    #[test]
    fn anything_else_is_refused() {
        for line in [
            "",
            "12",
            "1 2 3",
            "-1 2",
            "one two",
            "1 2 bytes",
            "1 2 late 3 4",
        ] {
            assert!(line.parse::<Sample>().is_err(), "{line:?}");
        }
    }

    #[test]
    fn work_is_counted_as_cpu() {
        for whose in [Whose::Process, Whose::Thread] {
            let stopwatch = Stopwatch::of(whose);
            while whose.cpu().saturating_sub(stopwatch.cpu) < Duration::from_millis(1) {}
            let sample = stopwatch.stop();
            assert!(sample.cpu >= Duration::from_millis(1));
            assert!(sample.wall > Duration::ZERO);
        }
    }

    #[test]
    fn the_work_of_another_thread_is_not_the_own() {
        let (process, thread) = (Stopwatch::start(), Stopwatch::of(Whose::Thread));
        let work = || {
            let before = Whose::Thread.cpu();
            while Whose::Thread.cpu() - before < Duration::from_millis(50) {}
        };
        std::thread::spawn(work).join().unwrap();
        assert!(process.stop().cpu >= Duration::from_millis(50));
        assert!(thread.stop().cpu < Duration::from_millis(50));
    }
}
