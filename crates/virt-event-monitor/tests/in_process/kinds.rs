//! Every kind of event that the test driver can produce. (`docs/events.md` says
//! what produces the others.)

use std::fs;
use std::sync::mpsc::Receiver;

use virt::connect::Connect;
use virt_event_monitor::domain::{
    DefinedDetail, Lifecycle, LifecycleChange, MetadataChange, MetadataType, StartedDetail,
    StoppedDetail, UndefinedDetail,
};
use virt_event_monitor::{
    AnyEvent, EventKind, Monitor, ObjectKind, Subscription, network, node_device, storage_pool,
};

use crate::support::{Host, LIMIT, connect, events, settle, unique};

/// What this file shows.
const SHOWN: [EventKind; 6] = [
    EventKind::Lifecycle,
    EventKind::MetadataChange,
    EventKind::NetworkLifecycle,
    EventKind::StoragePoolLifecycle,
    EventKind::StoragePoolRefresh,
    EventKind::NodeDeviceLifecycle,
];

#[test]
fn the_table_in_the_docs_names_the_test_driver_for_what_it_produces() {
    let says: Vec<_> = include_str!("../../docs/events.md")
        .lines()
        .filter(|line| line.starts_with('|') && line.contains("test driver"))
        .filter_map(|row| EventKind::from_name(row.split('|').nth(2)?.trim().trim_matches('`')))
        .collect();
    assert_eq!(says, SHOWN);
}

/// All that the test driver reports of one name.
fn follow(monitor: &Monitor, name: &str) -> (Subscription, Receiver<AnyEvent>) {
    let (sender, received) = events();
    let name = name.to_owned();
    let kinds = EventKind::ALL
        .iter()
        .copied()
        .filter(|kind| kind.object() != ObjectKind::Secret);
    let subscription = monitor
        .subscribe_any(kinds)
        .callback(move |event| {
            if event.to_string().starts_with(&format!("{name}: ")) {
                let _ = sender.send(event);
            }
        })
        .unwrap();
    (subscription, received)
}

fn next(received: &Receiver<AnyEvent>) -> AnyEvent {
    received.recv_timeout(LIMIT).unwrap()
}

fn lifecycle(event: AnyEvent) -> LifecycleChange {
    match event {
        AnyEvent::Lifecycle(Lifecycle { change, .. }) => change,
        other => panic!("{other:?}"),
    }
}

fn monitored() -> (Connect, Monitor) {
    let connection = connect();
    let monitor = Monitor::new(&connection).unwrap();
    (connection, monitor)
}

#[test]
fn the_life_of_a_domain() {
    let (connection, monitor) = monitored();
    let name = unique("alive");
    let renamed = unique("renamed");
    let (_subscription, received) = follow(&monitor, &name);
    let (_also, of_renamed) = follow(&monitor, &renamed);
    let xml = |memory| {
        format!(
            "<domain type='test'><name>{name}</name><memory>{memory}</memory>\
             <os><type>hvm</type></os></domain>"
        )
    };
    let domain = connection.define_domain_xml(&xml(1024)).unwrap();
    let change = lifecycle(next(&received));
    assert_eq!(change, LifecycleChange::Defined(DefinedDetail::Added));

    domain.create().unwrap();
    let change = lifecycle(next(&received));
    assert_eq!(change, LifecycleChange::Started(StartedDetail::Booted));

    domain.managed_save(0).unwrap();
    let change = lifecycle(next(&received));
    assert_eq!(change, LifecycleChange::Stopped(StoppedDetail::Saved));

    domain.create().unwrap();
    lifecycle(next(&received));
    domain.shutdown().unwrap();
    let change = lifecycle(next(&received));
    assert_eq!(change, LifecycleChange::Stopped(StoppedDetail::Shutdown));

    domain.create().unwrap();
    lifecycle(next(&received));
    domain.destroy().unwrap();
    let change = lifecycle(next(&received));
    assert_eq!(change, LifecycleChange::Stopped(StoppedDetail::Destroyed));

    domain.rename(&renamed, 0).unwrap();
    let change = lifecycle(next(&received));
    assert_eq!(change, LifecycleChange::Undefined(UndefinedDetail::Renamed));
    let change = lifecycle(next(&of_renamed));
    assert_eq!(change, LifecycleChange::Defined(DefinedDetail::Renamed));

    domain.undefine().unwrap();
    let change = lifecycle(next(&of_renamed));
    assert_eq!(change, LifecycleChange::Undefined(UndefinedDetail::Removed));
}

