//! The one close callback that libvirt has room for on a connection.

#![expect(unsafe_code, reason = "calls libvirt through virt::sys")]

use std::ffi::{c_int, c_void};
use std::sync::Arc;

use virt::connect::Connect;
use virt::error::Error;
use virt::sys;

use super::table::{self, Entry};
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

/// What `opaque` stands for.
struct Listener(Arc<dyn OnConnectionClosed>);

/// The taken slot of a connection. It has to be [given up](Self::release).
#[derive(Debug)]
pub(crate) struct CloseSlot {
    /// libvirt asks for the function again at the end, and a function of Rust's
    /// need not have one address only.
    function: sys::virConnectCloseFunc,
    #[expect(dead_code, reason = "is found until it is dropped")]
    entry: Entry,
}

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
        let entry = Entry::new(Listener(listener));
        let function: sys::virConnectCloseFunc = Some(closed);
        // SAFETY: used in the next call only, while the connection is borrowed.
        let raw = unsafe { connection.as_ptr() };
        // SAFETY: a live connection; `closed` does not follow `opaque`.
        let taken =
            unsafe { sys::virConnectRegisterCloseCallback(raw, function, entry.opaque(), None) };
        if taken < 0 {
            return Err(Error::last_error());
        }
        Ok(Self { function, entry })
    }

    /// Gives the slot up. An error means that the connection is going down at
    /// this moment; then libvirt calls us, and nobody is found.
    pub(crate) fn release(self, connection: &Connect) {
        // SAFETY: used in the next call only, while the connection is borrowed.
        let raw = unsafe { connection.as_ptr() };
        // SAFETY: a live connection and the function that was registered.
        let _ = unsafe { sys::virConnectUnregisterCloseCallback(raw, self.function) };
    }
}

/// libvirt calls this on whatever thread noticed, under a lock that every other
/// call on the slot takes. So the news only goes to the loop, and there behind
/// the events that have arrived before it: libvirt's timer that delivers those is
/// due already.
unsafe extern "C" fn closed(_connection: sys::virConnectPtr, reason: c_int, opaque: *mut c_void) {
    guarded(|| {
        let listener = table::look_up(opaque, |Listener(listener)| Arc::clone(listener));
        if let Some(listener) = listener {
            let reason = CloseReason::from_raw(reason);
            later(1, move || listener.connection_closed(reason));
        }
    });
}
