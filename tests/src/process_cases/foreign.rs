//! The loop of somebody else, registered with libvirt behind our back. It
//! keeps what it is given and runs nothing by itself.

#![allow(unsafe_code, reason = "an event loop as a C library would bring it")]

use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};
use std::sync::{Mutex, MutexGuard, PoisonError};

use virt::sys;

use super::interpose::Six;

static FOREIGN: Mutex<Foreign> = Mutex::new(Foreign {
    next: 1,
    refuses: false,
    adds: 0,
    entries: BTreeMap::new(),
});

struct Foreign {
    next: c_int,
    refuses: bool,
    adds: usize,
    entries: BTreeMap<c_int, Entry>,
}

struct Entry {
    call: Call,
    opaque: *mut c_void,
    ff: sys::virFreeCallback,
}

// SAFETY: libvirt passes these between threads as well.
unsafe impl Send for Entry {}

#[derive(Clone, Copy)]
enum Call {
    Handle(sys::virEventHandleCallback),
    Timeout(sys::virEventTimeoutCallback),
}

/// Registers it in the usual way.
pub(super) fn register() {
    let six = six();
    // SAFETY: six functions of the right types that live for ever.
    unsafe {
        sys::virEventRegisterImpl(
            six.add_handle,
            six.update_handle,
            six.remove_handle,
            six.add_timeout,
            six.update_timeout,
            six.remove_timeout,
        );
    }
}

pub(super) fn six() -> Six {
    Six {
        add_handle: Some(add_handle),
        update_handle: Some(update),
        remove_handle: Some(remove),
        add_timeout: Some(add_timeout),
        update_timeout: Some(update),
        remove_timeout: Some(remove),
    }
}

/// The next id that it gives out.
pub(super) fn set_next_id(id: c_int) {
    foreign().next = id;
}

/// From now on it takes nothing.
pub(super) fn refuse() {
    foreign().refuses = true;
}

/// How many adds have arrived.
pub(super) fn adds() -> usize {
    foreign().adds
}

/// How many entries there are.
pub(super) fn left() -> usize {
    foreign().entries.len()
}

/// Calls the callback of an entry once.
pub(super) fn fire(id: c_int) {
    let foreign = foreign();
    let Some(entry) = foreign.entries.get(&id) else {
        return;
    };
    let (call, opaque) = (entry.call, entry.opaque);
    drop(foreign);
    match call {
        // SAFETY: as it was added.
        Call::Handle(Some(call)) => unsafe { call(id, 0, 1, opaque) },
        // SAFETY: as it was added.
        Call::Timeout(Some(call)) => unsafe { call(id, opaque) },
        _ => {}
    }
}

fn foreign() -> MutexGuard<'static, Foreign> {
    FOREIGN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn add(call: Call, opaque: *mut c_void, ff: sys::virFreeCallback) -> c_int {
    let mut foreign = foreign();
    foreign.adds += 1;
    if foreign.refuses {
        return -1;
    }
    let id = foreign.next;
    foreign.next += 1;
    foreign.entries.insert(id, Entry { call, opaque, ff });
    id
}

extern "C" fn add_handle(
    _fd: c_int,
    _events: c_int,
    cb: sys::virEventHandleCallback,
    opaque: *mut c_void,
    ff: sys::virFreeCallback,
) -> c_int {
    add(Call::Handle(cb), opaque, ff)
}

extern "C" fn add_timeout(
    _millis: c_int,
    cb: sys::virEventTimeoutCallback,
    opaque: *mut c_void,
    ff: sys::virFreeCallback,
) -> c_int {
    add(Call::Timeout(cb), opaque, ff)
}

extern "C" fn update(_id: c_int, _to: c_int) {}

extern "C" fn remove(id: c_int) -> c_int {
    let Some(entry) = foreign().entries.remove(&id) else {
        return -1;
    };
    if let Some(ff) = entry.ff {
        // SAFETY: removed, so this is the only free. (In place, which libvirt
        // forbids; some loops do it.)
        unsafe { ff(entry.opaque) }
    }
    0
}
