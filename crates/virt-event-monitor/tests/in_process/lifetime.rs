//! What is held, and for how long.

use std::sync::Arc;

use virt_event_monitor::domain::{Lifecycle, MetadataChange};
use virt_event_monitor::{Error, Monitor};

use crate::support::{Host, LIMIT, connect, events, poll_once, settle, wait_until};

#[test]
fn a_connection_has_one_monitor_at_a_time() {
    let connection = connect();
    let monitor = Monitor::new(&connection).unwrap();
    let error = Monitor::new(&connection.clone()).unwrap_err();
    assert!(matches!(error, Error::AlreadyMonitored), "{error:?}");
    assert!(error.to_string().contains("clone"), "{error}");
    // Whatever came from it counts, too.
    let events = monitor.clone().lifecycle().unwrap();
    drop(monitor);
    assert!(Monitor::new(&connection).is_err());
    drop(events);
    wait_until("it is free again", || Monitor::new(&connection).is_ok());
    // Another connection to the same host is another connection.
    let _one = Monitor::new(&connection).unwrap();
    let _two = Monitor::new(&connect()).unwrap();
}

#[test]
fn subscriptions_to_the_same_events_are_independent() {
    let host = Host::new();
    let subscribe = || {
        let (sender, received) = events();
        let subscription = host
            .monitor
            .subscribe::<Lifecycle>()
            .of(&host.domain)
            .callback(move |event| sender.send(event.change).unwrap());
        (subscription.unwrap(), received)
    };
    let (one, of_one) = subscribe();
    let (two, of_two) = subscribe();
    host.toggle();
    of_one.recv_timeout(LIMIT).unwrap();
    of_two.recv_timeout(LIMIT).unwrap();
    drop(one);
    host.toggle();
    of_two.recv_timeout(LIMIT).unwrap();
    drop(two);
    let (_three, of_three) = subscribe();
    host.toggle();
    of_three.recv_timeout(LIMIT).unwrap();
    settle();
    assert!(of_one.try_recv().is_err());
    assert!(of_two.try_recv().is_err());
}

#[test]
fn two_objects_for_one_domain_are_one_domain() {
    let host = Host::new();
    let again = host
        .monitor
        .connection()
        .lookup_domain_by_name(&host.name)
        .unwrap();
    let (sender, received) = events();
    let other_sender = sender.clone();
    let _one = host
        .monitor
        .subscribe::<Lifecycle>()
        .of(&host.domain)
        .callback(move |_| sender.send(1).unwrap())
        .unwrap();
    let _two = host
        .monitor
        .subscribe::<Lifecycle>()
        .of(&again)
        .callback(move |_| other_sender.send(2).unwrap())
        .unwrap();
    host.toggle();
    let mut heard = [(); 2].map(|()| received.recv_timeout(LIMIT).unwrap());
    heard.sort_unstable();
    assert_eq!(heard, [1, 2]);
}

#[test]
fn one_subscriber_that_panics_keeps_nothing_from_the_others() {
    let host = Host::new();
    let (sender, received) = events();
    let subscribe = |panics: bool| {
        let sender = sender.clone();
        let begun = host.monitor.subscribe::<Lifecycle>().of(&host.domain);
        begun.callback(move |_| {
            assert!(!panics, "a panic that the test wants");
            sender.send(()).unwrap();
        })
    };
    let _subscriptions = [false, true, false].map(|panics| subscribe(panics).unwrap());
    host.toggle();
    received.recv_timeout(LIMIT).unwrap();
    received.recv_timeout(LIMIT).unwrap();
}

#[test]
fn an_open_connection_is_not_reported_closed() {
    let host = Host::new();
    assert_eq!(host.monitor.close_reason(), None);
    let mut closed = host.monitor.closed();
    assert!(poll_once(&mut closed).is_pending());
    let token = Arc::new(());
    let kept = Arc::clone(&token);
    let waiting = host
        .monitor
        .on_close(move |reason| panic!("{reason}, {kept:?}"));
    settle();
    drop(waiting);
    wait_until("the closure is freed", || Arc::strong_count(&token) == 1);
    assert!(poll_once(&mut closed).is_pending());
}

#[test]
fn kinds_do_not_mix() {
    let host = Host::new();
    let (sender, received) = events();
    let _subscription = host
        .monitor
        .subscribe::<MetadataChange>()
        .of(&host.domain)
        .callback(move |event| sender.send(event).unwrap())
        .unwrap();
    host.toggle();
    settle();
    assert!(received.try_recv().is_err());
}
