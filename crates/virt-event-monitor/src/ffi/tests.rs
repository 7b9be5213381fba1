//! The C callbacks, called as libvirt calls them: with every kind of argument,
//! null among them. This is what shows the events that neither the test driver
//! nor a small guest can produce.

#![expect(unsafe_code, reason = "calls what libvirt calls")]

use std::ffi::{CStr, CString, c_char, c_int};
use std::mem;
use std::ptr::{self, null, null_mut};
use std::sync::LazyLock;

use virt::connect::Connect;
use virt::domain::Domain;
use virt::sys;

use super::registration::{Erased, FromC, received};
use crate::domain::*;
use crate::{AnyEvent, EventKind, ObjectKind, TypedEvent, network, node_device, secret};
use crate::{SecretUsageType, storage_pool};

/// A connection with objects of most kinds; its driver is in this process.
static CONNECTION: LazyLock<Connect> =
    LazyLock::new(|| Connect::open(Some("test:///default")).unwrap());

static DOMAIN: LazyLock<Domain> =
    LazyLock::new(|| CONNECTION.lookup_domain_by_name("test").unwrap());

/// Calls the C function of `$event` with these arguments after the object, and
/// gives the one event that comes of it.
macro_rules! called {
    ($event:ty, $c_type:ty, $object:expr $(, $argument:expr)* $(,)?) => {{
        let function = <$event>::callback();
        // SAFETY: what it was made from.
        let function = unsafe { mem::transmute::<Erased, $c_type>(function.0) }.unwrap();
        let mut events = received::<$event>(&CONNECTION, |opaque| {
            // SAFETY: a live object, and arguments that live as long as the call.
            unsafe { function(null_mut(), $object, $($argument,)* opaque) };
        });
        assert_eq!(events.len(), 1);
        events.remove(0)
    }};
}

fn domain() -> sys::virDomainPtr {
    // SAFETY: it lives as long as the process.
    unsafe { DOMAIN.as_ptr() }
}

fn c(text: &'static CStr) -> *const c_char {
    text.as_ptr()
}

fn name(text: &str) -> [c_char; 80] {
    let mut field = [0; 80];
    for (to, from) in field.iter_mut().zip(text.bytes()) {
        *to = from as c_char;
    }
    field
}

fn param(
    text: &str,
    ty: u32,
    value: sys::_virTypedParameter__bindgen_ty_1,
) -> sys::virTypedParameter {
    sys::virTypedParameter {
        field: name(text),
        type_: ty as c_int,
        value,
    }
}

#[test]
fn a_domain_is_told_by_name_uuid_and_id() {
    let event = called!(
        Lifecycle,
        sys::virConnectDomainEventCallback,
        domain(),
        sys::VIR_DOMAIN_EVENT_SHUTDOWN as c_int,
        sys::VIR_DOMAIN_EVENT_SHUTDOWN_GUEST as c_int
    );
    assert_eq!(event.domain.name, "test");
    assert_eq!(event.domain.uuid, DOMAIN.uuid().unwrap());
    assert_eq!(event.domain.id, DOMAIN.id());
    assert_eq!(
        event.change,
        LifecycleChange::Shutdown(ShutdownDetail::Guest)
    );
    assert_eq!(event.to_string(), "test: shut down (by the guest)");
}

#[test]
fn a_domain_that_does_not_run_has_no_id() {
    let xml = "<domain type='test'><name>asleep</name><memory>1024</memory>\
               <os><type>hvm</type></os></domain>";
    let asleep = CONNECTION.define_domain_xml(xml).unwrap();
    // SAFETY: used while it is alive.
    let raw = unsafe { asleep.as_ptr() };
    let event = called!(Reboot, sys::virConnectDomainEventGenericCallback, raw);
    assert_eq!(event.domain.id, None);
    assert_eq!(event.to_string(), "asleep: rebooted");
    asleep.undefine().unwrap();
}

#[test]
fn unknown_numbers_are_kept() {
    let event = called!(
        Lifecycle,
        sys::virConnectDomainEventCallback,
        domain(),
        77,
        -5
    );
    assert_eq!(
        event.change,
        LifecycleChange::Unknown {
            event: 77,
            detail: -5
        }
    );
    let event = called!(
        Watchdog,
        sys::virConnectDomainEventWatchdogCallback,
        domain(),
        4711
    );
    assert_eq!(event.action, WatchdogAction::Unknown(4711));
    assert_eq!(event.action.as_raw(), 4711);
}

