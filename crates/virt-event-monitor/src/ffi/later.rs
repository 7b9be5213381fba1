//! Work for the loop: the place where code of a user's may run and be dropped.
//!
//! A one-shot timer over `virEventAddTimeout`, not over the slot of
//! `virt-event`, so that it reaches whatever loop libvirt has, be it
//! libvirt's own.

#![expect(unsafe_code, reason = "calls libvirt's event functions")]

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::{Mutex, PoisonError};

use virt::sys;

use super::guarded;

/// Does `work` on the loop's thread in one of its next iterations, with no lock
/// held.
///
/// Where the loop takes no timer, as in a forked child, the work is leaked:
/// the caller may be under a lock of libvirt's.
pub(crate) fn soon(work: impl FnOnce() + Send + 'static) {
    later(0, work);
}

/// Like [`soon`], but after `iterations` more, so that every timer that is due
/// now has had its turn before.
pub(crate) fn later(iterations: u32, work: impl FnOnce() + Send + 'static) {
    let job = Box::new(Mutex::new(Job {
        iterations,
        work: Some(Box::new(work)),
    }));
    let opaque = Box::into_raw(job).cast::<c_void>();
    // SAFETY: `opaque` is what `run` and `free` expect, and the loop calls
    // `free` once, after the last `run`. If the timer is refused, it is leaked.
    unsafe { sys::virEventAddTimeout(0, Some(run), opaque, Some(free)) };
}

/// Whether libvirt has a loop.
pub(crate) fn loop_is_installed() -> bool {
    // SAFETY: a disabled timer, whose callback ignores its data, of which there
    // is none to free.
    let probe = unsafe { sys::virEventAddTimeout(-1, Some(nothing), ptr::null_mut(), None) };
    if probe < 0 {
        return false;
    }
    // SAFETY: the timer that was just added.
    unsafe { sys::virEventRemoveTimeout(probe) };
    true
}

struct Job {
    /// How many calls to let pass.
    iterations: u32,
    /// `None` once it is being done: a callback that turns the loop itself may
    /// bring us here again on loops that do not keep a running timer back.
    work: Option<Box<dyn FnOnce() + Send>>,
}

unsafe extern "C" fn run(timer: c_int, opaque: *mut c_void) {
    guarded(|| {
        // SAFETY: the box made in `later`, alive until `free`; only shared
        // references to it are made.
        let job = unsafe { &*opaque.cast::<Mutex<Job>>() };
        let work = {
            let mut job = job.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(left) = job.iterations.checked_sub(1) {
                job.iterations = left;
                return;
            }
            job.work.take()
        };
        // SAFETY: the timer that calls us. It is freed when we have returned.
        unsafe { sys::virEventRemoveTimeout(timer) };
        if let Some(work) = work {
            work();
        }
    });
}

unsafe extern "C" fn free(opaque: *mut c_void) {
    guarded(|| {
        // SAFETY: the box made in `later`; the loop calls this once, with no
        // `run` under way.
        drop(unsafe { Box::from_raw(opaque.cast::<Mutex<Job>>()) });
    });
}

unsafe extern "C" fn nothing(_: c_int, _: *mut c_void) {}
