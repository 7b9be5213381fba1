//! What cannot be had, and what is said then.

use std::sync::Arc;

use virt_event_monitor::domain::Lifecycle;
use virt_event_monitor::{Error, EventKind, ObjectKind, secret};

use crate::support::{Host, settle, wait_until};

#[test]
fn what_the_driver_does_not_have_is_named() {
    let host = Host::new();
    let error = host
        .monitor
        .subscribe::<secret::Lifecycle>()
        .callback(|_| {})
        .unwrap_err();
    assert!(error.is_unsupported(), "{error:?}");
    assert!(error.to_string().contains("`secret-lifecycle`"), "{error}");
}

#[test]
fn of_several_kinds_all_or_none_begin() {
    let host = Host::new();
    let token = Arc::new(());
    let kept = Arc::clone(&token);
    let error = host
        .monitor
        .subscribe_any([EventKind::Lifecycle, EventKind::SecretLifecycle])
        .callback(move |_| panic!("never subscribed, {kept:?}"))
        .unwrap_err();
    assert!(matches!(
        error,
        Error::Subscribe {
            kind: EventKind::SecretLifecycle,
            ..
        }
    ));
    host.toggle();
    settle();
    wait_until("the closure is freed", || Arc::strong_count(&token) == 1);
}

#[test]
fn an_object_that_the_kind_does_not_fit_is_refused() {
    let host = Host::new();
    let error = host
        .monitor
        .subscribe_any([EventKind::Lifecycle, EventKind::NetworkLifecycle])
        .of(&host.domain)
        .stream()
        .unwrap_err();
    assert!(matches!(
        error,
        Error::OtherObject {
            kind: EventKind::NetworkLifecycle,
            object: ObjectKind::Domain,
        }
    ));
}

#[test]
fn nothing_and_no_room_are_refused() {
    let host = Host::new();
    assert!(matches!(
        host.monitor.subscribe_any([]).stream(),
        Err(Error::NoKinds)
    ));
    assert!(matches!(
        host.monitor.subscribe::<Lifecycle>().capacity(0).stream(),
        Err(Error::NoCapacity)
    ));
}
