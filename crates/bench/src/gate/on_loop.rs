//! A loop, and a gate that it watches.

use anyhow::Result;

use super::Gate;
use crate::host::{Entry, Stop};
use crate::libvirt::Handler;
use crate::sample::{Sample, Whose};

/// A loop beside which another thread makes calls.
pub(crate) struct OnLoop {
    entry: Entry,
    watched: &'static Watched,
}

struct Watched {
    gate: Gate,
    stop: Stop,
}

impl OnLoop {
    pub(crate) fn new(mut entry: Entry) -> Result<Self> {
        let watched: &'static Watched = Box::leak(Box::new(Watched {
            gate: Gate::new()?,
            stop: entry.host.stop(),
        }));
        entry.watch(watched.gate.control(), watched)?;
        Ok(Self { entry, watched })
    }

    /// Makes the calls on another thread while this one runs the loop.
    pub(crate) fn round(
        &mut self,
        operations: u64,
        whose: Whose,
        call: impl FnMut() -> Result<()> + Send,
    ) -> Result<Sample> {
        let gate = &self.watched.gate;
        gate.round(operations, whose, || self.entry.host.run(), call)
    }
}

impl Handler for Watched {
    fn ready(&'static self) {
        if self.gate.ready() {
            (self.stop)();
        }
    }
}
