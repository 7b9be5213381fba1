//! Installers that each break one thing.

#![allow(unsafe_code, reason = "one looks at libvirt's last error too early")]

use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use virt::sys;
use virt_event::{
    Error, EventImpl, HandleCallback, HandleEvents, Period, Rejected, TimeoutCallback, Timer,
    TimerId, WatchId,
};
use virt_event_libvirt::InstallError;

use super::c::{self, Opaque};
use super::declarations::{self, Declaration};
use super::{Installer, Real, TestLoop};

type Installed = Result<(), Rejected<Arc<TestLoop>, InstallError>>;

/// Says yes to everybody, whatever happened.
pub(super) struct SaysYes;

impl Installer for SaysYes {
    fn install(&self, implementation: Arc<TestLoop>) -> Installed {
        drop(Real.install(implementation));
        Ok(())
    }

    fn register_default_loop(&self) -> Result<Box<dyn EventImpl>, InstallError> {
        Ok(Real
            .register_default_loop()
            .unwrap_or_else(|_| Box::new(TestLoop::new())))
    }

    fn registered(&self) -> Option<Box<dyn EventImpl>> {
        Some(Box::new(TestLoop::new()))
    }
}

/// Gives back another one than it was given.
pub(super) struct KeepsTheLoser;

impl Installer for KeepsTheLoser {
    fn install(&self, implementation: Arc<TestLoop>) -> Installed {
        Real.install(implementation)
            .map_err(|rejected| Rejected::new(rejected.error, TestLoop::new()))
    }
}

/// Fills the slot only.
pub(super) struct ForgetsLibvirt;

impl Installer for ForgetsLibvirt {
    fn install(&self, implementation: Arc<TestLoop>) -> Installed {
        virt_event::install_with(implementation, || Ok(()))
    }
}

/// Is content when adding a timeout works.
pub(super) struct TrustsTimeouts;

impl Installer for TrustsTimeouts {
    fn install(&self, implementation: Arc<TestLoop>) -> Installed {
        match Real.install(implementation) {
            Err(Rejected {
                error: InstallError::LostRace { reached },
                ..
            }) if reached.add_timeout => Ok(()),
            answer => answer,
        }
    }
}

/// Takes the second attempt to be the success of the first.
pub(super) struct YesTheSecondTime;

impl Installer for YesTheSecondTime {
    fn install(&self, implementation: Arc<TestLoop>) -> Installed {
        static TRIED: AtomicBool = AtomicBool::new(false);
        if TRIED.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        Real.install(implementation)
    }
}

/// Leaves a disabled timer with whatever loop there is.
pub(super) struct LeavesAProbe;

impl Installer for LeavesAProbe {
    fn install(&self, implementation: Arc<TestLoop>) -> Installed {
        let answer = Real.install(implementation);
        c::add_timeout(-1, Opaque::new());
        answer
    }
}

/// Creates a new one for each user.
pub(super) struct NeverShares;

impl Installer for NeverShares {
    fn installed_or_install(
        &self,
        create: &dyn Fn() -> io::Result<Arc<TestLoop>>,
    ) -> Result<Arc<TestLoop>, InstallError> {
        let created = create().map_err(InstallError::Create)?;
        drop(Real.install(Arc::clone(&created)));
        Ok(created)
    }
}

/// Reports every failure as the most frequent one.
pub(super) struct HidesTheReason;

impl Installer for HidesTheReason {
    fn installed_or_install(
        &self,
        create: &dyn Fn() -> io::Result<Arc<TestLoop>>,
    ) -> Result<Arc<TestLoop>, InstallError> {
        Real.installed_or_install(create)
            .map_err(|_| InstallError::AlreadyInstalled)
    }

    fn register_default_loop(&self) -> Result<Box<dyn EventImpl>, InstallError> {
        Real.register_default_loop()
            .map_err(|_| InstallError::AlreadyInstalled)
    }
}

/// Reports a use before the install as something else.
pub(super) struct BlamesTheCaller;

