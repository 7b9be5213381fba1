use std::io;
use std::sync::Arc;

use tokio::runtime::Handle;
use virt_event_reactor::Reactor;

use crate::{AttachError, Drive, Driver, InstallError};

/// Makes the current runtime the loop of libvirt: gives libvirt a reactor, and
/// spawns a task that drives it. Call this once, before the first connection is
/// opened. Applications call it; libraries never do.
///
/// If a reactor of ours is installed already and nobody drives it any more,
/// because its runtime is gone or its driver was detached, the new task drives
/// that one.
///
/// Inside a `LocalSet` the task is one of the runtime all the same, not one of
/// the set.
///
/// # Errors
///
/// - [`InstallError::Attach`] if there is no runtime here, if it does no IO, or
///   if our reactor is installed and has a driver. libvirt may have got our
///   reactor by then; another driver can still be attached to it.
/// - [`InstallError::Libvirt`] if libvirt has another loop already, or the
///   system has no descriptors to give.
#[doc(alias = "virEventRegisterImpl")]
pub fn install() -> Result<Driver, InstallError> {
    install_on(&current()?)
}

/// As [`install`], on a given runtime; from any thread, inside a runtime or not.
///
/// A current-thread runtime runs its tasks only inside `Runtime::block_on`, the
/// driver among them.
///
/// # Errors
///
/// - As [`install`]; also [`InstallError::Attach`] if the runtime has been shut
///   down.
#[doc(alias = "virEventRegisterImpl")]
pub fn install_on(handle: &Handle) -> Result<Driver, InstallError> {
    Ok(attach_on(&installed_reactor()?, handle)?)
}

/// Drives a reactor on the current runtime, without telling libvirt.
///
/// # Errors
///
/// - [`AttachError::NoRuntime`] outside of a runtime.
/// - As [`attach_on`].
pub fn attach(reactor: &Arc<Reactor>) -> Result<Driver, AttachError> {
    attach_on(reactor, &current()?)
}

/// Drives a reactor on a given runtime, without telling libvirt; from any
/// thread, inside a runtime or not.
///
/// # Errors
///
/// - [`AttachError::Reactor`] while the reactor has another driver, or in a
///   forked child.
/// - [`AttachError::NoIo`] if the runtime was built without IO.
/// - [`AttachError::Register`] if the runtime has been shut down, or the kernel
///   refuses.
pub fn attach_on(reactor: &Arc<Reactor>, handle: &Handle) -> Result<Driver, AttachError> {
    let drive = Drive::spawned_on(reactor, handle)?;
    let driver = drive.driver().clone();
    handle.spawn(drive);
    // A runtime that is shutting down drops a new task at once.
    if driver.is_attached() {
        Ok(driver)
    } else {
        let error = io::Error::other("the tokio runtime has been shut down");
        Err(AttachError::Register(error))
    }
}

/// The reactor that libvirt has, or has from now on.
pub(crate) fn installed_reactor() -> Result<Arc<Reactor>, InstallError> {
    Ok(virt_event_libvirt::installed_or_install(Reactor::new)?)
}

pub(crate) fn current() -> Result<Handle, AttachError> {
    Handle::try_current().map_err(|_| AttachError::NoRuntime)
}
