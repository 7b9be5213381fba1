//! libvirt's public C functions, which every loop but the floors is entered
//! through.
//!
//! `virt_event_libvirt::LibvirtImpl` would serve as well, but it boxes each
//! callback. Here a callback is a static object and a function that is made
//! for its type, as in a C program, so that what is compared is the loops.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_ulong, c_void};
use std::os::fd::AsRawFd;
use std::ptr;

use anyhow::{Result, ensure};

/// `VIR_EVENT_HANDLE_READABLE`.
pub(crate) const READABLE: c_int = 1;

type OnHandle = unsafe extern "C" fn(watch: c_int, fd: c_int, events: c_int, opaque: *mut c_void);
type OnTimeout = unsafe extern "C" fn(timer: c_int, opaque: *mut c_void);
type OnFree = unsafe extern "C" fn(opaque: *mut c_void);

// The library is linked by virt-event-libvirt, whose build script finds it.
unsafe extern "C" {
    fn virEventAddHandle(
        fd: c_int,
        events: c_int,
        callback: OnHandle,
        opaque: *mut c_void,
        free: Option<OnFree>,
    ) -> c_int;
    safe fn virEventUpdateHandle(watch: c_int, events: c_int);
    safe fn virEventRemoveHandle(watch: c_int) -> c_int;
    fn virEventAddTimeout(
        timeout: c_int,
        callback: OnTimeout,
        opaque: *mut c_void,
        free: Option<OnFree>,
    ) -> c_int;
    safe fn virEventUpdateTimeout(timer: c_int, timeout: c_int);
    safe fn virEventRemoveTimeout(timer: c_int) -> c_int;
    fn virGetVersion(
        library: *mut c_ulong,
        driver: *const c_char,
        driver_version: *mut c_ulong,
    ) -> c_int;
}

/// What a workload does when its descriptor is ready, or its timer due.
pub(crate) trait Handler: Sync + 'static {
    /// The loop's call, on the thread that runs it.
    fn ready(&'static self);

    /// libvirt's free callback. The object itself is static and stays.
    fn freed(&'static self) {}
}

/// The handler of a descriptor that is never ready, or of a timer that is never
/// due.
pub(crate) struct Silent;

impl Handler for Silent {
    fn ready(&'static self) {
        panic!("the loop called back for something that is never ready");
    }
}

/// Watches `fd` and returns the id of the watch. The descriptor must stay open
/// for as long, as libvirt demands; nothing worse than a failing benchmark
/// comes of it when it does not.
pub(crate) fn add_handle<H: Handler>(
    fd: &impl AsRawFd,
    events: c_int,
    handler: &'static H,
) -> Result<c_int> {
    unsafe extern "C" fn ready<H: Handler>(_: c_int, _: c_int, _: c_int, opaque: *mut c_void) {
        // SAFETY: `opaque` is the `&'static H` that `add_handle` registered
        // this instance of the function with; `H` is `Sync`.
        let handler: &'static H = unsafe { &*opaque.cast_const().cast::<H>() };
        handler.ready();
    }

    unsafe extern "C" fn freed<H: Handler>(opaque: *mut c_void) {
        // SAFETY: as in `ready`.
        let handler: &'static H = unsafe { &*opaque.cast_const().cast::<H>() };
        handler.freed();
    }

    let opaque = ptr::from_ref(handler).cast_mut().cast();
    // SAFETY: both functions expect a shared reference to an `H` that lives
    // for ever and may be used on any thread, which is what `opaque` is.
    let watch =
        unsafe { virEventAddHandle(fd.as_raw_fd(), events, ready::<H>, opaque, Some(freed::<H>)) };
    ensure!(watch >= 0, "the loop refused a watch");
    Ok(watch)
}

/// Changes the interest of a watch.
#[inline]
pub(crate) fn update_handle(watch: c_int, events: c_int) {
    virEventUpdateHandle(watch, events);
}

/// Ends a watch.
///
/// # Errors
///
/// - The loop does not know it.
#[inline]
pub(crate) fn remove_handle(watch: c_int) -> Result<()> {
    ensure!(virEventRemoveHandle(watch) == 0, "the loop lost a watch");
    Ok(())
}

/// Starts a timer of `milliseconds` (−1: disabled) and returns its id.
pub(crate) fn add_timeout<H: Handler>(milliseconds: c_int, handler: &'static H) -> Result<c_int> {
    unsafe extern "C" fn fired<H: Handler>(_: c_int, opaque: *mut c_void) {
        // SAFETY: `opaque` is the `&'static H` that `add_timeout` registered
        // this instance of the function with; `H` is `Sync`.
        let handler: &'static H = unsafe { &*opaque.cast_const().cast::<H>() };
        handler.ready();
    }

    let opaque = ptr::from_ref(handler).cast_mut().cast();
    // SAFETY: the function expects a shared reference to an `H` that lives for
    // ever and may be used on any thread, which is what `opaque` is, and there
    // is nothing to free.
    let timer = unsafe { virEventAddTimeout(milliseconds, fired::<H>, opaque, None) };
    ensure!(timer >= 0, "the loop refused a timer");
    Ok(timer)
}

/// Changes the period of a timer, in milliseconds (−1: disabled).
#[inline]
pub(crate) fn update_timeout(timer: c_int, milliseconds: c_int) {
    virEventUpdateTimeout(timer, milliseconds);
}

/// Ends a timer.
///
/// # Errors
///
/// - The loop does not know it.
pub(crate) fn remove_timeout(timer: c_int) -> Result<()> {
    ensure!(virEventRemoveTimeout(timer) == 0, "the loop lost a timer");
    Ok(())
}

/// The version of the library that is loaded, as in `9.0.0`.
pub(crate) fn version() -> Option<String> {
    let mut version = 0;
    // SAFETY: the first argument points to where the version goes; the others
    // may be null.
    let result = unsafe { virGetVersion(&mut version, ptr::null(), ptr::null_mut()) };
    (result == 0).then(|| {
        format!(
            "{}.{}.{}",
            version / 1_000_000,
            version / 1_000 % 1_000,
            version % 1_000
        )
    })
}