#[test]
fn clock_and_watchdog() {
    let event = called!(
        RtcChange,
        sys::virConnectDomainEventRTCChangeCallback,
        domain(),
        -3_600_000_000_000
    );
    assert_eq!(event.utc_offset, -3_600_000_000_000);
    let event = called!(
        Watchdog,
        sys::virConnectDomainEventWatchdogCallback,
        domain(),
        sys::VIR_DOMAIN_EVENT_WATCHDOG_INJECTNMI as c_int
    );
    assert_eq!(event.action, WatchdogAction::InjectNmi);
    assert_eq!(event.to_string(), "test: watchdog (inject NMI)");
}

#[test]
fn io_errors() {
    let event = called!(
        IoError,
        sys::virConnectDomainEventIOErrorCallback,
        domain(),
        c(c"/srv/disk"),
        c(c"virtio-disk0"),
        sys::VIR_DOMAIN_EVENT_IO_ERROR_PAUSE as c_int
    );
    assert_eq!(event.source_path, "/srv/disk");
    assert_eq!(event.device_alias, "virtio-disk0");
    assert_eq!(event.action, IoErrorAction::Pause);
    let event = called!(
        IoErrorReason,
        sys::virConnectDomainEventIOErrorReasonCallback,
        domain(),
        null(),
        c(c"virtio-disk0"),
        sys::VIR_DOMAIN_EVENT_IO_ERROR_REPORT as c_int,
        c(c"enospc")
    );
    assert_eq!(event.source_path, "");
    assert_eq!(event.action, IoErrorAction::Report);
    assert_eq!(event.reason, "enospc");
}

#[test]
fn a_graphics_client() {
    let mut local = sys::virDomainEventGraphicsAddress {
        family: sys::VIR_DOMAIN_EVENT_GRAPHICS_ADDRESS_IPV4 as c_int,
        node: c(c"192.0.2.1").cast_mut(),
        service: c(c"5900").cast_mut(),
    };
    let remote = sys::virDomainEventGraphicsAddress {
        family: sys::VIR_DOMAIN_EVENT_GRAPHICS_ADDRESS_UNIX as c_int,
        node: c(c"/run/spice").cast_mut(),
        service: null_mut(),
    };
    let mut identities = [
        sys::virDomainEventGraphicsSubjectIdentity {
            type_: c(c"x509dname").cast_mut(),
            name: c(c"CN=someone").cast_mut(),
        },
        sys::virDomainEventGraphicsSubjectIdentity {
            type_: c(c"saslUsername").cast_mut(),
            name: c(c"someone").cast_mut(),
        },
    ];
    let subject = sys::virDomainEventGraphicsSubject {
        nidentity: 2,
        identities: identities.as_mut_ptr(),
    };
    let event = called!(
        Graphics,
        sys::virConnectDomainEventGraphicsCallback,
        domain(),
        sys::VIR_DOMAIN_EVENT_GRAPHICS_INITIALIZE as c_int,
        &raw mut local,
        &raw const remote,
        c(c"x509"),
        &raw const subject
    );
    assert_eq!(event.phase, GraphicsPhase::Initialize);
    assert_eq!(event.local.family, GraphicsAddressType::Ipv4);
    assert_eq!(event.local.node, "192.0.2.1");
    assert_eq!(event.local.service.as_deref(), Some("5900"));
    assert_eq!(event.remote.family, GraphicsAddressType::Unix);
    assert_eq!(event.remote.service, None);
    assert_eq!(event.auth_scheme, "x509");
    let kinds: Vec<_> = event.subject.iter().map(|one| one.kind.as_str()).collect();
    assert_eq!(kinds, ["x509dname", "saslUsername"]);
    assert_eq!(event.subject[1].name, "someone");
    let shown = event.to_string();
    assert_eq!(shown, "test: graphics client /run/spice (initialised)");
}

#[test]
fn a_graphics_client_of_whom_nothing_is_known() {
    let event = called!(
        Graphics,
        sys::virConnectDomainEventGraphicsCallback,
        domain(),
        sys::VIR_DOMAIN_EVENT_GRAPHICS_CONNECT as c_int,
        null(),
        null(),
        null(),
        null()
    );
    assert_eq!(event.remote.node, "");
    assert_eq!(event.subject, []);
    assert_eq!(event.to_string(), "test: graphics client (connected)");
    let nobody = sys::virDomainEventGraphicsSubject {
        nidentity: 0,
        identities: null_mut(),
    };
    let event = called!(
        Graphics,
        sys::virConnectDomainEventGraphicsCallback,
        domain(),
        0,
        null(),
        null(),
        null(),
        &raw const nobody
    );
    assert_eq!(event.subject, []);
}

