//! libvirt's last error, which it keeps for each thread.

#![allow(unsafe_code, reason = "reads a C string that libvirt owns")]

use std::ffi::CStr;

use crate::{LibvirtError, sys};

/// Initialises libvirt and clears this thread's error. Before both have
/// happened libvirt's last error is garbage, so everything that may look at
/// it comes here first (contract F5).
pub(crate) fn initialize() -> Result<(), LibvirtError> {
    if sys::virInitialize() < 0 {
        return Err(LibvirtError::new(
            0,
            "it could not be initialised, and has no error text before that; \
             LIBVIRT_DEBUG=1 shows its log"
                .to_owned(),
        ));
    }
    sys::virResetLastError();
    Ok(())
}

/// What libvirt has to say about the call that just failed on this thread, if
/// it says anything.
pub(crate) fn last_error() -> Option<LibvirtError> {
    let code = sys::virGetLastErrorCode();
    if code == 0 {
        return None;
    }
    let text = sys::virGetLastErrorMessage();
    if text.is_null() {
        return None;
    }
    // SAFETY: libvirt returns a terminated string, which stays until the next
    // call into libvirt on this thread; it is copied before that.
    let text = unsafe { CStr::from_ptr(text) };
    Some(LibvirtError::new(code, text.to_string_lossy().into_owned()))
}

/// The same, with words of our own where libvirt has none.
pub(crate) fn last_error_or(otherwise: &str) -> LibvirtError {
    last_error().unwrap_or_else(|| LibvirtError::new(0, otherwise.to_owned()))
}
