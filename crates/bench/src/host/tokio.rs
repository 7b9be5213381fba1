//! A tokio runtime.

#![expect(unsafe_code, reason = "tokio wants a promise about the descriptor")]

use std::num::NonZeroU32;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use virt_event_tokio::Driver;

use super::{Host, Stop};
use crate::event_fd::EventFd;
use crate::libvirt::Handler;

/// Threads of the runtime that has several.
const WORKERS: usize = 2;

/// A runtime in `block_on`, and a spawned task with an `AsyncFd` for each
/// source.
pub(crate) struct Tokio {
    runtime: Runtime,
    driver: Option<Driver>,
    stopped: Arc<Notify>,
}

impl Tokio {
    /// Everything runs on the thread that is in `block_on`.
    pub(crate) fn current_thread() -> Result<Self> {
        Self::built(&mut Builder::new_current_thread())
    }

    /// Tasks run on two threads more.
    pub(crate) fn multi_thread() -> Result<Self> {
        Self::built(Builder::new_multi_thread().worker_threads(WORKERS))
    }

    fn built(builder: &mut Builder) -> Result<Self> {
        Ok(Self {
            runtime: builder.enable_io().build()?,
            driver: None,
            stopped: Arc::default(),
        })
    }

    /// Makes it libvirt's loop.
    pub(crate) fn installed(mut self) -> Result<Self> {
        let _context = self.runtime.enter();
        let driver = virt_event_tokio::install().context("the runtime cannot be installed")?;
        drop(_context);
        self.driver = Some(driver);
        Ok(self)
    }
}

impl Host for Tokio {
    fn run(&mut self) -> Result<()> {
        self.runtime.block_on(self.stopped.notified());
        Ok(())
    }

    fn stop(&self) -> Stop {
        let stopped = Arc::clone(&self.stopped);
        Box::new(move || stopped.notify_one())
    }

    fn watch(&mut self, fd: &'static EventFd, handler: &'static dyn Handler) -> Result<()> {
        let _context = self.runtime.enter();
        // SAFETY: the descriptor is owned by `fd`, which lives for ever and
        // cannot replace it.
        let fd = unsafe { AsyncFd::register_with_interest(fd.as_fd(), Interest::READABLE) }
            .context("tokio refused a descriptor")?;
        self.runtime.spawn(serve(fd, handler));
        Ok(())
    }

    fn set_budget(&mut self, iterations: NonZeroU32) -> Result<()> {
        let driver = self.driver.as_ref().context("libvirt is not on it")?;
        driver.set_budget(iterations);
        Ok(())
    }
}

/// Calls `handler` once for each event that the runtime has fetched.
///
/// `AsyncFdReadyGuard::try_io` would keep the readiness after a read, so that
/// a handler which kicks its own descriptor went on for ever: without a system
/// call to wait, but also without a turn for any other task, because
/// `readable` does not count against tokio's budget. One read takes all that
/// an eventfd holds; hence it is not ready after it, and tokio may be told so.
/// A kick that the runtime has heard of since is kept.
async fn serve(fd: AsyncFd<BorrowedFd<'static>>, handler: &'static dyn Handler) {
    while let Ok(mut guard) = fd.readable().await {
        handler.ready();
        guard.clear_ready();
    }
}