#[test]
fn disks_and_trays() {
    let event = called!(
        BlockJob,
        sys::virConnectDomainEventBlockJobCallback,
        domain(),
        c(c"/srv/disk"),
        sys::VIR_DOMAIN_BLOCK_JOB_TYPE_PULL as c_int,
        sys::VIR_DOMAIN_BLOCK_JOB_FAILED as c_int
    );
    assert_eq!(event.disk, "/srv/disk");
    assert_eq!(event.job, BlockJobType::Pull);
    assert_eq!(event.status, BlockJobStatus::Failed);
    let event = called!(
        BlockJob2,
        sys::virConnectDomainEventBlockJobCallback,
        domain(),
        c(c"vda"),
        sys::VIR_DOMAIN_BLOCK_JOB_TYPE_ACTIVE_COMMIT as c_int,
        sys::VIR_DOMAIN_BLOCK_JOB_READY as c_int
    );
    assert_eq!(event.to_string(), "test: block active commit on vda ready");
    let event = called!(
        DiskChange,
        sys::virConnectDomainEventDiskChangeCallback,
        domain(),
        c(c"/srv/old"),
        null(),
        c(c"ide0-1-0"),
        sys::VIR_DOMAIN_EVENT_DISK_DROP_MISSING_ON_START as c_int
    );
    assert_eq!(event.old_source.as_deref(), Some("/srv/old"));
    assert_eq!(event.new_source, None);
    assert_eq!(event.reason, DiskChangeReason::DroppedOnStart);
    let event = called!(
        TrayChange,
        sys::virConnectDomainEventTrayChangeCallback,
        domain(),
        c(c"ide0-1-0"),
        sys::VIR_DOMAIN_EVENT_TRAY_CHANGE_CLOSE as c_int
    );
    assert_eq!(event.reason, TrayChangeReason::Close);
    let event = called!(
        BlockThreshold,
        sys::virConnectDomainEventBlockThresholdCallback,
        domain(),
        c(c"vda[1]"),
        null(),
        u64::MAX,
        1
    );
    assert_eq!(event.device, "vda[1]");
    assert_eq!(event.path, None);
    assert_eq!((event.threshold, event.excess), (u64::MAX, 1));
}

#[test]
fn power_management_and_memory() {
    let event = called!(
        PmWakeup,
        sys::virConnectDomainEventPMWakeupCallback,
        domain(),
        0
    );
    assert_eq!(event.to_string(), "test: woke up");
    let event = called!(
        PmSuspend,
        sys::virConnectDomainEventPMSuspendCallback,
        domain(),
        3
    );
    assert_eq!(event.reason, 3);
    let event = called!(
        PmSuspendDisk,
        sys::virConnectDomainEventPMSuspendDiskCallback,
        domain(),
        0
    );
    assert_eq!(event.to_string(), "test: asleep on disk");
    let event = called!(
        BalloonChange,
        sys::virConnectDomainEventBalloonChangeCallback,
        domain(),
        u64::MAX
    );
    assert_eq!(event.actual_kib, u64::MAX);
    let event = called!(
        MemoryFailure,
        sys::virConnectDomainEventMemoryFailureCallback,
        domain(),
        sys::VIR_DOMAIN_EVENT_MEMORY_FAILURE_RECIPIENT_GUEST as c_int,
        sys::VIR_DOMAIN_EVENT_MEMORY_FAILURE_ACTION_RESET as c_int,
        sys::VIR_DOMAIN_MEMORY_FAILURE_RECURSIVE | 1 << 9
    );
    assert_eq!(event.recipient, MemoryFailureRecipient::Guest);
    assert_eq!(event.action, MemoryFailureAction::Reset);
    assert!(event.flags.contains(MemoryFailureFlags::RECURSIVE));
    assert_eq!(event.flags.bits(), 2 | 1 << 9, "unknown bits are kept");
    let event = called!(
        MemoryDeviceSizeChange,
        sys::virConnectDomainEventMemoryDeviceSizeChangeCallback,
        domain(),
        c(c"virtiomem0"),
        1 << 40
    );
    assert_eq!(event.size_kib, 1 << 40);
}

#[test]
fn devices() {
    macro_rules! check {
        ($($event:ident, $c_type:ident, $words:literal;)+) => {$(
            let event = called!($event, sys::$c_type, domain(), c(c"net0"));
            assert_eq!(event.device_alias, "net0");
            assert_eq!(event.to_string(), $words);
        )+};
    }
    check! {
        DeviceAdded, virConnectDomainEventDeviceAddedCallback, "test: device net0 added";
        DeviceRemoved, virConnectDomainEventDeviceRemovedCallback, "test: device net0 removed";
        DeviceRemovalFailed, virConnectDomainEventDeviceRemovalFailedCallback,
            "test: device net0 was not removed";
    }
}

