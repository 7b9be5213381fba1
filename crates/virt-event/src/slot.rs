use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::{Error, EventImpl, Rejected};

/// The installed implementation. Set once and never dropped: libvirt keeps
/// calling it for as long as the process lives.
static SLOT: OnceLock<Slot> = OnceLock::new();

/// Held by whoever decides about the slot, so that of two racing
/// registrations one loses before anything has happened.
static DECIDING: Mutex<()> = Mutex::new(());

struct Slot {
    implementation: Arc<dyn EventImpl>,
    /// The same object, for [`installed_as`].
    any: Arc<dyn Any + Send + Sync>,
}

/// Fills the process-wide slot, if `register` succeeds in making the
/// implementation known to libvirt.
///
/// Applications do not call this: `virt_event_libvirt::install` does, and
/// each adapter's `install` calls that. Libraries never install anything.
///
/// `register` runs under the lock that decides between two racing
/// registrations, and only if the slot is empty. The slot is filled after it
/// has succeeded, and stays filled as long as the process lives.
///
/// # Errors
///
/// - [`Error::AlreadyInstalled`] (converted to `E`) if the slot is taken.
/// - The error of `register`.
///
/// The implementation comes back with either.
pub fn install_with<T, E>(
    implementation: Arc<T>,
    register: impl FnOnce() -> Result<(), E>,
) -> Result<(), Rejected<Arc<T>, E>>
where
    T: EventImpl + 'static,
    E: From<Error>,
{
    let decided = decide();
    if SLOT.get().is_some() {
        return Err(Rejected::new(Error::AlreadyInstalled, implementation));
    }
    if let Err(error) = register() {
        return Err(Rejected {
            error,
            inner: implementation,
        });
    }
    let slot = Slot {
        implementation: implementation.clone(),
        any: implementation,
    };
    if SLOT.set(slot).is_err() {
        unreachable!("the slot was empty, and only the holder of the lock fills it");
    }
    drop(decided);
    Ok(())
}

/// Runs `register` under the lock of [`install_with`], for code that gives
/// libvirt a loop which is not an [`EventImpl`] of this process (libvirt's
/// own, say). The slot stays empty.
///
/// # Errors
///
/// - [`Error::AlreadyInstalled`] (converted to `E`) if the slot is taken.
/// - The error of `register`.
pub fn register_foreign_with<R, E: From<Error>>(
    register: impl FnOnce() -> Result<R, E>,
) -> Result<R, E> {
    let decided = decide();
    if SLOT.get().is_some() {
        return Err(Error::AlreadyInstalled.into());
    }
    let registered = register();
    drop(decided);
    registered
}

/// The installed implementation, if there is one.
pub fn installed() -> Option<&'static dyn EventImpl> {
    Some(&*SLOT.get()?.implementation)
}

/// The installed implementation, once a registration that is under way on
/// another thread has been decided; for the functions that libvirt calls.
///
/// Between `virEventRegisterImpl` and the filling of the slot another thread
/// may already open a connection. It waits here for a moment instead of being
/// refused. Calling this from within `register` of [`install_with`] deadlocks.
pub fn installed_or_wait() -> Option<&'static dyn EventImpl> {
    if SLOT.get().is_none() {
        drop(decide());
    }
    installed()
}

/// The installed implementation, if there is one and it was installed as an
/// `Arc<T>`.
pub fn installed_as<T: Send + Sync + 'static>() -> Option<Arc<T>> {
    Arc::clone(&SLOT.get()?.any).downcast().ok()
}

fn decide() -> MutexGuard<'static, ()> {
    // Nothing is half-done when `register` panics: the slot is still empty.
    DECIDING.lock().unwrap_or_else(PoisonError::into_inner)
}
