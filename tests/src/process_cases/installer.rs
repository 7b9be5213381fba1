use std::io;
use std::sync::Arc;

use virt_event::{Error, EventImpl, Period, Rejected, Timer};
use virt_event_libvirt::{InstallError, LibvirtImpl, default_loop};

use super::TestLoop;
use super::declarations::{self, Declaration};

/// What is under examination: the ways into libvirt and out of it. The
/// provided methods are the real ones; a broken installer overrides what it
/// breaks.
pub trait Installer: Sync {
    /// [`virt_event_libvirt::install`].
    fn install(
        &self,
        implementation: Arc<TestLoop>,
    ) -> Result<(), Rejected<Arc<TestLoop>, InstallError>> {
        virt_event_libvirt::install(implementation)
    }

    /// [`virt_event_libvirt::installed_or_install`].
    fn installed_or_install(
        &self,
        create: &dyn Fn() -> io::Result<Arc<TestLoop>>,
    ) -> Result<Arc<TestLoop>, InstallError> {
        virt_event_libvirt::installed_or_install(create)
    }

    /// [`default_loop::register`].
    fn register_default_loop(&self) -> Result<Box<dyn EventImpl>, InstallError> {
        Ok(Box::new(default_loop::register()?))
    }

    /// [`LibvirtImpl::registered`].
    fn registered(&self) -> Option<Box<dyn EventImpl>> {
        Some(Box::new(LibvirtImpl::registered()?))
    }

    /// [`virt_event::add_timeout`], with a callback that does nothing.
    fn add_timeout(&self, period: Period) -> Result<Timer, Error> {
        virt_event::add_timeout(period, || {})
    }

    /// What `virt-event-libvirt` declares of libvirt.
    fn declarations(&self) -> Vec<Declaration> {
        declarations::ours()
    }
}

/// The one that must pass.
pub struct Real;

impl Installer for Real {}
