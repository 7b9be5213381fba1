//! A calloop event loop.

use std::num::NonZeroU32;

use anyhow::{Context, Result, anyhow};
use calloop::generic::Generic;
use calloop::{EventLoop, Interest, Mode, PostAction};
use virt_event_calloop::Driver;

use super::{Host, Stop};
use crate::event_fd::EventFd;
use crate::libvirt::Handler;

/// An `EventLoop` in `run`, with level-triggered `Generic` for sources.
pub(crate) struct Calloop {
    event_loop: EventLoop<'static, ()>,
    driver: Option<Driver>,
}

impl Calloop {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            event_loop: EventLoop::try_new()?,
            driver: None,
        })
    }

    /// Makes it libvirt's loop.
    pub(crate) fn installed(mut self) -> Result<Self> {
        let driver = virt_event_calloop::install(&self.event_loop.handle())
            .context("the calloop event loop cannot be installed")?;
        self.driver = Some(driver);
        Ok(self)
    }
}

impl Host for Calloop {
    fn run(&mut self) -> Result<()> {
        self.event_loop
            .run(None, &mut (), |()| {})
            .context("the calloop event loop failed")
    }

    fn stop(&self) -> Stop {
        let signal = self.event_loop.get_signal();
        Box::new(move || signal.stop())
    }

    fn watch(&mut self, fd: &'static EventFd, handler: &'static dyn Handler) -> Result<()> {
        let source = Generic::new(fd, Interest::READ, Mode::Level);
        let inserted = self
            .event_loop
            .handle()
            .insert_source(source, move |_, _, ()| {
                handler.ready();
                Ok(PostAction::Continue)
            });
        inserted
            .map(drop)
            .map_err(|refused| anyhow!("calloop refused a source: {}", refused.error))
    }

    fn set_budget(&mut self, iterations: NonZeroU32) -> Result<()> {
        let driver = self.driver.as_ref().context("libvirt is not on it")?;
        driver.set_budget(iterations);
        Ok(())
    }
}
