//! What a daemon has besides guests.

use std::sync::mpsc::channel;

use virt_event_monitor::{EventKind, SecretUsageType, network, secret, storage_pool};
use virt_event_tests::rig::patience;

use crate::case::{Case, Producer};
use crate::scene::{Scene, next};

pub(crate) const POOLS: Case = Case {
    name: "storage_pools",
    producer: Producer::Daemon,
    kinds: &[
        EventKind::StoragePoolLifecycle,
        EventKind::StoragePoolRefresh,
    ],
    script: pools,
};

pub(crate) const NETWORKS: Case = Case {
    name: "networks",
    producer: Producer::Daemon,
    kinds: &[EventKind::NetworkLifecycle],
    script: networks,
};

pub(crate) const SECRETS: Case = Case {
    name: "secrets",
    producer: Producer::Daemon,
    kinds: &[EventKind::SecretLifecycle, EventKind::SecretValueChanged],
    script: secrets,
};

fn pools(scene: &mut Scene) {
    use storage_pool::LifecycleChange as Change;

    let define = |scene: &mut Scene, name: &str| {
        let path = scene.path(name);
        let xml = format!(
            "<pool type='dir'><name>{name}</name><target><path>{path}</path></target></pool>"
        );
        let pool = scene.connection().define_storage_pool_xml(&xml, 0).unwrap();
        let event = next!(scene, StoragePoolLifecycle);
        assert_eq!(event.change, Change::Defined);
        assert_eq!(event.pool.name, name);
        assert_eq!(event.pool.uuid, pool.uuid().unwrap());
        pool
    };
    let pool = define(scene, "pool");

    // The daemon is to keep the other pool's events to itself.
    let (sender, of_pool) = channel();
    let subscription = scene
        .monitor()
        .subscribe::<storage_pool::Lifecycle>()
        .of(&pool)
        .callback(move |event| {
            let _ = sender.send(event);
        })
        .unwrap();
    let other = define(scene, "other");
    other.undefine().unwrap();
    assert_eq!(next!(scene, StoragePoolLifecycle).change, Change::Undefined);

    pool.build(0).unwrap();
    let event = of_pool.recv_timeout(patience()).unwrap();
    assert_eq!(event.pool.name, "pool");
    assert_eq!(event.change, Change::Created);
    drop(subscription);
    assert_eq!(next!(scene, StoragePoolLifecycle), event);
    pool.create(0).unwrap();
    assert_eq!(next!(scene, StoragePoolLifecycle).change, Change::Started);
    pool.refresh(0).unwrap();
    assert_eq!(next!(scene, StoragePoolRefresh).pool.name, "pool");
    pool.destroy().unwrap();
    assert_eq!(next!(scene, StoragePoolLifecycle).change, Change::Stopped);
    pool.delete(0).unwrap();
    assert_eq!(next!(scene, StoragePoolLifecycle).change, Change::Deleted);
    pool.undefine().unwrap();
    assert_eq!(next!(scene, StoragePoolLifecycle).change, Change::Undefined);
}

fn networks(scene: &mut Scene) {
    use network::LifecycleChange as Change;

    // To start one takes privileges that the daemon does not have.
    let xml = "<network><name>net</name></network>";
    let network = scene.connection().define_network_xml(xml).unwrap();
    let event = next!(scene, NetworkLifecycle);
    assert_eq!(event.change, Change::Defined);
    assert_eq!(event.network.name, "net");
    assert_eq!(event.network.uuid, network.uuid().unwrap());
    network.undefine().unwrap();
    assert_eq!(next!(scene, NetworkLifecycle).change, Change::Undefined);
}

fn secrets(scene: &mut Scene) {
    use secret::LifecycleChange as Change;

    let xml = "<secret><usage type='ceph'><name>of ceph</name></usage></secret>";
    let secret = scene.connection().define_secret_xml(xml, 0).unwrap();
    let event = next!(scene, SecretLifecycle);
    assert_eq!(event.change, Change::Defined);
    assert_eq!(event.secret.uuid, secret.uuid().unwrap());
    assert_eq!(event.secret.usage_type, SecretUsageType::Ceph);
    assert_eq!(event.secret.usage_id, "of ceph");
    secret.set_value(b"value", 0).unwrap();
    let event = next!(scene, SecretValueChanged);
    assert_eq!(event.secret.uuid, secret.uuid().unwrap());
    secret.undefine().unwrap();
    assert_eq!(next!(scene, SecretLifecycle).change, Change::Undefined);
}