#[test]
fn agent_control_migration_and_metadata() {
    let event = called!(
        AgentLifecycle,
        sys::virConnectDomainEventAgentLifecycleCallback,
        domain(),
        sys::VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED as c_int,
        sys::VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_REASON_CHANNEL as c_int
    );
    assert_eq!(event.state, AgentState::Connected);
    assert_eq!(event.reason, AgentReason::Channel);
    let event = called!(
        ControlError,
        sys::virConnectDomainEventGenericCallback,
        domain()
    );
    assert_eq!(event.to_string(), "test: control lost");
    let event = called!(
        MigrationIteration,
        sys::virConnectDomainEventMigrationIterationCallback,
        domain(),
        12
    );
    assert_eq!(event.iteration, 12);
    let event = called!(
        MetadataChange,
        sys::virConnectDomainEventMetadataChangeCallback,
        domain(),
        sys::VIR_DOMAIN_METADATA_ELEMENT as c_int,
        c(c"http://example.org/a")
    );
    assert_eq!(event.metadata, MetadataType::Element);
    assert_eq!(event.namespace_uri.as_deref(), Some("http://example.org/a"));
    let event = called!(
        MetadataChange,
        sys::virConnectDomainEventMetadataChangeCallback,
        domain(),
        sys::VIR_DOMAIN_METADATA_TITLE as c_int,
        null()
    );
    assert_eq!(event.to_string(), "test: title changed");
}

#[test]
fn parameters_of_every_type() {
    type Raw = sys::_virTypedParameter__bindgen_ty_1;
    let text = CString::new("a value").unwrap();
    let mut raw = [
        param("int", sys::VIR_TYPED_PARAM_INT, Raw { i: -1 }),
        param("uint", sys::VIR_TYPED_PARAM_UINT, Raw { ui: u32::MAX }),
        param("llong", sys::VIR_TYPED_PARAM_LLONG, Raw { l: i64::MIN }),
        param("ullong", sys::VIR_TYPED_PARAM_ULLONG, Raw { ul: u64::MAX }),
        param("double", sys::VIR_TYPED_PARAM_DOUBLE, Raw { d: 0.5 }),
        param("boolean", sys::VIR_TYPED_PARAM_BOOLEAN, Raw { b: 1 }),
        param(
            "string",
            sys::VIR_TYPED_PARAM_STRING,
            Raw {
                s: text.as_ptr().cast_mut(),
            },
        ),
        param(
            "null",
            sys::VIR_TYPED_PARAM_STRING,
            Raw { s: ptr::null_mut() },
        ),
        param("later", 99, Raw { ul: 1 }),
    ];
    let event = called!(
        Tunable,
        sys::virConnectDomainEventTunableCallback,
        domain(),
        raw.as_mut_ptr(),
        raw.len() as c_int
    );
    let values: Vec<_> = event
        .params
        .iter()
        .map(|param| (param.name.as_str(), param.value.clone()))
        .collect();
    assert_eq!(
        values,
        [
            ("int", TypedValue::Int(-1)),
            ("uint", TypedValue::Uint(u32::MAX)),
            ("llong", TypedValue::Llong(i64::MIN)),
            ("ullong", TypedValue::Ullong(u64::MAX)),
            ("double", TypedValue::Double(0.5)),
            ("boolean", TypedValue::Boolean(true)),
            ("string", TypedValue::String("a value".to_owned())),
            ("null", TypedValue::String(String::new())),
            ("later", TypedValue::Unknown(99)),
        ]
    );
    let event = called!(
        JobCompleted,
        sys::virConnectDomainEventJobCompletedCallback,
        domain(),
        raw.as_mut_ptr(),
        2
    );
    assert_eq!(
        event.to_string(),
        "test: job completed int=-1 uint=4294967295"
    );
    let event = called!(
        JobCompleted,
        sys::virConnectDomainEventJobCompletedCallback,
        domain(),
        null_mut(),
        0
    );
    assert_eq!(event.params, []);
}

