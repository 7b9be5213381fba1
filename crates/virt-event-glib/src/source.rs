//! A `GSource` that owns an attachment: the one unsafe file here.

#![expect(
    unsafe_code,
    reason = "glib has no safe source over a descriptor that can recurse"
)]

use std::mem;
use std::os::fd::AsRawFd;
use std::ptr;

use glib::translate::{IntoGlib, from_glib_full};
use glib::{MainContext, Priority, Source, ffi};
use virt_event_reactor::Attachment;

use crate::turn;

/// What GLib allocates: its own part, then ours.
#[repr(C)]
struct OurSource {
    /// GLib's, and nobody else's.
    glib: ffi::GSource,
    /// A box. Written once, before the source is attached; read by `dispatch`,
    /// on one thread after the other; taken by `finalize`.
    attachment: *mut Attachment,
}

// GLib dispatches on the thread that iterates the context, and finalizes on
// whichever thread gives up the last reference.
const _: fn() = || {
    fn goes_anywhere<T: Send + Sync>() {}
    goes_anywhere::<Attachment>();
};

/// How much GLib is to allocate.
const SIZE: u32 = {
    let size = mem::size_of::<OurSource>();
    assert!(size <= u32::MAX as usize);
    size as u32
};

// GLib allocates for its own part; ours needs no stricter alignment.
const _: () = assert!(mem::align_of::<OurSource>() == mem::align_of::<ffi::GSource>());

/// Without `prepare` and `check`, which may be null since GLib 2.36, the source
/// is ready when its descriptor is.
static FUNCTIONS: ffi::GSourceFuncs = ffi::GSourceFuncs {
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
    // GLib keeps the functions as a pointer to const, whatever it asks for.
    let functions = ptr::from_ref(&FUNCTIONS).cast_mut();
    // SAFETY: the functions live for ever, and take the source for what it is
    // made to be here: as large as `OurSource`, which begins with GLib's part.
    let source = unsafe { ffi::g_source_new(functions, SIZE) };
    // SAFETY: GLib has allocated an `OurSource` of zeroes, or aborted; nobody
    // else knows of it.
    unsafe { (*source.cast::<OurSource>()).attachment = Box::into_raw(Box::new(attachment)) };
    // SAFETY: a live source that is not attached yet, as in the next three.
    unsafe { ffi::g_source_set_name(source, c"virt-event-glib".as_ptr()) };
    // SAFETY: as above.
    unsafe { ffi::g_source_set_priority(source, priority.into_glib()) };
    // SAFETY: as above.
    unsafe { ffi::g_source_set_can_recurse(source, ffi::GTRUE) };
    // SAFETY: as above; the attachment keeps the descriptor open until
    // `finalize`, when GLib has long ceased to poll it.
    unsafe { ffi::g_source_add_unix_fd(source, fd, ffi::G_IO_IN) };
    // SAFETY: the reference from g_source_new is ours to give away.
    let source: Source = unsafe { from_glib_full(source) };
    // The context takes a reference of its own. This wakes it, on whatever
    // thread it sleeps.
    source.attach(Some(context));
}

/// What GLib calls when the descriptor is readable; also inside itself, by way
/// of a callback that iterates the context.
unsafe extern "C" fn dispatch(
    source: *mut ffi::GSource,
    _callback: ffi::GSourceFunc,
    _data: ffi::gpointer,
) -> ffi::gboolean {
    // SAFETY: GLib passes a source that was made above.
    let attachment = unsafe { (*source.cast::<OurSource>()).attachment };
    // SAFETY: GLib holds a reference to the source for as long as it is
    // dispatched, even if it is destroyed meanwhile, so `finalize` comes later;
    // until then there are only shared references.
    let attachment = unsafe { &*attachment };
    turn::take(attachment).into_glib()
}

/// What GLib calls when the last reference to the source is gone.
unsafe extern "C" fn finalize(source: *mut ffi::GSource) {
    // SAFETY: GLib passes a source that was made above.
    let attachment = unsafe { (*source.cast::<OurSource>()).attachment };
    // SAFETY: it came from `Box::into_raw`, and GLib calls this once, when
    // nobody dispatches the source any more or will again.
    let attachment = unsafe { Box::from_raw(attachment) };
    turn::end(attachment);
}
