//! Handing a descriptor of ours to tokio: the one unsafe file here.

#![expect(unsafe_code, reason = "tokio wants a promise about the descriptor")]

use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;
use virt_event_reactor::{Attachment, Draining};

use crate::AttachError;

/// A type of the reactor's whose descriptor stays open, and the same, for as
/// long as it lives.
pub(crate) trait Pollable: AsRawFd {}

impl Pollable for Attachment {}
impl Pollable for Draining {}

/// Watches `inner` for reading on the runtime of `handle`.
pub(crate) fn register<T: Pollable>(inner: T, handle: &Handle) -> Result<AsyncFd<T>, AttachError> {
    let _context = handle.enter();
    // tokio has no way to ask whether a runtime does IO; it panics.
    let registered = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the descriptor is the reactor's own, which `Pollable` owns or
        // keeps alive, and never replaces.
        unsafe { AsyncFd::register_with_interest(inner, Interest::READABLE) }
    }));
    match registered {
        Ok(registered) => registered.map_err(|refused| AttachError::Register(refused.into())),
        Err(_) => Err(AttachError::NoIo),
    }
}
