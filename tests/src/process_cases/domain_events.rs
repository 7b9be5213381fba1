//! The point of it all: the real libvirt's domain events arrive through the
//! installed implementation. `test:///default` needs no daemon.

#![allow(unsafe_code, reason = "the virt crate cannot subscribe to events")]

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Mutex;

use virt::connect::Connect;
use virt::sys;

use super::broken::ForgetsLibvirt;
use super::registration::install;
use super::test_loop::Asked;
use super::{Installer, ProcessCase, TestLoop, process_case};

pub(super) const CASES: &[ProcessCase] = &[
    process_case!(
        r01_domain_events_arrive_through_it,
        "does not tell libvirt",
        ForgetsLibvirt
    ),
    process_case!(
        r04_domain_events_before_install_fail_and_work_after,
        "does not tell libvirt",
        ForgetsLibvirt
    ),
];

fn r01_domain_events_arrive_through_it(installer: &dyn Installer) {
    let implementation = install(installer);
    let connection = Connect::open(Some("test:///default")).expect("the test driver");
    let subscription = subscribe(&connection).expect("a loop is installed");
    assert_event_arrives(&implementation, &connection);
    end(&implementation, connection, subscription);
}

fn r04_domain_events_before_install_fail_and_work_after(installer: &dyn Installer) {
    let connection = Connect::open(Some("test:///default")).expect("the test driver");
    let error = subscribe(&connection).expect_err("there is no loop to run a timer");
    assert!(!error.message().is_empty(), "libvirt says why: {error:?}");
    let implementation = install(installer);
    let subscription = subscribe(&connection).expect("a loop is installed");
    assert_event_arrives(&implementation, &connection);
    end(&implementation, connection, subscription);
}

fn assert_event_arrives(implementation: &TestLoop, connection: &Connect) {
    let domain = connection
        .lookup_domain_by_name("test")
        .expect("it is always there");
    domain.suspend().expect("it runs");
    assert_eq!(events(), [0; 0], "events arrive in a turn only");
    implementation.turn_until("an event", || !events().is_empty());
    assert_eq!(events(), [sys::VIR_DOMAIN_EVENT_SUSPENDED as c_int]);
    let asked = implementation.asked();
    assert!(
        asked
            .iter()
            .any(|asked| matches!(asked, Asked::AddTimeout(_))),
        "it arrived in another way: {asked:?}"
    );
}

/// Nothing is left behind.
fn end(implementation: &TestLoop, connection: Connect, subscription: c_int) {
    let raw = raw(&connection);
    // SAFETY: the connection is open and has this subscription.
    let ended = unsafe { sys::virConnectDomainEventDeregisterAny(raw, subscription) };
    assert_eq!(ended, 0);
    drop(connection);
    implementation.turn_until("nothing is left", || implementation.left() == 0);
}

static EVENTS: Mutex<Vec<c_int>> = Mutex::new(Vec::new());

fn events() -> Vec<c_int> {
    EVENTS.lock().expect("never poisoned").clone()
}

fn subscribe(connection: &Connect) -> Result<c_int, virt::error::Error> {
    type Lifecycle = unsafe extern "C" fn(
        sys::virConnectPtr,
        sys::virDomainPtr,
        c_int,
        c_int,
        *mut c_void,
    ) -> c_int;
    type Generic = unsafe extern "C" fn(sys::virConnectPtr, sys::virDomainPtr, *mut c_void);
    // SAFETY: libvirt calls it with the arguments of the event's own type, as
    // its documentation of this event says.
    let callback = unsafe { std::mem::transmute::<Lifecycle, Generic>(on_lifecycle) };
    let raw = raw(connection);
    // SAFETY: the connection is open, and the callback uses no data.
    let subscription = unsafe {
        sys::virConnectDomainEventRegisterAny(
            raw,
            ptr::null_mut(),
            sys::VIR_DOMAIN_EVENT_ID_LIFECYCLE as c_int,
            Some(callback),
            ptr::null_mut(),
            None,
        )
    };
    if subscription < 0 {
        return Err(virt::error::Error::last_error());
    }
    Ok(subscription)
}

/// For use as long as the connection is open.
fn raw(connection: &Connect) -> sys::virConnectPtr {
    // SAFETY: the pointer is only read.
    unsafe { connection.as_ptr() }
}

unsafe extern "C" fn on_lifecycle(
    _connection: sys::virConnectPtr,
    _domain: sys::virDomainPtr,
    event: c_int,
    _detail: c_int,
    _opaque: *mut c_void,
) -> c_int {
    EVENTS.lock().expect("never poisoned").push(event);
    0
}
