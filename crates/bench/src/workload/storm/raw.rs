//! The same subscription as a C program has it: a function that libvirt calls.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_int, c_void};
use std::hint::black_box;
use std::mem;
use std::ptr;

use anyhow::{Result, ensure};
use virt::connect::Connect;
use virt::sys;

use super::tally::Tally;

const LIFECYCLE: c_int = sys::VIR_DOMAIN_EVENT_ID_LIFECYCLE as c_int;

/// A registered function. Its argument is a `&'static Tally`.
pub(in crate::workload) struct Subscription {
    connection: Connect,
    id: c_int,
}

impl Subscription {
    /// Counts the events and looks at nothing.
    pub(in crate::workload) fn counting(
        connection: &Connect,
        tally: &'static Tally,
    ) -> Result<Self> {
        Self::new(connection, Some(count), tally)
    }

    /// Copies the name, the UUID and the number of the domain, which libvirt
    /// lends for the time of the call only.
    pub(in crate::workload) fn copying(
        connection: &Connect,
        tally: &'static Tally,
    ) -> Result<Self> {
        Self::new(connection, Some(copy), tally)
    }

    fn new(
        connection: &Connect,
        function: sys::virConnectDomainEventCallback,
        tally: &'static Tally,
    ) -> Result<Self> {
        // SAFETY: libvirt calls the function of a lifecycle event with the
        // arguments that it has, and passes it through this general type.
        let function = unsafe {
            mem::transmute::<
                sys::virConnectDomainEventCallback,
                sys::virConnectDomainEventGenericCallback,
            >(function)
        };
        let opaque = ptr::from_ref(tally).cast_mut().cast::<c_void>();
        // SAFETY: used in the next call only, while the connection is borrowed.
        let raw = unsafe { connection.as_ptr() };
        // SAFETY: a live connection and no domain in particular; both functions
        // expect a `&'static Tally`, which needs no freeing.
        let id = unsafe {
            sys::virConnectDomainEventRegisterAny(
                raw,
                ptr::null_mut(),
                LIFECYCLE,
                function,
                opaque,
                None,
            )
        };
        ensure!(id >= 0, "libvirt refused a callback");
        Ok(Self {
            connection: connection.clone(),
            id,
        })
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // SAFETY: used in the next call only, while the connection is there.
        let raw = unsafe { self.connection.as_ptr() };
        // SAFETY: a live connection, and an id that it gave us.
        unsafe { sys::virConnectDomainEventDeregisterAny(raw, self.id) };
    }
}

unsafe extern "C" fn count(
    _connection: sys::virConnectPtr,
    _domain: sys::virDomainPtr,
    _event: c_int,
    _detail: c_int,
    opaque: *mut c_void,
) -> c_int {
    // SAFETY: what it was registered with.
    let tally: &'static Tally = unsafe { &*opaque.cast_const().cast::<Tally>() };
    tally.arrived();
    0
}

unsafe extern "C" fn copy(
    _connection: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    event: c_int,
    detail: c_int,
    opaque: *mut c_void,
) -> c_int {
    let mut uuid = [0_u8; 16];
    // SAFETY: libvirt lends us a live domain; there is room for a UUID.
    unsafe { sys::virDomainGetUUID(domain, uuid.as_mut_ptr()) };
    // SAFETY: as above.
    let id = unsafe { sys::virDomainGetID(domain) };
    // SAFETY: as above.
    let name = unsafe { sys::virDomainGetName(domain) };
    // SAFETY: the name of a live domain is a C string.
    let name = unsafe { CStr::from_ptr(name) }.to_owned();
    black_box((name, uuid, id, event, detail));
    // SAFETY: what it was registered with.
    let tally: &'static Tally = unsafe { &*opaque.cast_const().cast::<Tally>() };
    tally.arrived();
    0
}
