//! libvirt's own default event loop, behind the same interface.
//!
//! Not what a program wants that has come here for another loop; it serves
//! tests and benchmarks, which put this loop through the same exam, and
//! programs that want [`virt_event::EventImpl`] over what libvirt ships.
//!
//! ```no_run
//! use virt_event::{EventImpl, Period, TimeoutCallback};
//! use virt_event_libvirt::default_loop;
//!
//! let events = default_loop::register()?;
//! events
//!     .add_timeout(Period::millis(100), TimeoutCallback::new(|_| println!("tick")))
//!     .map_err(|rejected| rejected.error)?;
//! loop {
//!     default_loop::run_once()?;
//! }
//! # #[allow(unreachable_code)]
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::last_error::{initialize, last_error_or};
use crate::probe::{self, Registered};
use crate::{InstallError, LibvirtError, LibvirtImpl, sys, trampolines};

/// Registers libvirt's default loop, for the life of this process, and gives
/// access to it.
///
/// It is not installed in the sense of [`crate::install`]: the slot stays
/// empty, and so [`virt_event::add_handle`] and [`virt_event::add_timeout`]
/// do not know it.
///
/// # Errors
///
/// - [`InstallError::AlreadyInstalled`] after [`crate::install`].
/// - [`InstallError::ForeignLoop`] if libvirt has a loop already, also if it
///   is this one; [`LibvirtImpl::registered`] gives access to that.
/// - [`InstallError::Libvirt`] if libvirt cannot do it.
#[doc(alias = "virEventRegisterDefaultImpl")]
pub fn register() -> Result<LibvirtImpl, InstallError> {
    virt_event::register_foreign_with(|| {
        trampolines::while_deciding(|| {
            initialize()?;
            // Ours, with nothing installed, are left from an attempt to
            // install that lost a race; libvirt keeps those too.
            if probe::registered() != Registered::Nobody {
                return Err(InstallError::ForeignLoop);
            }
            if sys::virEventRegisterDefaultImpl() < 0 {
                return Err(last_error_or("its default event loop could not be registered").into());
            }
            Ok(LibvirtImpl::over_a_registered_loop())
        })
    })
}

/// Runs one iteration of libvirt's default loop on this thread: sleeps until a
/// descriptor is ready or a timer is due, and calls their callbacks.
///
/// There is no limit to the sleep and no function that ends it. To end it,
/// register a timer, or a descriptor of your own, that becomes due or ready;
/// adding, changing or removing something from another thread ends it too.
///
/// libvirt runs whatever the default GLib context of this process holds, so a
/// call before [`register`] may sleep for ever. Not for several threads at a
/// time.
///
/// # Errors
///
/// - libvirt's own, if the iteration failed.
#[doc(alias = "virEventRunDefaultImpl")]
pub fn run_once() -> Result<(), LibvirtError> {
    initialize()?;
    if sys::virEventRunDefaultImpl() < 0 {
        return Err(last_error_or("its default event loop could not run"));
    }
    Ok(())
}
