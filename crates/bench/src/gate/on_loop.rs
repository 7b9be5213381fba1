//! The loop that is registered with libvirt, and a gate that it watches.

use anyhow::Result;

use super::Gate;
use crate::host::{Host, Stop};
use crate::libvirt::{self, Handler, READABLE};
use crate::sample::Sample;

/// A libvirt loop beside which another thread calls libvirt's functions.
pub(crate) struct OnLibvirt {
    host: Box<dyn Host>,
    watched: &'static Watched,
}

struct Watched {
    gate: Gate,
    stop: Stop,
}

impl OnLibvirt {
    pub(crate) fn new(host: Box<dyn Host>) -> Result<Self> {
        let watched = Box::leak(Box::new(Watched {
            gate: Gate::new()?,
            stop: host.stop(),
        }));
        libvirt::add_handle(watched.gate.control(), READABLE, watched)?;
        Ok(Self { host, watched })
    }

    /// Makes the calls on another thread while this one runs the loop.
    pub(crate) fn round(
        &mut self,
        operations: u64,
        call: impl FnMut() -> Result<()> + Send,
    ) -> Result<Sample> {
        let gate = &self.watched.gate;
        gate.round(operations, || self.host.run(), call)
    }
}

impl Handler for Watched {
    fn ready(&'static self) {
        if self.gate.ready() {
            (self.stop)();
        }
    }
}
