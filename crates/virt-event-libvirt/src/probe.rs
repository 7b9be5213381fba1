//! Asks libvirt whose functions it holds, by calling them.
//!
//! libvirt has no way to look at what is registered. But its public functions
//! pass their arguments straight to the registered six, so a call with
//! arguments that only this crate uses shows where it arrives. The trampolines
//! note such a call and go no further: it takes no id, leaves nothing to free,
//! and the implementation never hears of it (contract R2).

#![allow(unsafe_code, reason = "calls libvirt with pointers of its own")]

use std::ffi::{c_int, c_void};
use std::os::fd::RawFd;
use std::ptr;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::{Reached, sys};

/// What probing adds carry as `opaque`. Nothing is stored in it: its address
/// is the mark, and unlike the address of a function, the address of a static
/// is unique. Compilers and linkers may merge functions or duplicate them.
static MARK: AtomicU8 = AtomicU8::new(0);

/// What probing updates and removals carry as the id. No loop gives it out.
const PROBE_ID: c_int = c_int::MIN;

/// Which of the trampolines a probe has reached, as bits of [`Function`]. Any
/// thread sets them; only [`reached`] clears them, while nothing is installed.
static SEEN: AtomicU8 = AtomicU8::new(0);

/// One of the six.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Function {
    AddHandle = 1 << 0,
    UpdateHandle = 1 << 1,
    RemoveHandle = 1 << 2,
    AddTimeout = 1 << 3,
    UpdateTimeout = 1 << 4,
    RemoveTimeout = 1 << 5,
}

/// For the trampolines: whether this add is a probe, which is then noted.
pub(crate) fn notice_add(function: Function, opaque: *mut c_void) -> bool {
    ptr::eq(opaque, mark()) && notice(function)
}

/// For the trampolines: whether this update or removal is a probe, which is
/// then noted.
pub(crate) fn notice_id(function: Function, id: c_int) -> bool {
    id == PROBE_ID && notice(function)
}

fn notice(function: Function) -> bool {
    SEEN.fetch_or(function as u8, Ordering::Relaxed);
    true
}

/// Whose loop answers `virEventAddTimeout`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Registered {
    Nobody,
    /// Our trampolines, though nothing may be installed behind them.
    Ours,
    Foreign,
}

/// Looks for a loop by adding a timer that never fires. Only for the holder of
/// the lock of `virt_event::install_with`, or when something is installed.
///
/// What was ours stays ours: libvirt does not replace a function.
pub(crate) fn registered() -> Registered {
    let taken = add_timeout();
    if has_seen(Function::AddTimeout) {
        Registered::Ours
    } else if taken {
        Registered::Foreign
    } else {
        Registered::Nobody
    }
}

/// Calls all six and reports which of them are ours. Only for the holder of
/// the lock of `virt_event::install_with`.
///
/// `fd` is an open descriptor, for the loop of somebody else that may get it.
pub(crate) fn reached(fd: RawFd) -> Reached {
    SEEN.store(0, Ordering::Relaxed);
    add_timeout();
    sys::virEventUpdateTimeout(PROBE_ID, -1);
    sys::virEventRemoveTimeout(PROBE_ID);
    add_handle(fd);
    sys::virEventUpdateHandle(PROBE_ID, 0);
    sys::virEventRemoveHandle(PROBE_ID);
    Reached {
        add_handle: has_seen(Function::AddHandle),
        update_handle: has_seen(Function::UpdateHandle),
        remove_handle: has_seen(Function::RemoveHandle),
        add_timeout: has_seen(Function::AddTimeout),
        update_timeout: has_seen(Function::UpdateTimeout),
        remove_timeout: has_seen(Function::RemoveTimeout),
    }
}

fn has_seen(function: Function) -> bool {
    SEEN.load(Ordering::Relaxed) & function as u8 != 0
}

/// Adds and, where a loop took it, removes a disabled timer; whether one took
/// it. Some loops give out 0 as an id.
fn add_timeout() -> bool {
    // SAFETY: the callback accepts any arguments and touches nothing, so it
    // may be called for ever, on any thread, and there is nothing to free.
    let timer = unsafe { sys::virEventAddTimeout(-1, Some(on_timeout), mark(), None) };
    if timer >= 0 {
        sys::virEventRemoveTimeout(timer);
    }
    timer >= 0
}

/// Adds and, where a loop took it, removes a watch that asks for nothing.
fn add_handle(fd: RawFd) {
    // SAFETY: as with the timer.
    let watch = unsafe { sys::virEventAddHandle(fd, 0, Some(on_handle), mark(), None) };
    if watch >= 0 {
        sys::virEventRemoveHandle(watch);
    }
}

fn mark() -> *mut c_void {
    MARK.as_ptr().cast()
}

extern "C" fn on_timeout(_timer: c_int, _opaque: *mut c_void) {}

extern "C" fn on_handle(_watch: c_int, _fd: c_int, _events: c_int, _opaque: *mut c_void) {}