#[test]
fn networks_pools_and_devices() {
    let network = CONNECTION.lookup_network_by_name("default").unwrap();
    // SAFETY: used while it is alive.
    let raw = unsafe { network.as_ptr() };
    let event = called!(
        network::Lifecycle,
        sys::virConnectNetworkEventLifecycleCallback,
        raw,
        sys::VIR_NETWORK_EVENT_STOPPED as c_int,
        0
    );
    assert_eq!(event.network.uuid, network.uuid().unwrap());
    assert_eq!(event.to_string(), "default: stopped");

    let pool = CONNECTION
        .lookup_storage_pool_by_name("default-pool")
        .unwrap();
    // SAFETY: used while it is alive.
    let raw = unsafe { pool.as_ptr() };
    let event = called!(
        storage_pool::Lifecycle,
        sys::virConnectStoragePoolEventLifecycleCallback,
        raw,
        sys::VIR_STORAGE_POOL_EVENT_DELETED as c_int,
        0
    );
    assert_eq!(event.pool.uuid, pool.uuid().unwrap());
    assert_eq!(event.to_string(), "default-pool: deleted");
    let event = called!(
        storage_pool::Refresh,
        sys::virConnectStoragePoolEventGenericCallback,
        raw
    );
    assert_eq!(event.to_string(), "default-pool: refreshed");

    let device = CONNECTION.lookup_node_device_by_name("computer").unwrap();
    // SAFETY: used while it is alive.
    let raw = unsafe { device.as_ptr() };
    let event = called!(
        node_device::Lifecycle,
        sys::virConnectNodeDeviceEventLifecycleCallback,
        raw,
        sys::VIR_NODE_DEVICE_EVENT_DEFINED as c_int,
        0
    );
    assert_eq!(event.to_string(), "computer: defined");
    let event = called!(
        node_device::Update,
        sys::virConnectNodeDeviceEventGenericCallback,
        raw
    );
    assert_eq!(event.device.name, "computer");
}

/// The test driver has no secrets and nothing here can make one, so libvirt's
/// functions are asked about none: they refuse, and the fields are empty.
#[test]
fn a_secret_that_is_none() {
    let event = called!(
        secret::Lifecycle,
        sys::virConnectSecretEventLifecycleCallback,
        null_mut(),
        sys::VIR_SECRET_EVENT_UNDEFINED as c_int,
        0
    );
    assert_eq!(event.change, secret::LifecycleChange::Undefined);
    assert_eq!(event.secret.usage_id, "");
    assert_eq!(event.secret.usage_type, SecretUsageType::Unknown(-1));
    let event = called!(
        secret::ValueChanged,
        sys::virConnectSecretEventGenericCallback,
        null_mut()
    );
    assert!(event.secret.uuid.is_nil());
}

#[test]
fn text_that_is_not_utf8_is_replaced() {
    let event = called!(
        DeviceAdded,
        sys::virConnectDomainEventDeviceAddedCallback,
        domain(),
        c(c"net\xff0")
    );
    assert_eq!(event.device_alias, "net\u{fffd}0");
}

#[test]
fn a_panic_does_not_reach_c() {
    struct Panics;
    impl super::Sink<Reboot> for Panics {
        fn accept(&self, _: Reboot) {
            panic!("a panic that the test wants");
        }
    }
    super::guarded(|| super::Sink::accept(&Panics, reboot()));
}

fn reboot() -> Reboot {
    called!(Reboot, sys::virConnectDomainEventGenericCallback, domain())
}

#[test]
fn every_event_converts_into_any() {
    let any = AnyEvent::from(reboot());
    assert_eq!(any.kind(), EventKind::Reboot);
    assert_eq!(any.kind().object(), ObjectKind::Domain);
    assert_eq!(any.to_string(), "test: rebooted");
    assert_eq!(Reboot::KIND, EventKind::Reboot);
}

#[cfg(feature = "serde")]
#[test]
fn events_go_through_json() {
    let event = called!(
        MemoryFailure,
        sys::virConnectDomainEventMemoryFailureCallback,
        domain(),
        1,
        77,
        6
    );
    let any = AnyEvent::from(event);
    let json = serde_json::to_value(&any).unwrap();
    assert_eq!(json["event"], "memory-failure");
    assert_eq!(json["domain"]["name"], "test");
    assert_eq!(json["recipient"], "guest");
    assert_eq!(json["action"]["unknown"], 77);
    assert_eq!(json["flags"], 6);
    assert_eq!(serde_json::from_value::<AnyEvent>(json).unwrap(), any);

    let event = called!(
        Lifecycle,
        sys::virConnectDomainEventCallback,
        domain(),
        sys::VIR_DOMAIN_EVENT_STARTED as c_int,
        sys::VIR_DOMAIN_EVENT_STARTED_FROM_SNAPSHOT as c_int
    );
    let json = serde_json::to_value(AnyEvent::from(event)).unwrap();
    assert_eq!(json["event"], "lifecycle");
    assert_eq!(json["change"]["started"], "from-snapshot");
}