impl Installer for BlamesTheCaller {
    fn add_timeout(&self, period: Period) -> Result<Timer, Error> {
        Real.add_timeout(period)
            .map_err(|_| Error::Other("invalid argument".into()))
    }
}

/// Looks at libvirt's last error before libvirt is initialised.
pub(super) struct LooksTooEarly;

impl Installer for LooksTooEarly {
    fn install(&self, implementation: Arc<TestLoop>) -> Installed {
        // SAFETY: garbage perhaps, but it is not used.
        unsafe { sys::virGetLastErrorMessage() };
        Real.install(implementation)
    }

    fn register_default_loop(&self) -> Result<Box<dyn EventImpl>, InstallError> {
        // SAFETY: garbage perhaps, but it is not used.
        unsafe { sys::virGetLastErrorMessage() };
        Real.register_default_loop()
    }

    fn registered(&self) -> Option<Box<dyn EventImpl>> {
        // SAFETY: garbage perhaps, but it is not used.
        unsafe { sys::virGetLastErrorMessage() };
        Real.registered()
    }
}

/// Has a mistake in one of its declarations.
pub(super) struct DeclaresOneWrongly(pub(super) &'static str);

impl Installer for DeclaresOneWrongly {
    fn declarations(&self) -> Vec<Declaration> {
        let mut declarations = declarations::ours();
        let one = declarations.iter_mut().find(|one| one.name == self.0);
        one.expect("it is declared").spoil();
        declarations
    }
}

/// Lets the implementation go with whoever installed it.
pub(super) struct HoldsWeakly;

impl Installer for HoldsWeakly {
    fn install(&self, implementation: Arc<TestLoop>) -> Installed {
        let weak = Arc::downgrade(&implementation);
        install_through(implementation, move || weak.upgrade())
    }
}

/// Serves only the thread that installed it, as a loop does whose sources are
/// not `Send`.
pub(super) struct BoundToOneThread;

impl Installer for BoundToOneThread {
    fn install(&self, implementation: Arc<TestLoop>) -> Installed {
        let home = thread::current().id();
        let strong = Arc::clone(&implementation);
        install_through(implementation, move || {
            (thread::current().id() == home).then(|| Arc::clone(&strong))
        })
    }
}

fn install_through<F>(implementation: Arc<TestLoop>, find: F) -> Installed
where
    F: Fn() -> Option<Arc<TestLoop>> + Send + Sync + 'static,
{
    virt_event_libvirt::install(Arc::new(Through(find)))
        .map_err(|rejected| Rejected::new(rejected.error, implementation))
}

/// Works as long as it finds the loop.
struct Through<F>(F);

impl<F> EventImpl for Through<F>
where
    F: Fn() -> Option<Arc<TestLoop>> + Send + Sync,
{
    fn add_handle(
        &self,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        match (self.0)() {
            Some(it) => it.add_handle(fd, events, callback),
            None => Err(Rejected::new(Error::Other("it is gone".into()), callback)),
        }
    }

    fn update_handle(&self, watch: WatchId, events: HandleEvents) {
        if let Some(it) = (self.0)() {
            it.update_handle(watch, events);
        }
    }

    fn remove_handle(&self, watch: WatchId) -> Result<(), Error> {
        let it = (self.0)().ok_or(Error::UnknownWatch(watch))?;
        it.remove_handle(watch)
    }

    fn add_timeout(
        &self,
        period: Period,
        callback: TimeoutCallback,
    ) -> Result<TimerId, Rejected<TimeoutCallback>> {
        match (self.0)() {
            Some(it) => it.add_timeout(period, callback),
            None => Err(Rejected::new(Error::Other("it is gone".into()), callback)),
        }
    }

    fn update_timeout(&self, timer: TimerId, period: Period) {
        if let Some(it) = (self.0)() {
            it.update_timeout(timer, period);
        }
    }

    fn remove_timeout(&self, timer: TimerId) -> Result<(), Error> {
        let it = (self.0)().ok_or(Error::UnknownTimer(timer))?;
        it.remove_timeout(timer)
    }
}
