//! What libvirt calls for the events of domains.

#![expect(unsafe_code, reason = "functions that C calls")]

use std::ffi::{c_char, c_int, c_longlong, c_uint, c_ulonglong};

use virt::sys;

use super::objects::callbacks;
use super::read::{address, optional_string, params, string, subject};
use crate::domain::*;

// In each of them: libvirt lends the domain and whatever else it points to for
// the time of the call.
callbacks! {
    super::read::domain, domain: sys::virDomainPtr;

    // The one that returns something, which libvirt ignores.
    Lifecycle: sys::virConnectDomainEventCallback, (event: c_int, detail: c_int) -> c_int = 0, {
        change: LifecycleChange::from_raw(event, detail),
    }
    Reboot: sys::virConnectDomainEventGenericCallback, () {}
    RtcChange: sys::virConnectDomainEventRTCChangeCallback, (offset: c_longlong) {
        utc_offset: offset,
    }
    Watchdog: sys::virConnectDomainEventWatchdogCallback, (action: c_int) {
        action: WatchdogAction::from_raw(action),
    }
    IoError: sys::virConnectDomainEventIOErrorCallback,
        (path: *const c_char, alias: *const c_char, action: c_int) {
        // SAFETY: null or a C string.
        source_path: unsafe { string(path) },
        // SAFETY: null or a C string.
        device_alias: unsafe { string(alias) },
        action: IoErrorAction::from_raw(action),
    }
    Graphics: sys::virConnectDomainEventGraphicsCallback, (
        phase: c_int,
        local: *const sys::virDomainEventGraphicsAddress,
        remote: *const sys::virDomainEventGraphicsAddress,
        auth_scheme: *const c_char,
        who: *const sys::virDomainEventGraphicsSubject,
    ) {
        phase: GraphicsPhase::from_raw(phase),
        // SAFETY: null or an address.
        local: unsafe { address(local) },
        // SAFETY: null or an address.
        remote: unsafe { address(remote) },
        // SAFETY: null or a C string.
        auth_scheme: unsafe { string(auth_scheme) },
        // SAFETY: null or a subject.
        subject: unsafe { subject(who) },
    }
    IoErrorReason: sys::virConnectDomainEventIOErrorReasonCallback,
        (path: *const c_char, alias: *const c_char, action: c_int, reason: *const c_char) {
        // SAFETY: null or a C string.
        source_path: unsafe { string(path) },
        // SAFETY: null or a C string.
        device_alias: unsafe { string(alias) },
        action: IoErrorAction::from_raw(action),
        // SAFETY: null or a C string.
        reason: unsafe { string(reason) },
    }
    ControlError: sys::virConnectDomainEventGenericCallback, () {}
    BlockJob: sys::virConnectDomainEventBlockJobCallback,
        (disk: *const c_char, job: c_int, status: c_int) {
        // SAFETY: null or a C string.
        disk: unsafe { string(disk) },
        job: BlockJobType::from_raw(job),
        status: BlockJobStatus::from_raw(status),
    }
    DiskChange: sys::virConnectDomainEventDiskChangeCallback,
        (old: *const c_char, new: *const c_char, alias: *const c_char, reason: c_int) {
        // SAFETY: null or a C string.
        old_source: unsafe { optional_string(old) },
        // SAFETY: null or a C string.
        new_source: unsafe { optional_string(new) },
        // SAFETY: null or a C string.
        device_alias: unsafe { string(alias) },
        reason: DiskChangeReason::from_raw(reason),
    }
    TrayChange: sys::virConnectDomainEventTrayChangeCallback,
        (alias: *const c_char, reason: c_int) {
        // SAFETY: null or a C string.
        device_alias: unsafe { string(alias) },
        reason: TrayChangeReason::from_raw(reason),
    }
    PmWakeup: sys::virConnectDomainEventPMWakeupCallback, (reason: c_int) { reason: reason, }
    PmSuspend: sys::virConnectDomainEventPMSuspendCallback, (reason: c_int) { reason: reason, }
    BalloonChange: sys::virConnectDomainEventBalloonChangeCallback, (actual: c_ulonglong) {
        actual_kib: actual,
    }
    PmSuspendDisk: sys::virConnectDomainEventPMSuspendDiskCallback, (reason: c_int) {
        reason: reason,
    }
    DeviceRemoved: sys::virConnectDomainEventDeviceRemovedCallback, (alias: *const c_char) {
        // SAFETY: null or a C string.
        device_alias: unsafe { string(alias) },
    }
    BlockJob2: sys::virConnectDomainEventBlockJobCallback,
        (disk: *const c_char, job: c_int, status: c_int) {
        // SAFETY: null or a C string.
        disk: unsafe { string(disk) },
        job: BlockJobType::from_raw(job),
        status: BlockJobStatus::from_raw(status),
    }
    Tunable: sys::virConnectDomainEventTunableCallback,
        (first: sys::virTypedParameterPtr, count: c_int) {
        // SAFETY: that many parameters, or null.
        params: unsafe { params(first, count) },
    }
    AgentLifecycle: sys::virConnectDomainEventAgentLifecycleCallback,
        (state: c_int, reason: c_int) {
        state: AgentState::from_raw(state),
        reason: AgentReason::from_raw(reason),
    }
    DeviceAdded: sys::virConnectDomainEventDeviceAddedCallback, (alias: *const c_char) {
        // SAFETY: null or a C string.
        device_alias: unsafe { string(alias) },
    }
    MigrationIteration: sys::virConnectDomainEventMigrationIterationCallback,
        (iteration: c_int) {
        iteration: iteration,
    }
    JobCompleted: sys::virConnectDomainEventJobCompletedCallback,
        (first: sys::virTypedParameterPtr, count: c_int) {
        // SAFETY: that many parameters, or null.
        params: unsafe { params(first, count) },
    }
    DeviceRemovalFailed: sys::virConnectDomainEventDeviceRemovalFailedCallback,
        (alias: *const c_char) {
        // SAFETY: null or a C string.
        device_alias: unsafe { string(alias) },
    }
    MetadataChange: sys::virConnectDomainEventMetadataChangeCallback,
        (metadata: c_int, uri: *const c_char) {
        metadata: MetadataType::from_raw(metadata),
        // SAFETY: null or a C string.
        namespace_uri: unsafe { optional_string(uri) },
    }
    BlockThreshold: sys::virConnectDomainEventBlockThresholdCallback, (
        device: *const c_char,
        path: *const c_char,
        threshold: c_ulonglong,
        excess: c_ulonglong,
    ) {
        // SAFETY: null or a C string.
        device: unsafe { string(device) },
        // SAFETY: null or a C string.
        path: unsafe { optional_string(path) },
        threshold: threshold,
        excess: excess,
    }
    MemoryFailure: sys::virConnectDomainEventMemoryFailureCallback,
        (recipient: c_int, action: c_int, flags: c_uint) {
        recipient: MemoryFailureRecipient::from_raw(recipient),
        action: MemoryFailureAction::from_raw(action),
        flags: MemoryFailureFlags::from_bits_retain(flags),
    }
    MemoryDeviceSizeChange: sys::virConnectDomainEventMemoryDeviceSizeChangeCallback,
        (alias: *const c_char, size: c_ulonglong) {
        // SAFETY: null or a C string.
        device_alias: unsafe { string(alias) },
        size_kib: size,
    }
}