#[test]
fn metadata() {
    let host = Host::new();
    let (sender, received) = events();
    let _subscription = host
        .monitor
        .subscribe::<MetadataChange>()
        .of(&host.domain)
        .callback(move |event| sender.send(event).unwrap())
        .unwrap();
    let set = |ty, text, key, uri| host.domain.set_metadata(ty, text, key, uri, 0).unwrap();
    set(
        virt::sys::VIR_DOMAIN_METADATA_TITLE as i32,
        Some("a title"),
        None,
        None,
    );
    let event = received.recv_timeout(LIMIT).unwrap();
    assert_eq!(event.metadata, MetadataType::Title);
    assert_eq!(event.namespace_uri, None);
    set(
        virt::sys::VIR_DOMAIN_METADATA_ELEMENT as i32,
        Some("<a/>"),
        Some("a"),
        Some("http://example.org/a"),
    );
    let event = received.recv_timeout(LIMIT).unwrap();
    assert_eq!(event.metadata, MetadataType::Element);
    assert_eq!(event.namespace_uri.as_deref(), Some("http://example.org/a"));
    assert_eq!(event.domain.name, host.name);
}

#[test]
fn networks() {
    let (connection, monitor) = monitored();
    let name = unique("network");
    let (_subscription, received) = follow(&monitor, &name);
    let xml = format!("<network><name>{name}</name></network>");
    let network = connection.define_network_xml(&xml).unwrap();
    let expect = |expected| match next(&received) {
        AnyEvent::NetworkLifecycle(event) => {
            assert_eq!(event.change, expected);
            assert_eq!(event.network.uuid, network.uuid().unwrap());
            assert_eq!(event.network.name, name);
            assert_eq!(event.detail, 0);
        }
        other => panic!("{other:?}"),
    };
    expect(network::LifecycleChange::Defined);
    network.create().unwrap();
    expect(network::LifecycleChange::Started);
    network.destroy().unwrap();
    expect(network::LifecycleChange::Stopped);
    network.undefine().unwrap();
    expect(network::LifecycleChange::Undefined);
}

#[test]
fn one_network_only() {
    let (connection, monitor) = monitored();
    let [one, other] = [unique("network"), unique("network")].map(|name| {
        let xml = format!("<network><name>{name}</name></network>");
        connection.define_network_xml(&xml).unwrap()
    });
    settle();
    let (sender, received) = events();
    let _subscription = monitor
        .subscribe::<network::Lifecycle>()
        .of(&one)
        .callback(move |event| sender.send(event.network.name).unwrap())
        .unwrap();
    other.create().unwrap();
    one.create().unwrap();
    assert_eq!(received.recv_timeout(LIMIT).unwrap(), one.name().unwrap());
    for network in [one, other] {
        network.destroy().unwrap();
        network.undefine().unwrap();
    }
}

#[test]
fn storage_pools() {
    let (connection, monitor) = monitored();
    let name = unique("pool");
    let (_subscription, received) = follow(&monitor, &name);
    let path = std::env::temp_dir().join(format!("virt-event-{name}-{}", std::process::id()));
    let xml = format!(
        "<pool type='dir'><name>{name}</name><target><path>{}</path></target></pool>",
        path.display()
    );
    let pool = connection.define_storage_pool_xml(&xml, 0).unwrap();
    let expect = |expected| match next(&received) {
        AnyEvent::StoragePoolLifecycle(event) => {
            assert_eq!(event.change, expected);
            assert_eq!(event.pool.uuid, pool.uuid().unwrap());
        }
        other => panic!("{other:?}"),
    };
    expect(storage_pool::LifecycleChange::Defined);
    pool.build(0).unwrap();
    expect(storage_pool::LifecycleChange::Created);
    pool.create(0).unwrap();
    expect(storage_pool::LifecycleChange::Started);
    pool.refresh(0).unwrap();
    let event = next(&received);
    assert!(
        matches!(event, AnyEvent::StoragePoolRefresh(_)),
        "{event:?}"
    );
    pool.destroy().unwrap();
    expect(storage_pool::LifecycleChange::Stopped);
    pool.delete(0).unwrap();
    expect(storage_pool::LifecycleChange::Deleted);
    pool.undefine().unwrap();
    expect(storage_pool::LifecycleChange::Undefined);
    // The test driver only pretends; but if it ever does not, be tidy.
    let _ = fs::remove_dir(path);
}

#[test]
fn node_devices() {
    let (connection, monitor) = monitored();
    let (sender, received) = events();
    let _subscription = monitor
        .subscribe::<node_device::Lifecycle>()
        .callback(move |event| sender.send(event).unwrap())
        .unwrap();
    let xml = "<device><parent>scsi_host2</parent><capability type='scsi_host'>\
               <capability type='fc_host'><wwnn>2000000012341234</wwnn>\
               <wwpn>1000000012341234</wwpn></capability></capability></device>";
    let device = connection.create_node_device_xml(xml, 0).unwrap();
    let name = device.name().unwrap();
    let event = received.recv_timeout(LIMIT).unwrap();
    assert_eq!(event.change, node_device::LifecycleChange::Created);
    assert_eq!(event.device.name, name);
    device.destroy().unwrap();
    let event = received.recv_timeout(LIMIT).unwrap();
    assert_eq!(event.change, node_device::LifecycleChange::Deleted);
    assert_eq!(event.to_string(), format!("{name}: deleted"));
}
