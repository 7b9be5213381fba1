use std::sync::Arc;

use glib::{MainContext, Priority};
use virt_event_reactor::{AttachError, Driver, Reactor};

use crate::InstallError;
use crate::source;

/// Makes a GLib main context the loop of libvirt: once per process, and before
/// the first connection is opened. Applications call this; libraries never do.
///
/// Whichever thread runs `context` runs libvirt's callbacks. It need not be the
/// calling thread, and it need not run yet. [`Priority::DEFAULT`] suits most
/// programs; see [Priority](crate#priority).
///
/// If a reactor of ours is installed already and nobody drives it any more,
/// this drives it.
///
/// ```
/// use std::time::Duration;
///
/// use virt::connect::Connect;
/// use virt_event_glib::glib::{MainContext, Priority};
///
/// let driver = virt_event_glib::install(&MainContext::default(), Priority::DEFAULT)?;
/// let connection = Connect::open(Some("test:///default"))?;
/// // … run the main loop …
/// drop(connection); // and every object made from it
/// driver.drain(Duration::from_secs(5))?; // nothing is left behind
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// - [`InstallError::Libvirt`] if libvirt has another loop already, or the
///   system has no descriptors to give.
/// - [`InstallError::Attach`] if our reactor is installed and has a driver.
#[doc(alias = "virEventRegisterImpl")]
#[doc(alias = "gvir_event_register")]
pub fn install(context: &MainContext, priority: Priority) -> Result<Driver, InstallError> {
    let reactor = virt_event_libvirt::installed_or_install(Reactor::new)?;
    Ok(attach(&reactor, context, priority)?)
}

/// Drives a reactor from a GLib main context, without telling libvirt.
///
/// One source is added to `context`, named `virt-event-glib`. It stays until
/// [`Driver::detach`], or until the context is freed, which detaches. Adding it
/// works from any thread, and wakes the context. Dropping the [`Driver`] changes
/// nothing.
///
/// # Errors
///
/// - [`AttachError::AlreadyAttached`] while the reactor has another driver.
/// - [`AttachError::Forked`] in a child process.
#[doc(alias = "g_source_attach")]
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
