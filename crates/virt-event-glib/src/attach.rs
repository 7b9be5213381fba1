use std::sync::Arc;

use glib::{MainContext, Priority};
use virt_event_reactor::{AttachError, Driver, Reactor};

use crate::InstallError;
use crate::source;

/// Drives a reactor from a GLib main context.
pub fn attach(
    reactor: &Arc<Reactor>,
    context: &MainContext,
    priority: Priority,
) -> Result<Driver, AttachError> {
    let attachment = reactor.attach()?;
    let driver = attachment.driver().clone();
    source::attach(attachment, context, priority);
    Ok(driver)
}

/// Makes a GLib main context the loop of libvirt.
pub fn install(context: &MainContext, priority: Priority) -> Result<Driver, InstallError> {
    let reactor = virt_event_libvirt::installed_or_install(Reactor::new)?;
    Ok(attach(&reactor, context, priority)?)
}
