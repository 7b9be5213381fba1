//! libvirt's C functions, declared by hand: the whole of what this project
//! links against.
//!
//! `virt-sys` declares all of libvirt, but pins an exact version of `libc`,
//! which would freeze the dependency graph of every user. A test compiles C
//! against the installed `libvirt.h` and compares what it says with what
//! stands here (contract F4).

#![allow(
    unsafe_code,
    reason = "declarations of foreign functions are promises about foreign code"
)]

use std::ffi::{c_char, c_int, c_void};

/// `virFreeCallback`; null means that there is nothing to free.
pub(crate) type FreeFn = Option<unsafe extern "C" fn(opaque: *mut c_void)>;

/// `virEventHandleCallback`.
pub(crate) type HandleFn =
    Option<unsafe extern "C" fn(watch: c_int, fd: c_int, events: c_int, opaque: *mut c_void)>;

/// `virEventTimeoutCallback`.
pub(crate) type TimeoutFn = Option<unsafe extern "C" fn(timer: c_int, opaque: *mut c_void)>;

/// `virEventAddHandleFunc`.
pub(crate) type AddHandleFn = Option<
    unsafe extern "C" fn(
        fd: c_int,
        events: c_int,
        cb: HandleFn,
        opaque: *mut c_void,
        ff: FreeFn,
    ) -> c_int,
>;

/// `virEventUpdateHandleFunc`.
pub(crate) type UpdateHandleFn = Option<unsafe extern "C" fn(watch: c_int, events: c_int)>;

/// `virEventRemoveHandleFunc`.
pub(crate) type RemoveHandleFn = Option<unsafe extern "C" fn(watch: c_int) -> c_int>;

/// `virEventAddTimeoutFunc`.
pub(crate) type AddTimeoutFn = Option<
    unsafe extern "C" fn(millis: c_int, cb: TimeoutFn, opaque: *mut c_void, ff: FreeFn) -> c_int,
>;

/// `virEventUpdateTimeoutFunc`.
pub(crate) type UpdateTimeoutFn = Option<unsafe extern "C" fn(timer: c_int, millis: c_int)>;

/// `virEventRemoveTimeoutFunc`.
pub(crate) type RemoveTimeoutFn = Option<unsafe extern "C" fn(timer: c_int) -> c_int>;

// The functions marked `safe` take nothing but numbers, and libvirt permits
// them on any thread at any time. The three that take pointers do not qualify.
unsafe extern "C" {
    pub(crate) safe fn virInitialize() -> c_int;
    pub(crate) safe fn virResetLastError();
    pub(crate) safe fn virGetLastErrorCode() -> c_int;
    /// Never null. The text belongs to libvirt, and lives until the next call
    /// into libvirt on this thread.
    pub(crate) safe fn virGetLastErrorMessage() -> *const c_char;

    pub(crate) fn virEventRegisterImpl(
        add_handle: AddHandleFn,
        update_handle: UpdateHandleFn,
        remove_handle: RemoveHandleFn,
        add_timeout: AddTimeoutFn,
        update_timeout: UpdateTimeoutFn,
        remove_timeout: RemoveTimeoutFn,
    );
    pub(crate) safe fn virEventRegisterDefaultImpl() -> c_int;
    pub(crate) safe fn virEventRunDefaultImpl() -> c_int;

    pub(crate) fn virEventAddHandle(
        fd: c_int,
        events: c_int,
        cb: HandleFn,
        opaque: *mut c_void,
        ff: FreeFn,
    ) -> c_int;
    pub(crate) safe fn virEventUpdateHandle(watch: c_int, events: c_int);
    pub(crate) safe fn virEventRemoveHandle(watch: c_int) -> c_int;

    pub(crate) fn virEventAddTimeout(
        millis: c_int,
        cb: TimeoutFn,
        opaque: *mut c_void,
        ff: FreeFn,
    ) -> c_int;
    pub(crate) safe fn virEventUpdateTimeout(timer: c_int, millis: c_int);
    pub(crate) safe fn virEventRemoveTimeout(timer: c_int) -> c_int;

    /// The only one that is not libvirt's; of the C library.
    pub(crate) fn fcntl(fd: c_int, command: c_int, ...) -> c_int;
}
