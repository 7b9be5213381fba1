//! libvirt's functions as a C program calls them, with an `opaque` that writes
//! down what happens to it.

#![allow(unsafe_code, reason = "calls libvirt's functions as C does")]

use std::ffi::{c_int, c_void};
use std::os::fd::RawFd;
use std::ptr;
use std::sync::Mutex;
use std::thread::{self, ThreadId};

use virt::sys;

/// One call of a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Called {
    pub(super) id: c_int,
    /// The descriptor and the events, for a handle.
    pub(super) ready: Option<(RawFd, c_int)>,
    pub(super) thread: ThreadId,
}

/// What is passed as `opaque`. It is never given back to the allocator, so
/// that a callback or a free too many is seen and does no damage.
#[derive(Default)]
pub(super) struct Opaque {
    calls: Mutex<Vec<Called>>,
    frees: Mutex<Vec<ThreadId>>,
}

impl Opaque {
    pub(super) fn new() -> &'static Self {
        // Kept here as well, so that a leak checker does not mind.
        static ALL: Mutex<Vec<&'static Opaque>> = Mutex::new(Vec::new());
        let opaque: &'static Self = Box::leak(Box::default());
        ALL.lock().expect("never poisoned").push(opaque);
        opaque
    }

    pub(super) fn calls(&self) -> Vec<Called> {
        self.calls.lock().expect("never poisoned").clone()
    }

    /// The threads that have freed it.
    pub(super) fn frees(&self) -> Vec<ThreadId> {
        self.frees.lock().expect("never poisoned").clone()
    }

    pub(super) fn untouched(&self) -> bool {
        self.calls().is_empty() && self.frees().is_empty()
    }

    fn pointer(&'static self) -> *mut c_void {
        ptr::from_ref(self).cast_mut().cast()
    }

    fn call(&self, id: c_int, ready: Option<(RawFd, c_int)>) {
        self.calls.lock().expect("never poisoned").push(Called {
            id,
            ready,
            thread: thread::current().id(),
        });
    }
}

pub(super) fn add_handle(fd: RawFd, events: c_int, opaque: &'static Opaque) -> c_int {
    // SAFETY: `opaque` is what the two functions expect, and lives for ever.
    unsafe { sys::virEventAddHandle(fd, events, Some(on_handle), opaque.pointer(), Some(free)) }
}

pub(super) fn add_handle_without_callback(fd: RawFd, opaque: &'static Opaque) -> c_int {
    // SAFETY: as above; the contract permits a null callback.
    unsafe { sys::virEventAddHandle(fd, 1, None, opaque.pointer(), Some(free)) }
}

pub(super) fn add_handle_without_free(fd: RawFd, opaque: &'static Opaque) -> c_int {
    // SAFETY: as above; the contract permits a null free.
    unsafe { sys::virEventAddHandle(fd, 1, Some(on_handle), opaque.pointer(), None) }
}

/// The callback and the free ignore `opaque`.
pub(super) fn add_handle_without_opaque(fd: RawFd) -> c_int {
    // SAFETY: the two functions accept null.
    unsafe { sys::virEventAddHandle(fd, 1, Some(on_handle), ptr::null_mut(), Some(free)) }
}

pub(super) fn update_handle(watch: c_int, events: c_int) {
    // SAFETY: numbers only.
    unsafe { sys::virEventUpdateHandle(watch, events) }
}

pub(super) fn remove_handle(watch: c_int) -> c_int {
    // SAFETY: numbers only.
    unsafe { sys::virEventRemoveHandle(watch) }
}

pub(super) fn add_timeout(millis: c_int, opaque: &'static Opaque) -> c_int {
    // SAFETY: `opaque` is what the two functions expect, and lives for ever.
    unsafe { sys::virEventAddTimeout(millis, Some(on_timeout), opaque.pointer(), Some(free)) }
}

pub(super) fn add_timeout_without_callback(opaque: &'static Opaque) -> c_int {
    // SAFETY: as above; the contract permits a null callback.
    unsafe { sys::virEventAddTimeout(0, None, opaque.pointer(), Some(free)) }
}

pub(super) fn add_timeout_without_free(opaque: &'static Opaque) -> c_int {
    // SAFETY: as above; the contract permits a null free.
    unsafe { sys::virEventAddTimeout(0, Some(on_timeout), opaque.pointer(), None) }
}

pub(super) fn add_timeout_without_opaque() -> c_int {
    // SAFETY: the two functions accept null.
    unsafe { sys::virEventAddTimeout(0, Some(on_timeout), ptr::null_mut(), Some(free)) }
}

pub(super) fn update_timeout(timer: c_int, millis: c_int) {
    // SAFETY: numbers only.
    unsafe { sys::virEventUpdateTimeout(timer, millis) }
}

pub(super) fn remove_timeout(timer: c_int) -> c_int {
    // SAFETY: numbers only.
    unsafe { sys::virEventRemoveTimeout(timer) }
}

unsafe extern "C" fn on_handle(watch: c_int, fd: c_int, events: c_int, opaque: *mut c_void) {
    // SAFETY: null, or an `Opaque`, which lives for ever.
    if let Some(opaque) = unsafe { opaque.cast::<Opaque>().as_ref() } {
        opaque.call(watch, Some((fd, events)));
    }
}

unsafe extern "C" fn on_timeout(timer: c_int, opaque: *mut c_void) {
    // SAFETY: null, or an `Opaque`, which lives for ever.
    if let Some(opaque) = unsafe { opaque.cast::<Opaque>().as_ref() } {
        opaque.call(timer, None);
    }
}

unsafe extern "C" fn free(opaque: *mut c_void) {
    // SAFETY: null, or an `Opaque`, which lives for ever.
    if let Some(opaque) = unsafe { opaque.cast::<Opaque>().as_ref() } {
        let mut frees = opaque.frees.lock().expect("never poisoned");
        frees.push(thread::current().id());
    }
}
