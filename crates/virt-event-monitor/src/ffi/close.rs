//! The one close callback that libvirt has room for on a connection.

#![expect(unsafe_code, reason = "calls libvirt through virt::sys")]

use std::ffi::{c_int, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use virt::connect::Connect;
use virt::error::Error;
use virt::sys;

use super::{guarded, later};
use crate::CloseReason;

/// What tells a connection from others while it is open.
pub(crate) fn address(connection: &Connect) -> usize {
    // SAFETY: the pointer is not followed.
    unsafe { connection.as_ptr() }.addr()
}

/// Is told that the connection was closed, on the loop.
pub(crate) trait OnConnectionClosed: Send + Sync {
    fn connection_closed(&self, reason: CloseReason);
}

/// What `opaque` points to.
struct Opaque {
    listener: Arc<dyn OnConnectionClosed>,
    freed: Arc<AtomicBool>,
}

/// The taken slot of a connection. It has to be [given up](Self::release).
#[derive(Debug)]
pub(crate) struct CloseSlot {
    /// libvirt asks for the function again at the end, and a function of Rust's
    /// need not have one address only.
    function: sys::virConnectCloseFunc,
    opaque: *mut Opaque,
    /// Whether `opaque` is gone.
    freed: Arc<AtomicBool>,
}

// SAFETY: the pointer is only compared with nothing, or owned by whoever finds
// that libvirt has not kept it.
unsafe impl Send for CloseSlot {}

// SAFETY: as above.
unsafe impl Sync for CloseSlot {}

impl CloseSlot {
    /// Takes the slot. libvirt holds a reference on the connection from now on,
    /// until it has called us or the slot is given up.
    ///
    /// With a driver that has no such slot, because it never closes a
    /// connection, libvirt says that all is well and forgets us.
    pub(crate) fn take(
        connection: &Connect,
        listener: Arc<dyn OnConnectionClosed>,
    ) -> Result<Self, Error> {
        let freed = Arc::new(AtomicBool::new(false));
        let opaque = Box::into_raw(Box::new(Opaque {
            listener,
            freed: Arc::clone(&freed),
        }));
        let function: sys::virConnectCloseFunc = Some(closed);
        // SAFETY: used in the next call only, while the connection is borrowed.
        let raw = unsafe { connection.as_ptr() };
        // SAFETY: a live connection; `opaque` is what the two functions expect;
        // libvirt calls `free` once, last, and not at all if it refuses.
        let taken = unsafe {
            sys::virConnectRegisterCloseCallback(raw, function, opaque.cast(), Some(free))
        };
        if taken < 0 {
            let error = Error::last_error();
            // SAFETY: the box made above; libvirt has not taken it.
            drop(unsafe { Box::from_raw(opaque) });
            return Err(error);
        }
        Ok(Self {
            function,
            opaque,
            freed,
        })
    }

    /// Gives the slot up. An error means that the connection is going down at
    /// this moment; then libvirt calls us and frees the rest.
    pub(crate) fn release(self, connection: &Connect) {
        // SAFETY: used in the next call only, while the connection is borrowed.
        let raw = unsafe { connection.as_ptr() };
        // SAFETY: a live connection and the function that was registered.
        let released = unsafe { sys::virConnectUnregisterCloseCallback(raw, self.function) };
        // libvirt frees at once, if it has anything to free.
        if released == 0 && !self.freed.load(Ordering::Acquire) {
            // SAFETY: the box made in `take`, which libvirt has forgotten: it
            // has now given up the slot without freeing it.
            drop(unsafe { Box::from_raw(self.opaque) });
        }
    }
}

/// libvirt calls this, and then `free`, on whatever thread noticed, under a
/// lock that every other call on the slot takes. So the news only goes to the
/// loop, and there behind the events that have arrived before it: libvirt's
/// timer that delivers those is due already.
unsafe extern "C" fn closed(_connection: sys::virConnectPtr, reason: c_int, opaque: *mut c_void) {
    guarded(|| {
        // SAFETY: the box made in `take`, alive until `free`.
        let listener = Arc::clone(unsafe { &(*opaque.cast::<Opaque>()).listener });
        let reason = CloseReason::from_raw(reason);
        later(1, move || listener.connection_closed(reason));
    });
}

unsafe extern "C" fn free(opaque: *mut c_void) {
    guarded(|| {
        // SAFETY: the box made in `take`; libvirt calls this once, last.
        let opaque = unsafe { Box::from_raw(opaque.cast::<Opaque>()) };
        opaque.freed.store(true, Ordering::Release);
    });
}
