//! What happens when a function of libvirt is called, as the cases want it.
//!
//! Nothing else lets a case decide what another thread does between a probe
//! and a registration, or make `virInitialize` fail. The functions themselves
//! are defined by the program that mounts the cases (`tests/process_cases.rs`):
//! a program's own function goes before the one of a shared library, for
//! every caller that is linked with it. They ask here, and call libvirt's
//! unless told otherwise. So this does nothing in other programs.

use std::collections::BTreeSet;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use virt::sys;

/// The arguments of `virEventRegisterImpl`.
#[derive(Clone, Copy)]
#[expect(missing_docs, reason = "the names are those of the six functions")]
pub struct Six {
    pub add_handle: sys::virEventAddHandleFunc,
    pub update_handle: sys::virEventUpdateHandleFunc,
    pub remove_handle: sys::virEventRemoveHandleFunc,
    pub add_timeout: sys::virEventAddTimeoutFunc,
    pub update_timeout: sys::virEventUpdateTimeoutFunc,
    pub remove_timeout: sys::virEventRemoveTimeoutFunc,
}

/// What to do instead of a registration; the second argument registers.
pub type Register = Box<dyn FnOnce(Six, &dyn Fn(Six)) + Send>;

static ACTIVE: AtomicBool = AtomicBool::new(false);
static REGISTER: Mutex<Option<Register>> = Mutex::new(None);
static CALLED: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());
static FAILING: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

/// Called by the program that defines the functions.
pub fn activate() {
    ACTIVE.store(true, Ordering::Relaxed);
}

/// Called by `virEventRegisterImpl`.
pub fn register(six: Six, libvirt: &dyn Fn(Six)) {
    called("virEventRegisterImpl");
    let hook = locked(&REGISTER).take();
    match hook {
        Some(hook) => hook(six, libvirt),
        None => libvirt(six),
    }
}

/// Called by every function: whether it shall fail this time.
pub fn called(function: &'static str) -> bool {
    locked(&CALLED).push(function);
    locked(&FAILING).remove(function)
}

/// Does something else at the next registration.
pub(super) fn at_registration(hook: impl FnOnce(Six, &dyn Fn(Six)) + Send + 'static) {
    assert_active();
    *locked(&REGISTER) = Some(Box::new(hook));
}

/// Changes the functions that are registered next, before what
/// [`at_registration`] set does anything.
pub(super) fn bend_registration(bend: impl FnOnce(Six) -> Six + Send + 'static) {
    let hook = locked(&REGISTER).take();
    at_registration(move |six, libvirt| match hook {
        Some(hook) => hook(bend(six), libvirt),
        None => libvirt(bend(six)),
    });
}

/// Makes the next call of a function fail.
pub(super) fn fail_next(function: &'static str) {
    assert_active();
    locked(&FAILING).insert(function);
}

/// The functions that were called since the last call of this.
pub(super) fn take_called() -> Vec<&'static str> {
    assert_active();
    mem::take(&mut locked(&CALLED))
}

fn assert_active() {
    assert!(
        ACTIVE.load(Ordering::Relaxed),
        "this program does not define libvirt's functions, which the case needs"
    );
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
