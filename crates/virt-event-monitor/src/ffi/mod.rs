//! Everything unsafe: what libvirt calls, and what of it `virt` does not wrap.
//!
//! Every C function here catches panics, which the panic hook has reported by
//! then. libvirt calls the functions that free our data with locks of its own
//! held, so none of them runs, or drops, code of a user's: see [`later`].

mod close;
mod domain;
mod later;
mod object;
mod objects;
mod read;
mod registration;
mod stream;
mod table;

#[cfg(test)]
mod tests;

pub(crate) use self::close::{CloseSlot, OnConnectionClosed, address};
pub(crate) use self::later::{later, loop_is_installed, soon};
pub use self::object::Object;
pub(crate) use self::object::RawObject;
pub(crate) use self::registration::{FromC, Registration, Sink, register};
pub(crate) use self::stream::{OnStreamEvents, add_stream_callback};
pub(crate) use self::table::Entry;

use std::mem;
use std::panic::{self, AssertUnwindSafe};

/// Runs what C has called, or what is foreign; a panic ends here.
pub(crate) fn guarded(body: impl FnOnce()) {
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(body)) {
        // Leaked, because dropping it may panic once more, and nobody would
        // catch that.
        mem::forget(payload);
    }
}
