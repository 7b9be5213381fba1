//! Real calls to a real libvirtd, made by another thread while the loop waits.
//! libvirt switches the interest of its watch off before such a call and on
//! after it, so that a call costs a loop something although the loop has no
//! part in it; what counts is the processor time of the client.
//!
//! Each calling thread has a connection of its own: libvirt 9.0 may never send
//! the second of two calls on one connection.

use std::fmt;
use std::thread;

use anyhow::Result;
use virt::connect::Connect;

use super::Rounds;
use super::connection::{call, open};
use crate::gate;
use crate::host::Entry;
use crate::sample::{Sample, Stopwatch, Whose};

/// What there is besides the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    /// One thread calls, on the one connection that there is
    Nothing,
    /// So many other connections, on which nothing happens
    Idle(u32),
    /// So many threads call in all
    Threads(u32),
}

impl Beside {
    fn idle(self) -> u32 {
        match self {
            Self::Idle(connections) => connections,
            Self::Nothing | Self::Threads(_) => 0,
        }
    }

    fn callers(self) -> u32 {
        match self {
            Self::Threads(threads) => threads,
            Self::Nothing | Self::Idle(_) => 1,
        }
    }
}

impl fmt::Display for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("alone"),
            Self::Idle(connections) => write!(f, "idle-{connections}"),
            Self::Threads(threads) => write!(f, "threads-{threads}"),
        }
    }
}

/// One connection for each thread that calls.
struct Callers(Vec<Connect>);

impl Callers {
    /// Opens these, and the idle ones, which stay as long as the process.
    fn new(uri: &str, beside: Beside) -> Result<Self> {
        for _ in 0..beside.idle() {
            Box::leak(Box::new(open(uri)?));
        }
        let callers = (0..beside.callers()).map(|_| open(uri));
        Ok(Self(callers.collect::<Result<_>>()?))
    }

    /// Makes so many calls in all.
    fn call(&self, calls: u64) -> Result<()> {
        let [first, others @ ..] = &*self.0 else {
            return Ok(());
        };
        let share = calls / self.0.len() as u64;
        let calling = |caller: &Connect, calls| (0..calls).try_for_each(|_| call(caller));
        thread::scope(|scope| {
            let others: Vec<_> = others
                .iter()
                .map(|caller| scope.spawn(move || calling(caller, share)))
                .collect();
            let rest = calls - share * others.len() as u64;
            let called = calling(first, rest);
            others.into_iter().fold(called, |called, other| {
                called.and(other.join().expect("a call does not panic"))
            })
        })
    }
}

/// A client that has no loop: libvirt does without one where nothing comes
/// unasked.
pub(super) struct WithoutLoop(Callers);

impl WithoutLoop {
    pub(super) fn new(uri: &str, beside: Beside) -> Result<Self> {
        Ok(Self(Callers::new(uri, beside)?))
    }
}

impl Rounds for WithoutLoop {
    fn round(&mut self, operations: u64) -> Result<Sample> {
        let stopwatch = Stopwatch::start();
        self.0.call(operations)?;
        Ok(stopwatch.stop())
    }
}

/// A client whose loop waits on another thread.
pub(super) struct OnLibvirt {
    gated: gate::OnLoop,
    callers: Callers,
}

impl OnLibvirt {
    pub(super) fn new(entry: Entry, uri: &str, beside: Beside) -> Result<Self> {
        Ok(Self {
            gated: gate::OnLoop::new(entry)?,
            callers: Callers::new(uri, beside)?,
        })
    }
}

impl Rounds for OnLibvirt {
    fn round(&mut self, operations: u64) -> Result<Sample> {
        let callers = &self.callers;
        self.gated
            .round(1, Whose::Process, || callers.call(operations))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_there_is_besides() {
        assert_eq!(Beside::Nothing.to_string(), "alone");
        assert_eq!(Beside::Idle(500).to_string(), "idle-500");
        assert_eq!(Beside::Threads(4).to_string(), "threads-4");
        assert_eq!(Beside::Threads(4).callers(), 4);
        assert_eq!((Beside::Idle(5).callers(), Beside::Idle(5).idle()), (1, 5));
    }
}
