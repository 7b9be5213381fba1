use std::sync::OnceLock;

use crate::{EventLoop, InstallError, RunError};

/// The loop of [`register_default_impl`]. Never dropped.
static LOOP: OnceLock<EventLoop> = OnceLock::new();

/// Gives libvirt the built-in loop, for the life of the process; run it with
/// [`run_default_impl`]. The counterpart of libvirt's function of that name,
/// for programs that are ported from C or Python.
///
/// # Errors
///
/// - As [`EventLoop::install`]; also when called twice.
#[doc(alias = "virEventRegisterDefaultImpl")]
pub fn register_default_impl() -> Result<(), InstallError> {
    let event_loop = EventLoop::install()?;
    // Had there been one, it would drive the reactor, and `install` refuse.
    let _ = LOOP.set(event_loop);
    Ok(())
}

/// Runs one iteration of the loop of [`register_default_impl`], sleeping
/// without limit until there is something to do;
/// [`Reactor::installed`](crate::Reactor::installed) has the `wake` that ends
/// the sleep from another thread.
///
/// # Errors
///
/// - [`RunError::NotRegistered`] before [`register_default_impl`].
/// - [`RunError::Turn`] as [`EventLoop::run_once`].
///
/// # Panics
///
/// When a callback panics, or its drop. The loop can be run again.
#[doc(alias = "virEventRunDefaultImpl")]
pub fn run_default_impl() -> Result<(), RunError> {
    let event_loop = LOOP.get().ok_or(RunError::NotRegistered)?;
    Ok(event_loop.run_once(None)?)
}
