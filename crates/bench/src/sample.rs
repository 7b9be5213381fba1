//! What one round cost.

use std::fmt;
use std::ops::AddAssign;
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::time::{ClockId, clock_gettime};

/// The cost of one round of a workload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Processor time of every thread of the process.
    pub(crate) cpu: Duration,
    /// Time that passed for the thread that held the [`Stopwatch`].
    pub(crate) wall: Duration,
}

/// A round that is measured in parts.
impl AddAssign for Sample {
    fn add_assign(&mut self, part: Self) {
        self.cpu += part.cpu;
        self.wall += part.wall;
    }
}

/// One of the two times of a [`Sample`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    Cpu,
    Wall,
}

/// The form in which a child sends it: nanoseconds of CPU, a space,
/// nanoseconds of wall time.
impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.cpu.as_nanos(), self.wall.as_nanos())
    }
}

impl FromStr for Sample {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> anyhow::Result<Self> {
        let nanoseconds = |word: &str| Ok::<_, anyhow::Error>(Duration::from_nanos(word.parse()?));
        let (cpu, wall) = line.split_once(' ').context("two numbers were expected")?;
        Ok(Self {
            cpu: nanoseconds(cpu)?,
            wall: nanoseconds(wall)?,
        })
    }
}

/// Measures a [`Sample`] from its creation on.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    cpu: Duration,
    wall: Instant,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self {
            cpu: process_cpu(),
            wall: Instant::now(),
        }
    }

    pub(crate) fn stop(self) -> Sample {
        Sample {
            wall: self.wall.elapsed(),
            cpu: process_cpu().saturating_sub(self.cpu),
        }
    }
}

/// The processor time of this process. The kernel brings the account of every
/// thread up to date for this call, also of those that run right now.
fn process_cpu() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime)
        .try_into()
        .expect("processor time is not negative")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_survives_the_pipe() {
        let sample = Sample {
            cpu: Duration::from_nanos(12),
            wall: Duration::from_secs(3),
        };
        assert_eq!(sample.to_string().parse::<Sample>().unwrap(), sample);
    }

    #[test]
    fn parts_add_up() {
        let part = Sample {
            cpu: Duration::from_nanos(12),
            wall: Duration::from_nanos(34),
        };
        let mut whole = Sample::default();
        whole += part;
        whole += part;
        assert_eq!(whole.to_string(), "24 68");
    }

    #[test]
    fn anything_else_is_refused() {
        for line in ["", "12", "1 2 3", "-1 2", "one two"] {
            assert!(line.parse::<Sample>().is_err(), "{line:?}");
        }
    }

    #[test]
    fn work_is_counted_as_cpu() {
        let stopwatch = Stopwatch::start();
        while process_cpu().saturating_sub(stopwatch.cpu) < Duration::from_millis(1) {}
        let sample = stopwatch.stop();
        assert!(sample.cpu >= Duration::from_millis(1));
        assert!(sample.wall > Duration::ZERO);
    }
}
