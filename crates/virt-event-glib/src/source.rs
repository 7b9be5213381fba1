//! A `GSource` that owns an attachment: the one unsafe file here.

#![expect(unsafe_code, reason = "glib has no safe source that can recurse")]

use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use std::{mem, ptr};

use glib::translate::{IntoGlib, ToGlibPtr};
use glib::{MainContext, Priority, ffi};
use virt_event_reactor::{Attachment, TurnError};

/// What GLib allocates: its own part, then ours.
#[repr(C)]
struct Source {
    glib: ffi::GSource,
    /// Null until it is moved in, and after `finalize`.
    attachment: *mut Attachment,
}

static mut FUNCTIONS: ffi::GSourceFuncs = ffi::GSourceFuncs {
    prepare: None,
    check: None,
    dispatch: Some(dispatch),
    finalize: Some(finalize),
    closure_callback: None,
    closure_marshal: None,
};

/// Puts `attachment` into `context`, which owns it from now on.
pub(crate) fn attach(attachment: Attachment, context: &MainContext, priority: Priority) {
    let fd = attachment.as_raw_fd();
    let size = mem::size_of::<Source>() as u32;
    // SAFETY: GLib does not write to the functions, which live for ever.
    let source = unsafe { ffi::g_source_new(&raw mut FUNCTIONS, size) };
    // SAFETY: GLib has allocated `size` zeroed bytes, with its own part first.
    unsafe { (*source.cast::<Source>()).attachment = Box::into_raw(Box::new(attachment)) };
    // SAFETY: a live source that is not attached, as in all of these.
    unsafe { ffi::g_source_set_name(source, c"virt-event".as_ptr()) };
    // SAFETY: as above.
    unsafe { ffi::g_source_set_priority(source, priority.into_glib()) };
    // SAFETY: as above.
    unsafe { ffi::g_source_set_can_recurse(source, ffi::GTRUE) };
    // SAFETY: as above; the attachment keeps the descriptor open for as long
    // as the source lives.
    unsafe { ffi::g_source_add_unix_fd(source, fd, ffi::G_IO_IN) };
    // SAFETY: the context takes a reference.
    unsafe { ffi::g_source_attach(source, context.to_glib_none().0) };
    // SAFETY: this reference is ours, from g_source_new.
    unsafe { ffi::g_source_unref(source) };
}

unsafe extern "C" fn dispatch(
    source: *mut ffi::GSource,
    _: ffi::GSourceFunc,
    _: ffi::gpointer,
) -> ffi::gboolean {
    // SAFETY: GLib calls this with a source made above, and keeps a reference
    // to it meanwhile.
    let attachment = unsafe { &*(*source.cast::<Source>()).attachment };
    let turned = catch_unwind(AssertUnwindSafe(|| attachment.turn(Some(Duration::ZERO))));
    match turned {
        Ok(Ok(_) | Err(TurnError::Busy)) => ffi::GTRUE,
        Ok(Err(_)) => ffi::GFALSE,
        Err(panic) => {
            // What it carries may panic, too.
            mem::forget(panic);
            ffi::GTRUE
        }
    }
}

unsafe extern "C" fn finalize(source: *mut ffi::GSource) {
    // SAFETY: GLib calls this once, for a source made above.
    let place = unsafe { &mut (*source.cast::<Source>()).attachment };
    let attachment = mem::replace(place, ptr::null_mut());
    if !attachment.is_null() {
        // SAFETY: it was made by `Box::into_raw` above.
        drop(unsafe { Box::from_raw(attachment) });
    }
}
