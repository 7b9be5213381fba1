//! Our reactor, driven by the built-in loop.

use anyhow::{Context, Result};
use virt_event_loop::EventLoop;

use super::{Host, Stop};

/// `virt_event_loop::EventLoop`, by `run` and `stop`.
pub(crate) struct Builtin(EventLoop);

impl Builtin {
    pub(crate) fn install() -> Result<Self> {
        let event_loop = EventLoop::install().context("the built-in loop cannot be installed")?;
        Ok(Self(event_loop))
    }
}

impl Host for Builtin {
    fn run(&mut self) -> Result<()> {
        self.0.run().context("the built-in loop failed")
    }

    fn stop(&self) -> Stop {
        let handle = self.0.handle();
        Box::new(move || handle.stop())
    }
}
