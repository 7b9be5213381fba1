//! The six functions that libvirt is given.
//!
//! Each notes a probe and goes no further with it, converts its arguments,
//! calls the installed implementation, and converts the answer: an id or −1, 0
//! or −1, or nothing (contract F1). While nothing is installed they refuse
//! everything. No lock is held while the implementation runs.

#![allow(unsafe_code, reason = "the functions have libvirt's types")]

use std::any::Any;
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

use virt_event::{
    EventImpl, HandleCallback, HandleEvents, Period, TimeoutCallback, TimerId, WatchId,
};

use crate::foreign_callback::{Adding, ForeignCallback};
use crate::probe::{Function, notice_add, notice_id};
use crate::sys::{self, FreeFn, HandleFn, TimeoutFn};

/// Gives the six to libvirt. It takes them only if it has none, and says
/// nothing if it does not.
pub(crate) fn register() {
    // SAFETY: the functions have the types that libvirt asks for, accept from
    // any thread whatever its contract lets it pass, and live for ever.
    unsafe {
        sys::virEventRegisterImpl(
            Some(add_handle),
            Some(update_handle),
            Some(remove_handle),
            Some(add_timeout),
            Some(update_timeout),
            Some(remove_timeout),
        );
    }
}

/// # Safety
///
/// That of [`ForeignCallback::new`].
unsafe extern "C" fn add_handle(
    fd: c_int,
    events: c_int,
    cb: HandleFn,
    opaque: *mut c_void,
    ff: FreeFn,
) -> c_int {
    let entered = || {
        if notice_add(Function::AddHandle, opaque) {
            return None;
        }
        let cb = cb?;
        let implementation = implementation()?;
        // SAFETY: the caller promises it.
        let foreign = unsafe { ForeignCallback::new(cb, opaque, ff) };
        let adding = Adding::begin(&foreign);
        let callback = HandleCallback::with_state(foreign, |foreign, watch, fd, events| {
            foreign.call(watch.get(), fd, events.to_raw());
        });
        let watch = implementation
            .add_handle(fd, HandleEvents::from_raw(events), callback)
            .ok()?;
        adding.taken(implementation);
        Some(watch.get())
    };
    entry(None, entered).unwrap_or(-1)
}

extern "C" fn update_handle(watch: c_int, events: c_int) {
    entry((), || {
        if notice_id(Function::UpdateHandle, watch) {
            return;
        }
        if let (Some(watch), Some(implementation)) = (WatchId::new(watch), implementation()) {
            implementation.update_handle(watch, HandleEvents::from_raw(events));
        }
    });
}

extern "C" fn remove_handle(watch: c_int) -> c_int {
    let entered = || {
        if notice_id(Function::RemoveHandle, watch) {
            return None;
        }
        let watch = WatchId::new(watch)?;
        implementation()?.remove_handle(watch).ok()
    };
    status(entry(None, entered))
}

/// # Safety
///
/// That of [`ForeignCallback::new`].
unsafe extern "C" fn add_timeout(
    millis: c_int,
    cb: TimeoutFn,
    opaque: *mut c_void,
    ff: FreeFn,
) -> c_int {
    let entered = || {
        if notice_add(Function::AddTimeout, opaque) {
            return None;
        }
        let cb = cb?;
        let implementation = implementation()?;
        // SAFETY: the caller promises it.
        let foreign = unsafe { ForeignCallback::new(cb, opaque, ff) };
        let adding = Adding::begin(&foreign);
        let callback =
            TimeoutCallback::with_state(foreign, |foreign, timer| foreign.call(timer.get()));
        let timer = implementation
            .add_timeout(Period::from_raw(millis), callback)
            .ok()?;
        adding.taken(implementation);
        Some(timer.get())
    };
    entry(None, entered).unwrap_or(-1)
}

extern "C" fn update_timeout(timer: c_int, millis: c_int) {
    entry((), || {
        if notice_id(Function::UpdateTimeout, timer) {
            return;
        }
        if let (Some(timer), Some(implementation)) = (TimerId::new(timer), implementation()) {
            implementation.update_timeout(timer, Period::from_raw(millis));
        }
    });
}

extern "C" fn remove_timeout(timer: c_int) -> c_int {
    let entered = || {
        if notice_id(Function::RemoveTimeout, timer) {
            return None;
        }
        let timer = TimerId::new(timer)?;
        implementation()?.remove_timeout(timer).ok()
    };
    status(entry(None, entered))
}

fn status(done: Option<()>) -> c_int {
    match done {
        Some(()) => 0,
        None => -1,
    }
}

/// The one way in from C, and from a foreign loop: a panic ends here, with
/// `fallback` as the answer (contract F3). The panic hook has reported it.
pub(crate) fn entry<R>(fallback: R, entered: impl FnOnce() -> R) -> R {
    // What a panic may leave inconsistent is behind the implementation's own
    // interfaces; here nothing is read again after it.
    match catch_unwind(AssertUnwindSafe(entered)) {
        Ok(answer) => answer,
        Err(payload) => {
            discard(payload);
            fallback
        }
    }
}

/// Drops what a panic carries, which may be anything, also something whose
/// drop panics; and what that carries. Beyond that it is leaked.
fn discard(mut payload: Box<dyn Any + Send>) {
    for _ in 0..2 {
        match catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            Ok(()) => return,
            Err(again) => payload = again,
        }
    }
    mem::forget(payload);
}

thread_local! {
    /// Whether this thread is deciding what is registered, holding the lock
    /// that `installed_or_wait` waits for.
    static DECIDING: Cell<bool> = const { Cell::new(false) };
}

/// Runs `decide` such that calls of the six that come back to this thread are
/// refused instead of waiting for themselves. (A foreign loop that has won
/// only some of the six makes its calls arrive here.)
pub(crate) fn while_deciding<R>(decide: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            DECIDING.set(self.0);
        }
    }

    let _restore = Restore(DECIDING.replace(true));
    decide()
}

fn implementation() -> Option<&'static dyn EventImpl> {
    if DECIDING.get() {
        None
    } else {
        virt_event::installed_or_wait()
    }
}
