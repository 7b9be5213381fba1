use std::any::Any;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use crate::{Error, EventImpl, Rejected};

/// The installed implementation. Set once and never dropped: libvirt keeps
/// calling it for as long as the process lives.
static SLOT: OnceLock<Slot> = OnceLock::new();

/// The process that decides about the slot right now; 0 if none does. Of two
/// racing registrations one loses before anything has happened.
///
/// A lock that knows its owner's process, because a child that is forked while
/// a thread of its parent decides must not wait for that thread.
static DECIDER: AtomicU32 = AtomicU32::new(0);

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
/// `register` runs only if the slot is empty, and while no other registration
/// can, so that of two racing ones one loses before anything has happened. The
/// slot is filled after it has succeeded, and stays filled as long as the
/// process lives.
///
/// # Errors
///
/// - [`Error::AlreadyInstalled`] (converted to `E`) if the slot is taken.
/// - [`Error::Forked`] (converted to `E`) in a child that was forked while a
///   thread of its parent was registering.
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
    let decided = match decide() {
        Ok(decided) => decided,
        Err(error) => return Err(Rejected::new(error, implementation)),
    };
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

/// Runs `register` as [`install_with`] does, for code that gives
/// libvirt a loop which is not an [`EventImpl`] of this process (libvirt's
/// own, say). The slot stays empty.
///
/// # Errors
///
/// - [`Error::AlreadyInstalled`] (converted to `E`) if the slot is taken.
/// - [`Error::Forked`] (converted to `E`) in a child that was forked while a
///   thread of its parent was registering.
/// - The error of `register`.
pub fn register_foreign_with<R, E: From<Error>>(
    register: impl FnOnce() -> Result<R, E>,
) -> Result<R, E> {
    let decided = decide()?;
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
    if SLOT.get().is_none() && DECIDER.load(Ordering::Acquire) != 0 {
        // A child that was forked meanwhile finds nothing installed.
        drop(decide());
    }
    installed()
}

/// The installed implementation, if there is one and it was installed as an
/// `Arc<T>`.
pub fn installed_as<T: Send + Sync + 'static>() -> Option<Arc<T>> {
    Arc::clone(&SLOT.get()?.any).downcast().ok()
}

/// How long to sleep between two looks at [`DECIDER`].
const MOMENT: Duration = Duration::from_micros(100);

/// Takes the right to decide, waiting for another thread that has it: until
/// libvirt has been asked, a matter of microseconds.
fn decide() -> Result<Decided, Error> {
    let this_process = std::process::id();
    loop {
        let taken = DECIDER.compare_exchange(0, this_process, Ordering::Acquire, Ordering::Relaxed);
        match taken {
            Ok(_) => return Ok(Decided),
            // A short sleep rather than a queue: it happens once in a process,
            // if ever.
            Err(decider) if decider == this_process => thread::sleep(MOMENT),
            Err(_) => return Err(Error::Forked),
        }
    }
}

/// The right to decide; given up when dropped, also by a panic of `register`,
/// after which the slot is still empty.
struct Decided;

impl Drop for Decided {
    fn drop(&mut self) {
        DECIDER.store(0, Ordering::Release);
    }
}
