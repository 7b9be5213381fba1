//! The cases of registration and of the C boundary, each in a process of its
//! own, and for each the proof that it can fail.
//!
//! This program defines some of libvirt's functions itself: a program's own
//! go before those of a shared library. They do what the cases want, and call
//! libvirt's otherwise.

#![allow(
    unsafe_code,
    reason = "functions of libvirt's names and types, which call libvirt's own"
)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::transmute;
use std::process::ExitCode;
use std::ptr;

use virt::sys;
use virt_event_tests::process_cases::interpose::{self, Six};
use virt_event_tests::process_cases::runner;

fn main() -> ExitCode {
    interpose::activate();
    runner::child_main();
    let arguments = libtest_mimic::Arguments::from_args();
    libtest_mimic::run(&arguments, runner::trials()).exit_code()
}

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, symbol: *const c_char) -> *mut c_void;
}

/// The next function of that name after this program's: libvirt's.
fn next(symbol: &CStr) -> *mut c_void {
    /// `RTLD_NEXT` of the C library.
    const NEXT: *mut c_void = ptr::without_provenance_mut(usize::MAX);
    // SAFETY: a terminated string, and a handle that dlsym knows.
    let function = unsafe { dlsym(NEXT, symbol.as_ptr()) };
    assert!(!function.is_null(), "libvirt has no {symbol:?}");
    function
}

/// Functions that libvirt has as well, with what they return when they are to
/// fail.
macro_rules! functions {
    ($($name:ident($($argument:ident: $ty:ty),*) -> $answer:ty, $failure:expr;)+) => {$(
        #[allow(clippy::unused_unit, reason = "one of them returns nothing")]
        #[unsafe(no_mangle)]
        extern "C" fn $name($($argument: $ty),*) -> $answer {
            if interpose::called(stringify!($name)) {
                return $failure;
            }
            const NAME: &CStr = match CStr::from_bytes_with_nul(
                concat!(stringify!($name), "\0").as_bytes(),
            ) {
                Ok(name) => name,
                Err(_) => panic!("an identifier with a null"),
            };
            // SAFETY: the function that libvirt has under this name has this
            // type.
            let libvirt = unsafe {
                transmute::<*mut c_void, unsafe extern "C" fn($($ty),*) -> $answer>(next(NAME))
            };
            // SAFETY: the arguments are the caller's.
            unsafe { libvirt($($argument),*) }
        }
    )+};
}

functions! {
    virInitialize() -> c_int, -1;
    virResetLastError() -> (), ();
    virGetLastError() -> sys::virErrorPtr, ptr::null_mut();
    virGetLastErrorCode() -> c_int, 0;
    virGetLastErrorMessage() -> *const c_char, ptr::null();
    virEventRegisterDefaultImpl() -> c_int, fail_like_libvirt();
    virEventRemoveTimeout(timer: c_int) -> c_int, -1;
}

#[unsafe(no_mangle)]
extern "C" fn virEventRegisterImpl(
    add_handle: sys::virEventAddHandleFunc,
    update_handle: sys::virEventUpdateHandleFunc,
    remove_handle: sys::virEventRemoveHandleFunc,
    add_timeout: sys::virEventAddTimeoutFunc,
    update_timeout: sys::virEventUpdateTimeoutFunc,
    remove_timeout: sys::virEventRemoveTimeoutFunc,
) {
    let six = Six {
        add_handle,
        update_handle,
        remove_handle,
        add_timeout,
        update_timeout,
        remove_timeout,
    };
    interpose::register(six, &|six| {
        type Register = unsafe extern "C" fn(
            sys::virEventAddHandleFunc,
            sys::virEventUpdateHandleFunc,
            sys::virEventRemoveHandleFunc,
            sys::virEventAddTimeoutFunc,
            sys::virEventUpdateTimeoutFunc,
            sys::virEventRemoveTimeoutFunc,
        );
        // SAFETY: libvirt's function of this name has this type.
        let libvirt = unsafe { transmute::<*mut c_void, Register>(next(c"virEventRegisterImpl")) };
        // SAFETY: six functions of the right types, as the caller promises.
        unsafe {
            libvirt(
                six.add_handle,
                six.update_handle,
                six.remove_handle,
                six.add_timeout,
                six.update_timeout,
                six.remove_timeout,
            );
        }
    });
}

/// Fails, with libvirt's own words about something else.
fn fail_like_libvirt() -> c_int {
    // SAFETY: a terminated string. Nothing is opened.
    let connection = unsafe { sys::virConnectOpen(c"test:///nowhere/to/be/found.xml".as_ptr()) };
    assert!(connection.is_null());
    -1
}
