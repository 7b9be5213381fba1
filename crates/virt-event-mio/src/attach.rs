use std::sync::Arc;

use mio::{Interest, Registry, Token};
use virt_event_reactor::{Driver, Reactor};

use crate::{AttachError, InstallError, Source};

/// Drives a reactor from a `mio::Poll`, without telling libvirt.
///
/// Whenever `token` fires, [`Source::dispatch`] **must** be called. Dropping
/// the [`Driver`] changes nothing; dropping the [`Source`] ends it.
///
/// # Errors
///
/// - [`AttachError::Reactor`] if the reactor has a driver, or belongs to the
///   parent of this process.
/// - [`AttachError::Register`] if mio or the kernel refuses.
pub fn attach(
    reactor: &Arc<Reactor>,
    registry: &Registry,
    token: Token,
) -> Result<(Source, Driver), AttachError> {
    let mut source = Source::new(reactor)?;
    registry
        .register(&mut source, token, Interest::READABLE)
        .map_err(AttachError::Register)?;
    let driver = source.driver().clone();
    Ok((source, driver))
}

/// Makes a `mio::Poll` the loop of libvirt, once per process and before the
/// first connection is opened. Applications call this; libraries never do.
///
/// Whenever `token` fires, [`Source::dispatch`] **must** be called. Keep the
/// [`Source`]: with `let (_, driver) = install(…)` it is dropped at once, and
/// nobody runs the loop; the [`Driver`] does not keep it. If a reactor of ours is installed already and nobody drives it any more, for
/// instance because its source was dropped, this drives it.
///
/// # Errors
///
/// - [`InstallError::Libvirt`] if libvirt has another loop already, or the
///   system has no descriptors to give.
/// - [`InstallError::Attach`] as [`attach`]; among others if our reactor is
///   installed and has a driver.
#[doc(alias = "virEventRegisterImpl")]
pub fn install(registry: &Registry, token: Token) -> Result<(Source, Driver), InstallError> {
    let reactor = virt_event_libvirt::installed_or_install(Reactor::new)?;
    Ok(attach(&reactor, registry, token)?)
}
