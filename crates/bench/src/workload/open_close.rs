//! A connection to a libvirtd that is opened and closed by another thread while
//! the loop runs. It comes with a watch and timers, which the loop frees.

use anyhow::Result;

use super::Rounds;
use super::connection::open;
use crate::gate;
use crate::host::Entry;
use crate::sample::{Sample, Stopwatch, Whose};

/// A client that has no loop.
pub(super) struct WithoutLoop {
    uri: String,
}

impl WithoutLoop {
    pub(super) fn new(uri: &str) -> Result<Self> {
        Ok(Self {
            uri: uri.to_owned(),
        })
    }
}

impl Rounds for WithoutLoop {
    fn round(&mut self, operations: u64) -> Result<Sample> {
        let stopwatch = Stopwatch::start();
        (0..operations).try_for_each(|_| open_and_close(&self.uri))?;
        Ok(stopwatch.stop())
    }
}

/// A client with a loop.
pub(super) struct OnLibvirt {
    gated: gate::OnLoop,
    uri: String,
}

impl OnLibvirt {
    pub(super) fn new(entry: Entry, uri: &str) -> Result<Self> {
        Ok(Self {
            gated: gate::OnLoop::new(entry)?,
            uri: uri.to_owned(),
        })
    }
}

impl Rounds for OnLibvirt {
    fn round(&mut self, operations: u64) -> Result<Sample> {
        let uri = &self.uri;
        self.gated
            .round(operations, Whose::Process, || open_and_close(uri))
    }
}

fn open_and_close(uri: &str) -> Result<()> {
    // The drop of the only reference is `virConnectClose`.
    open(uri).map(drop)
}
