//! A subscription to libvirt's domain events: the one unsafe file here.
//!
//! The `virt` crate has no safe way to it, and neither has this project yet.

#![expect(unsafe_code, reason = "calls libvirt through virt::sys")]

use std::ffi::{CStr, c_int, c_void};
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::ptr;

use virt::connect::Connect;
use virt::error::Error;
use virt::sys;

use crate::lifecycle::LifecycleEvent;

type Callback = Box<dyn Fn(LifecycleEvent) + Send + Sync>;

/// The lifecycle events of every domain of a connection. Dropping it ends the
/// subscription; libvirt frees the callback a little later, on the loop.
///
/// It keeps the connection open, so drop it first.
#[must_use = "dropping it ends the subscription at once"]
pub struct LifecycleSubscription {
    connection: Connect,
    id: c_int,
}

impl LifecycleSubscription {
    /// Calls `callback` on the loop's thread for each event from now on. It
    /// must not block: keepalive waits for it.
    ///
    /// # Errors
    ///
    /// - libvirt refuses, for one because no loop is installed.
    #[doc(alias = "virConnectDomainEventRegisterAny")]
    pub fn new(
        connection: &Connect,
        callback: impl Fn(LifecycleEvent) + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let connection = connection.clone();
        // Boxed twice: a pointer to a trait object is too wide for `opaque`.
        let callback: Callback = Box::new(callback);
        let opaque = Box::into_raw(Box::new(callback)).cast::<c_void>();
        // SAFETY: the pointer is used in the next call only, while `connection`
        // holds its reference.
        let raw = unsafe { connection.as_ptr() };
        // SAFETY: libvirt calls a callback of this event id with the arguments
        // of virConnectDomainEventCallback and passes it through this general
        // type; the two have the same calling convention.
        let function = unsafe {
            std::mem::transmute::<
                sys::virConnectDomainEventCallback,
                sys::virConnectDomainEventGenericCallback,
            >(Some(dispatch))
        };
        // SAFETY: `raw` is a live connection and a null domain means all of
        // them; `opaque` is what `dispatch` and `free` expect, and libvirt
        // calls `free` once, after the last `dispatch`.
        let id = unsafe {
            sys::virConnectDomainEventRegisterAny(
                raw,
                ptr::null_mut(),
                sys::VIR_DOMAIN_EVENT_ID_LIFECYCLE as c_int,
                function,
                opaque,
                Some(free),
            )
        };
        if id < 0 {
            let error = Error::last_error();
            // SAFETY: a registration that failed has taken nothing over, so
            // the box is still ours.
            drop(unsafe { Box::from_raw(opaque.cast::<Callback>()) });
            return Err(error);
        }
        Ok(Self { connection, id })
    }
}

impl Drop for LifecycleSubscription {
    fn drop(&mut self) {
        // SAFETY: used in the next call only, before `connection` is dropped.
        let raw = unsafe { self.connection.as_ptr() };
        // An error means that the connection is gone, and the registration
        // with it: nothing to do about it.
        // SAFETY: a live connection, and an id of its own registered once.
        let _ = unsafe { sys::virConnectDomainEventDeregisterAny(raw, self.id) };
    }
}

impl fmt::Debug for LifecycleSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LifecycleSubscription")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What libvirt calls.
unsafe extern "C" fn dispatch(
    _connection: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    event: c_int,
    detail: c_int,
    opaque: *mut c_void,
) -> c_int {
    // A panic must not reach C. It has been reported by the panic hook.
    let _ = panic::catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: libvirt lends us the domain for the time of this call.
        let name = unsafe { sys::virDomainGetName(domain) };
        let domain = if name.is_null() {
            "?".to_owned()
        } else {
            // SAFETY: not null, and the string lives as long as the domain.
            let name = unsafe { CStr::from_ptr(name) };
            name.to_string_lossy().into_owned()
        };
        // SAFETY: `opaque` is the box made in `new`, alive until `free`, and
        // only shared references to it are made.
        let callback = unsafe { &*opaque.cast::<Callback>() };
        callback(LifecycleEvent {
            domain,
            event,
            detail,
        });
    }));
    0
}

/// What libvirt calls last.
unsafe extern "C" fn free(opaque: *mut c_void) {
    let _ = panic::catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: `opaque` is the box made in `new`; libvirt calls this once,
        // when no `dispatch` runs or will run.
        drop(unsafe { Box::from_raw(opaque.cast::<Callback>()) });
    }));
}
