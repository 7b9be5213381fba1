//! A reactor may be driven before libvirt gets it, and libvirt may have it
//! before it is driven.

use std::sync::Arc;

use virt_event_conformance::fixtures::patience;
use virt_event_reactor::Reactor;

use super::connection::Connection;
use super::running::Running;
use super::{Host, HostCase, host_case};

pub(super) const CASES: &[HostCase] = &[
    host_case!(r01_host_installed, Elsewhere),
    host_case!(r03_host_attached_before_installing, Elsewhere),
    host_case!(r03_host_attached_after_installing, Elsewhere),
];

fn r01_host_installed(host: &'static dyn Host) {
    let running = Running::run(|| host.install(), |_| {});
    events_arrive(running, Connection::open());
}

fn r03_host_attached_before_installing(host: &'static dyn Host) {
    let reactor = Reactor::new().expect("a reactor");
    let running = Running::start(host, &reactor);
    running.wait_until_asleep();
    virt_event_libvirt::install(Arc::clone(&reactor)).expect("libvirt has no loop yet");
    events_arrive(running, Connection::open());
}

fn r03_host_attached_after_installing(host: &'static dyn Host) {
    virt_event_libvirt::installed_or_install(Reactor::new).expect("libvirt has no loop yet");
    // libvirt may use it before anybody drives it.
    let mut connection = Connection::open();
    connection.provoke();
    assert_eq!(connection.seen(), 0, "nobody drives the reactor");
    let running = Running::run(|| host.install(), |_| {});
    connection.wait();
    events_arrive(running, connection);
}

fn events_arrive(running: Running, mut connection: Connection) {
    for _ in 0..10 {
        connection.provoke();
        connection.wait();
        running.wait_until_asleep();
    }
    drop(connection);
    running.stop();
    let reactor = Reactor::installed().expect("libvirt has a reactor");
    reactor.drain(patience()).expect("nothing is left behind");
}
