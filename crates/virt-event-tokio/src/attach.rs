use std::sync::Arc;

use tokio::runtime::Handle;
use virt_event_reactor::Reactor;

use crate::{AttachError, Drive, Driver, InstallError};

/// Drives a reactor on the current runtime.
pub fn attach(reactor: &Arc<Reactor>) -> Result<Driver, AttachError> {
    let handle = Handle::try_current().map_err(|_| AttachError::NoRuntime)?;
    attach_on(reactor, &handle)
}

/// Drives a reactor on a given runtime.
pub fn attach_on(reactor: &Arc<Reactor>, handle: &Handle) -> Result<Driver, AttachError> {
    let drive = Drive::on(reactor, handle)?;
    let driver = drive.driver().clone();
    handle.spawn(drive);
    Ok(driver)
}

/// Makes the current runtime the loop of libvirt.
pub fn install() -> Result<Driver, InstallError> {
    let handle = Handle::try_current().map_err(|_| AttachError::NoRuntime)?;
    install_on(&handle)
}

/// Makes a given runtime the loop of libvirt.
pub fn install_on(handle: &Handle) -> Result<Driver, InstallError> {
    let reactor = virt_event_libvirt::installed_or_install(Reactor::new)?;
    Ok(attach_on(&reactor, handle)?)
}
