use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use virt_event::{EventImpl, Rejected};

use crate::last_error::initialize;
use crate::probe::{self, Registered};
use crate::{InstallError, trampolines};

/// Makes `implementation` the event loop of libvirt, for the life of this
/// process.
///
/// Applications call this, or the `install` of an adapter, which does; once,
/// at their start, before they open a connection. Libraries never do.
///
/// libvirt ignores a second registration without telling anyone. This does
/// not: it looks for a loop first, registers, and then verifies by calling
/// each of libvirt's six functions that it arrives here. The implementation
/// hears of none of that, and its first call is libvirt's.
///
/// A thread that uses libvirt's functions meanwhile waits until it is decided.
///
/// # Errors
///
/// The implementation comes back with each of them.
///
/// - [`InstallError::AlreadyInstalled`] if one was installed before, or by
///   another thread meanwhile.
/// - [`InstallError::ForeignLoop`] if libvirt has a loop that did not come
///   from here.
/// - [`InstallError::LostRace`] if libvirt got one from elsewhere meanwhile.
/// - [`InstallError::Libvirt`] if libvirt does not work at all.
/// - [`InstallError::Create`] if this process has no file descriptor left.
#[doc(alias = "virEventRegisterImpl")]
pub fn install<T: EventImpl + 'static>(
    implementation: Arc<T>,
) -> Result<(), Rejected<Arc<T>, InstallError>> {
    virt_event::install_with(implementation, || trampolines::while_deciding(register))
}

/// The implementation that is installed, if it was [installed](install) as an
/// `Arc<T>`; otherwise creates one and installs it.
///
/// For the `install` of an adapter, which shares one kind of reactor with the
/// others. `create` is not called if something is installed already.
///
/// # Errors
///
/// - [`InstallError::AlreadyInstalled`] if the installed one is of another
///   type.
/// - [`InstallError::Create`] with the error of `create`.
/// - Those of [`install`].
pub fn installed_or_install<T: EventImpl + 'static>(
    create: impl FnOnce() -> io::Result<Arc<T>>,
) -> Result<Arc<T>, InstallError> {
    if let Some(installed) = virt_event::installed_as() {
        return Ok(installed);
    }
    if virt_event::installed().is_some() {
        return Err(InstallError::AlreadyInstalled);
    }
    let created = create().map_err(InstallError::Create)?;
    match install(Arc::clone(&created)) {
        Ok(()) => Ok(created),
        // Perhaps another thread did the same a moment earlier.
        Err(Rejected {
            error: error @ InstallError::AlreadyInstalled,
            ..
        }) => virt_event::installed_as().ok_or(error),
        Err(Rejected { error, .. }) => Err(error),
    }
}

/// Gives libvirt the trampolines and makes sure that it took them.
fn register() -> Result<(), InstallError> {
    initialize()?;
    // For the loop of somebody else that may get it: some do not expect to be
    // asked for a bad descriptor.
    let (descriptor, _peer) = UnixStream::pair().map_err(InstallError::Create)?;
    match probe::registered() {
        Registered::Nobody => trampolines::register(),
        Registered::Foreign => return Err(InstallError::ForeignLoop),
        // They are left from an attempt that lost a race, or seemed to.
        Registered::Ours => {}
    }
    let reached = probe::reached(descriptor.as_raw_fd());
    if reached.all() {
        Ok(())
    } else {
        Err(InstallError::LostRace { reached })
    }
}
