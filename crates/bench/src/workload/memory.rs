//! What a loop keeps in memory for a watch or a timer: by how much the resident
//! memory of the process grows when there are 10,000 of them and the loop has
//! turned a few times, with what it keeps for `poll(2)`.
//!
//! The callbacks are static, so that all that grows is the loop's. A round is
//! the only one of its process.

use std::fmt;
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};

use super::Rounds;
use crate::event_fd::EventFd;
use crate::host::{Entry, Host, Stop};
use crate::libvirt::{self, Handler, READABLE, Silent};
use crate::sample::{Extra, Sample, Stopwatch};

/// As many as there are.
pub(super) const COUNT: u64 = 10_000;

/// As many come and go before, so that the code and what a loop needs for any
/// are in memory.
const BEFORE: usize = 16;

/// Turns of the loop before memory is looked at.
const TURNS: u64 = 4;

/// An hour, which no round takes.
const NEVER: i32 = 3_600_000;

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Each of a descriptor of its own
    Watch,
    /// Of an hour
    Timer,
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Watch => "watch",
            Self::Timer => "timer",
        })
    }
}

/// A loop, and what is to be added to it.
pub(super) struct OnLibvirt {
    host: Box<dyn Host>,
    kept: Kept,
    turning: &'static Turning,
    /// Where watches are kept.
    descriptors: &'static [EventFd],
}

/// Lets the loop turn a few times.
struct Turning {
    kick: EventFd,
    left: AtomicU64,
    stop: Stop,
}

impl OnLibvirt {
    pub(super) fn new(entry: Entry, kept: Kept) -> Result<Self> {
        let turning: &'static Turning = Box::leak(Box::new(Turning {
            kick: EventFd::new()?,
            left: AtomicU64::new(0),
            stop: entry.host.stop(),
        }));
        libvirt::add_handle(&turning.kick, READABLE, turning)?;
        let descriptors = match kept {
            Kept::Watch => COUNT as u32,
            Kept::Timer => 0,
        };
        Ok(Self {
            host: entry.host,
            kept,
            turning,
            descriptors: EventFd::idle(descriptors)?.leak(),
        })
    }

    /// Adds one of them.
    fn add(&self, index: usize) -> Result<i32> {
        match self.kept {
            Kept::Watch => {
                let fd = self.descriptors.get(index).context("there are no more")?;
                libvirt::add_handle(fd, READABLE, &Silent)
            }
            Kept::Timer => libvirt::add_timeout(NEVER, &Silent),
        }
    }

    fn come_and_go(&mut self) -> Result<()> {
        let added = (0..BEFORE).map(|index| self.add(index));
        for id in added.collect::<Result<Vec<_>>>()? {
            match self.kept {
                Kept::Watch => libvirt::remove_handle(id)?,
                Kept::Timer => libvirt::remove_timeout(id)?,
            }
        }
        self.turn()
    }

    fn turn(&mut self) -> Result<()> {
        self.turning.left.store(TURNS, Ordering::Relaxed);
        self.turning.kick.add(1);
        self.host.run()
    }
}

impl Rounds for OnLibvirt {
    fn round(&mut self, operations: u64) -> Result<Sample> {
        self.come_and_go()?;
        let before = resident()?;
        let stopwatch = Stopwatch::start();
        for index in 0..operations as usize {
            self.add(index)?;
        }
        let sample = stopwatch.stop();
        self.turn()?;
        let after = resident()?;
        // A page or two may go at any time, but not thousands.
        ensure!(
            operations < COUNT || after > before,
            "the resident memory did not grow"
        );
        Ok(Sample {
            extra: Extra::Bytes(after.saturating_sub(before)),
            ..sample
        })
    }
}

impl Handler for Turning {
    fn ready(&'static self) {
        self.kick.take();
        let left = self.left.load(Ordering::Relaxed) - 1;
        self.left.store(left, Ordering::Relaxed);
        if left > 0 {
            self.kick.add(1);
        } else {
            (self.stop)();
        }
    }
}

/// The resident memory of this process, in bytes. Unlike `statm`, whose counters
/// may lag behind, the kernel counts the pages for this one.
fn resident() -> Result<u64> {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup")
        .context("the kernel does not say how much memory is resident")?;
    kibibytes(&rollup, "Rss:")
        .map(|kibibytes| kibibytes * 1024)
        .context("the kernel names no resident memory")
}

fn kibibytes(rollup: &str, key: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resident_memory_is_read() {
        let rollup = "00400000-7ffd [rollup]\nRss:                1234 kB\nPss:   9 kB\n";
        assert_eq!(kibibytes(rollup, "Rss:"), Some(1234));
        assert_eq!(kibibytes(rollup, "Swap:"), None);
    }

    #[test]
    fn memory_that_is_written_to_is_resident() {
        const LENGTH: usize = 8 << 20;
        let before = resident().unwrap();
        let memory = std::hint::black_box(vec![1_u8; LENGTH]);
        let after = resident().unwrap();
        assert!(after >= before + LENGTH as u64 / 2, "{before} {after}");
        drop(memory);
    }
}
