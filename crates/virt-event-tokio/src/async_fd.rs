//! Handing a descriptor of ours to tokio: the one unsafe file here.

#![expect(unsafe_code, reason = "tokio wants a promise about the descriptor")]

use std::mem;
use std::ops::Deref;
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;
use virt_event_reactor::{Attachment, Draining, Reactor};

use crate::AttachError;

/// A type of the reactor's whose descriptor stays open, and the same, for as
/// long as it lives.
pub(crate) trait Pollable: AsRawFd {
    fn reactor(&self) -> &Reactor;
}

impl Pollable for Attachment {
    fn reactor(&self) -> &Reactor {
        self.driver().reactor()
    }
}

impl Pollable for Draining {
    fn reactor(&self) -> &Reactor {
        self.reactor()
    }
}

/// What tokio watches, until it is dropped.
#[derive(Debug)]
pub(crate) struct Watched<T: Pollable>(Option<AsyncFd<T>>);

impl<T: Pollable> Deref for Watched<T> {
    type Target = AsyncFd<T>;

    fn deref(&self) -> &AsyncFd<T> {
        self.0.as_ref().expect("only drop takes it")
    }
}

impl<T: Pollable> Drop for Watched<T> {
    /// A forked child must leave it in the kernel's set, which is its parent's,
    /// too.
    fn drop(&mut self) {
        if self.get_ref().reactor().is_forked() {
            mem::forget(self.0.take());
        }
    }
}

/// Watches `inner` for reading on the runtime of `handle`.
pub(crate) fn register<T: Pollable>(inner: T, handle: &Handle) -> Result<Watched<T>, AttachError> {
    // tokio has no way to ask whether a runtime does IO; it panics, and the
    // panic hook reports it.
    let registered = catch_unwind(AssertUnwindSafe(|| {
        let _context = handle.enter();
        // SAFETY: the descriptor is the reactor's own, which `Pollable` owns or
        // keeps alive, and never replaces.
        unsafe { AsyncFd::register_with_interest(inner, Interest::READABLE) }
    }));
    match registered {
        Ok(Ok(registered)) => Ok(Watched(Some(registered))),
        Ok(Err(refused)) => Err(AttachError::Register(refused.into())),
        Err(panic) => {
            // As with every payload here: what its drop does is anybody's guess.
            mem::forget(panic);
            Err(AttachError::NoIo)
        }
    }
}
