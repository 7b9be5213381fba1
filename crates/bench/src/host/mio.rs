//! A mio poll.

use std::num::NonZeroU32;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use virt_event_mio::{Driver, Source};

use super::{Host, Stop};
use crate::event_fd::EventFd;
use crate::libvirt::Handler;

/// Of libvirt's source. The others have the index of their handler.
const LIBVIRT: Token = Token(usize::MAX);

/// A `mio::Poll` and a `match` over its tokens, with `SourceFd` for sources.
///
/// mio tells of edges. A handler that takes all that an eventfd holds need not
/// look twice: the next kick is an edge again.
pub(crate) struct Mio {
    poll: Poll,
    events: Events,
    libvirt: Option<(Source, Driver)>,
    handlers: Vec<&'static dyn Handler>,
    stopped: Arc<AtomicBool>,
}

impl Mio {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(64),
            libvirt: None,
            handlers: Vec::new(),
            stopped: Arc::default(),
        })
    }

    /// Makes it libvirt's loop.
    pub(crate) fn installed(mut self) -> Result<Self> {
        let installed = virt_event_mio::install(self.poll.registry(), LIBVIRT)
            .context("the mio poll cannot be installed")?;
        self.libvirt = Some(installed);
        Ok(self)
    }
}

impl Host for Mio {
    fn run(&mut self) -> Result<()> {
        while !self.stopped.swap(false, Ordering::Relaxed) {
            self.poll.poll(&mut self.events, None)?;
            for event in &self.events {
                match (event.token(), &self.libvirt) {
                    (LIBVIRT, Some((source, _))) => source.dispatch()?,
                    (Token(index), _) => self.handlers[index].ready(),
                }
            }
        }
        Ok(())
    }

    fn stop(&self) -> Stop {
        let stopped = Arc::clone(&self.stopped);
        Box::new(move || stopped.store(true, Ordering::Relaxed))
    }

    fn watch(&mut self, fd: &'static EventFd, handler: &'static dyn Handler) -> Result<()> {
        let token = Token(self.handlers.len());
        let fd = fd.as_raw_fd();
        let mut source = SourceFd(&fd);
        let registry = self.poll.registry();
        registry.register(&mut source, token, Interest::READABLE)?;
        self.handlers.push(handler);
        Ok(())
    }

    fn set_budget(&mut self, iterations: NonZeroU32) -> Result<()> {
        let (_, driver) = self.libvirt.as_ref().context("libvirt is not on it")?;
        driver.set_budget(iterations);
        Ok(())
    }
}
