//! The events of domains: a type for each `VIR_DOMAIN_EVENT_ID_*`.

use virt::domain::Domain;

use super::c_enum::c_enum;
pub use super::identity::DomainIdentity;
pub use super::lifecycle::{
    CrashedDetail, DefinedDetail, LifecycleChange, PmSuspendedDetail, ResumedDetail,
    ShutdownDetail, StartedDetail, StoppedDetail, SuspendedDetail, UndefinedDetail,
};
use super::payload::payloads;
pub use super::typed_param::{TypedParam, TypedValue};

payloads! {
    domain: DomainIdentity, Domain;

    /// A domain was started, stopped, paused, defined and so on.
    #[doc(alias = "VIR_DOMAIN_EVENT_ID_LIFECYCLE")]
    Lifecycle = Lifecycle {
        /// What happened, and why.
        change: LifecycleChange,
    }
    |e, f| write!(f, "{}", e.change);

    /// A domain rebooted, at its own wish or at that of the host.
    #[doc(alias = "VIR_DOMAIN_EVENT_ID_REBOOT")]
    Reboot = Reboot {}
    |_, f| f.write_str("rebooted");

    /// A guest set its clock.
    #[doc(alias = "VIR_DOMAIN_EVENT_ID_RTC_CHANGE")]
    RtcChange = RtcChange {
        /// How far its clock is from UTC now, in seconds.
        utc_offset: i64,
    }
    |e, f| write!(f, "clock set to UTC {:+} s", e.utc_offset);

    /// A guest's watchdog went off.
    #[doc(alias = "VIR_DOMAIN_EVENT_ID_WATCHDOG")]
    Watchdog = Watchdog {
        /// What is done about it.
        action: WatchdogAction,
    }
    |e, f| write!(f, "watchdog ({})", e.action);

    /// Reading or writing a disk failed.
    #[doc(alias = "VIR_DOMAIN_EVENT_ID_IO_ERROR")]
    IoError = IoError {
        /// The file on the host, or empty if it is none.
        source_path: String,
        /// The guest's device that the file belongs to.
        device_alias: String,
        /// What is done about it.
        action: IoErrorAction,
    }
    |e, f| write!(f, "I/O error on {} {} ({})", e.device_alias, e.source_path, e.action);

    /// A client of a graphical console came or went.
    #[doc(alias = "VIR_DOMAIN_EVENT_ID_GRAPHICS")]
    Graphics = Graphics {
        /// How far its connection is.
        phase: GraphicsPhase,
        /// The address of the console's server.
        local: GraphicsAddress,
        /// The address of the client.
        remote: GraphicsAddress,
        /// How the client proved who it is.
        auth_scheme: String,
        /// Who the client is; empty without authentication.
        subject: Vec<GraphicsIdentity>,
    }
    |e, f| {
        f.write_str("graphics client")?;
        // At a Unix socket it has no name.
        if !e.remote.node.is_empty() {
            write!(f, " {}", e.remote.node)?;
        }
        write!(f, " ({})", e.phase)
    };

    /// Reading or writing a disk failed, with the reason.
    #[doc(alias = "VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON")]
    IoErrorReason = IoErrorReason {
        /// The file on the host, or empty if it is none.
        source_path: String,
        /// The guest's device that the file belongs to.
        device_alias: String,
        /// What is done about it.
        action: IoErrorAction,
        /// `enospc` if the host's disk is full; empty for every other reason so far.
        reason: String,
    }
    |e, f| {
        write!(f, "I/O error on {} {} ({})", e.device_alias, e.source_path, e.action)?;
        if e.reason.is_empty() { Ok(()) } else { write!(f, ": {}", e.reason) }
    };

    /// The daemon lost its connection to the emulator's monitor, and with it
    /// the control over the domain.
    #[doc(alias = "VIR_DOMAIN_EVENT_ID_CONTROL_ERROR")]
    ControlError = ControlError {}
    |_, f| f.write_str("control lost");

    /// A job on a disk ended or became ready. [`BlockJob2`] names the disk in a
    /// way that stays the same over the job.
    #[doc(alias = "VIR_DOMAIN_EVENT_ID_BLOCK_JOB")]
    BlockJob = BlockJob {
        /// The file on the host at this moment; empty if it is none.
        disk: String,
        /// What the job is.
        job: BlockJobType,
        /// How it stands.
        status: BlockJobStatus,
    }
    |e, f| write!(f, "block {} on {} {}", e.job, e.disk, e.status);

    /// A removable or missing disk of a domain got another source.
    #[doc(alias = "VIR_DOMAIN_EVENT_ID_DISK_CHANGE")]
    DiskChange = DiskChange {
        /// The source before, if there was one.
        old_source: Option<String>,
        /// The source now, if there is one.
        new_source: Option<String>,
        /// The guest's device.
        device_alias: String,
        /// Why.
        reason: DiskChangeReason,
    }
    |e, f| write!(
        f,
        "disk {} from {} to {} ({})",
        e.device_alias,
        e.old_source.as_deref().unwrap_or("nothing"),
        e.new_source.as_deref().unwrap_or("nothing"),
        e.reason,
    );

    /// The tray of a removable device moved.
    #[doc(alias = "VIR_DOMAIN_EVENT_ID_TRAY_CHANGE")]
    TrayChange = TrayChange {
        /// The guest's device.
        device_alias: String,
        /// Where it is now.
        reason: TrayChangeReason,
    }
    |e, f| write!(f, "tray of {} {}", e.device_alias, e.reason);

    /// A guest woke up from a sleep of its power management.
    #[doc(alias = "VIR_DOMAIN_EVENT_ID_PMWAKEUP")]
    PmWakeup = PmWakeup {
        /// Always 0 so far.
        reason: i32,
    }
    |_, f| f.write_str("woke up");

    /// A guest's power management put it to sleep in memory.
    #[doc(alias = "VIR_DOMAIN_EVENT_ID_PMSUSPEND")]
    PmSuspend = PmSuspend {
        /// Always 0 so far.
        reason: i32,
    }
    |_, f| f.write_str("asleep in memory");

    /// A guest's memory balloon has another size.
    #[doc(alias = "VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE")]
    BalloonChange = BalloonChange {
        /// What the guest has now, in KiB.
        actual_kib: u64,
    }
    |e, f| write!(f, "memory {} KiB", e.actual_kib);

    /// A guest's power management put it to sleep on a disk.
    #[doc(alias = "VIR_DOMAIN_EVENT_ID_PMSUSPEND_DISK")]
    PmSuspendDisk = PmSuspendDisk {
        /// Always 0 so far.
        reason: i32,
    }
    |_, f| f.write_str("asleep on disk");

    /// A device is gone from a running guest.
    #[doc(alias = "VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED")]
    DeviceRemoved = DeviceRemoved {
        /// The guest's device.
        device_alias: String,
    }
    |e, f| write!(f, "device {} removed", e.device_alias);

    /// A job on a disk ended or became ready.
    #[doc(alias = "VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2")]
    BlockJob2 = BlockJob2 {
        /// The disk by its name in the guest, such as `vda`.
        disk: String,
        /// What the job is.
        job: BlockJobType,
        /// How it stands.
        status: BlockJobStatus,
    }
    |e, f| write!(f, "block {} on {} {}", e.job, e.disk, e.status);

    /// A limit of a domain was changed.
    #[doc(alias = "VIR_DOMAIN_EVENT_ID_TUNABLE")]
    Tunable = Tunable {
        /// The new values, such as `cputune.cpu_shares` or
        /// `blkdeviotune.total_bytes_sec`, in the order that libvirt sent.
        params: Vec<TypedParam>,
    }
    |e, f| {
        f.write_str("tuned")?;
        e.params.iter().try_for_each(|param| write!(f, " {param}"))
    };

    /// The agent in a guest came or went.
    #[doc(alias = "VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE")]
    AgentLifecycle = AgentLifecycle {
        /// Whether it is there now.
        state: AgentState,
        /// Why that is known.
        reason: AgentReason,
    }
    |e, f| write!(f, "agent {} ({})", e.state, e.reason);

    /// A running guest has a new device.
    #[doc(alias = "VIR_DOMAIN_EVENT_ID_DEVICE_ADDED")]
    DeviceAdded = DeviceAdded {
        /// The guest's device.
        device_alias: String,
    }
    |e, f| write!(f, "device {} added", e.device_alias);

    /// A live migration begins another pass over the guest's memory.
    #[doc(alias = "VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION")]
    MigrationIteration = MigrationIteration {
        /// The number of the pass, counted by the emulator.
        iteration: i32,
    }
    |e, f| write!(f, "migration pass {}", e.iteration);

    /// A job on a domain, such as a migration or a backup, is complete.
    #[doc(alias = "VIR_DOMAIN_EVENT_ID_JOB_COMPLETED")]
    JobCompleted = JobCompleted {
        /// The statistics of the job, such as `operation` and `time_elapsed`,
        /// as `virDomainGetJobStats` names them.
        params: Vec<TypedParam>,
    }
    |e, f| {
        f.write_str("job completed")?;
        e.params.iter().try_for_each(|param| write!(f, " {param}"))
    };

    /// A guest kept a device that it was asked to give up.
    #[doc(alias = "VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED")]
    DeviceRemovalFailed = DeviceRemovalFailed {
        /// The guest's device.
        device_alias: String,
    }
    |e, f| write!(f, "device {} was not removed", e.device_alias);

    /// A domain's description, title or metadata was changed.
    #[doc(alias = "VIR_DOMAIN_EVENT_ID_METADATA_CHANGE")]
    MetadataChange = MetadataChange {
        /// Which of them.
        metadata: MetadataType,
        /// The namespace of the element, if it is one.
        namespace_uri: Option<String>,
    }
    |e, f| {
        write!(f, "{} changed", e.metadata)?;
        e.namespace_uri.iter().try_for_each(|uri| write!(f, " ({uri})"))
    };

    /// A guest wrote beyond the mark that was set with
    /// `virDomainSetBlockThreshold`.
    #[doc(alias = "VIR_DOMAIN_EVENT_ID_BLOCK_THRESHOLD")]
    BlockThreshold = BlockThreshold {
        /// The disk, or the element of its backing chain, such as `vda[1]`.
        device: String,
        /// Its file on the host, if it is one.
        path: Option<String>,
        /// The mark, in bytes.
        threshold: u64,
        /// How far beyond it, in bytes; 0 where the hypervisor does not say.
        excess: u64,
    }
    |e, f| write!(f, "{} beyond {} bytes by {}", e.device, e.threshold, e.excess);

    /// Memory of the host is damaged.
    #[doc(alias = "VIR_DOMAIN_EVENT_ID_MEMORY_FAILURE")]
    MemoryFailure = MemoryFailure {
        /// Whose memory it is.
        recipient: MemoryFailureRecipient,
        /// What was done about it.
        action: MemoryFailureAction,
        /// More on the failure.
        flags: MemoryFailureFlags,
    }
    |e, f| write!(f, "memory failure in the {} ({})", e.recipient, e.action);

    /// A guest gave back, or took, memory of a memory device.
    #[doc(alias = "VIR_DOMAIN_EVENT_ID_MEMORY_DEVICE_SIZE_CHANGE")]
    MemoryDeviceSizeChange = MemoryDeviceSizeChange {
        /// The guest's device.
        device_alias: String,
        /// What the guest uses of it now, in KiB.
        size_kib: u64,
    }
    |e, f| write!(f, "memory device {} {} KiB", e.device_alias, e.size_kib);
}

c_enum! {
    /// What is done when a [watchdog](Watchdog) goes off.
    WatchdogAction, "virDomainEventWatchdogAction" {
        None = VIR_DOMAIN_EVENT_WATCHDOG_NONE, "nothing";
        Pause = VIR_DOMAIN_EVENT_WATCHDOG_PAUSE, "pause";
        Reset = VIR_DOMAIN_EVENT_WATCHDOG_RESET, "reset";
        PowerOff = VIR_DOMAIN_EVENT_WATCHDOG_POWEROFF, "power off";
        /// The guest is asked to.
        Shutdown = VIR_DOMAIN_EVENT_WATCHDOG_SHUTDOWN, "shut down";
        /// A line in a log.
        Debug = VIR_DOMAIN_EVENT_WATCHDOG_DEBUG, "debug";
        InjectNmi = VIR_DOMAIN_EVENT_WATCHDOG_INJECTNMI, "inject NMI";
    }
}

c_enum! {
    /// What is done when a disk [fails](IoError).
    IoErrorAction, "virDomainEventIOErrorAction" {
        None = VIR_DOMAIN_EVENT_IO_ERROR_NONE, "nothing";
        Pause = VIR_DOMAIN_EVENT_IO_ERROR_PAUSE, "pause";
        /// The guest is told of the error.
        Report = VIR_DOMAIN_EVENT_IO_ERROR_REPORT, "report";
    }
}

c_enum! {
    /// How far the connection of a [graphical client](Graphics) is.
    GraphicsPhase, "virDomainEventGraphicsPhase" {
        Connect = VIR_DOMAIN_EVENT_GRAPHICS_CONNECT, "connected";
        /// Authenticated and set up.
        Initialize = VIR_DOMAIN_EVENT_GRAPHICS_INITIALIZE, "initialised";
        Disconnect = VIR_DOMAIN_EVENT_GRAPHICS_DISCONNECT, "disconnected";
    }
}

c_enum! {
    /// What kind of address a [`GraphicsAddress`] is.
    GraphicsAddressType, "virDomainEventGraphicsAddressType" {
        Ipv4 = VIR_DOMAIN_EVENT_GRAPHICS_ADDRESS_IPV4, "IPv4";
        Ipv6 = VIR_DOMAIN_EVENT_GRAPHICS_ADDRESS_IPV6, "IPv6";
        Unix = VIR_DOMAIN_EVENT_GRAPHICS_ADDRESS_UNIX, "Unix";
    }
}

/// One end of the connection of a [graphical client](Graphics).
#[doc(alias = "virDomainEventGraphicsAddress")]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct GraphicsAddress {
    /// What kind of address it is.
    pub family: GraphicsAddressType,
    /// The IP address. For a Unix socket libvirt's header promises the path, but
    /// QEMU leaves this empty.
    pub node: String,
    /// The port, where there is one. For a Unix socket QEMU puts the path here,
    /// which is empty at the client's end.
    pub service: Option<String>,
}

/// One thing that is known about who a [graphical client](Graphics) is.
#[doc(alias = "virDomainEventGraphicsSubjectIdentity")]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct GraphicsIdentity {
    /// What is known, such as `x509dname` or `saslUsername`.
    pub kind: String,
    /// Its value.
    pub name: String,
}

c_enum! {
    /// What a [job on a disk](BlockJob2) is.
    BlockJobType, "virDomainBlockJobType" {
        /// libvirt does not say.
        Unspecified = VIR_DOMAIN_BLOCK_JOB_TYPE_UNKNOWN, "job";
        Pull = VIR_DOMAIN_BLOCK_JOB_TYPE_PULL, "pull";
        Copy = VIR_DOMAIN_BLOCK_JOB_TYPE_COPY, "copy";
        Commit = VIR_DOMAIN_BLOCK_JOB_TYPE_COMMIT, "commit";
        ActiveCommit = VIR_DOMAIN_BLOCK_JOB_TYPE_ACTIVE_COMMIT, "active commit";
        Backup = VIR_DOMAIN_BLOCK_JOB_TYPE_BACKUP, "backup";
    }
}

c_enum! {
    /// How a [job on a disk](BlockJob2) stands.
    BlockJobStatus, "virConnectDomainEventBlockJobStatus" {
        Completed = VIR_DOMAIN_BLOCK_JOB_COMPLETED, "completed";
        Failed = VIR_DOMAIN_BLOCK_JOB_FAILED, "failed";
        Canceled = VIR_DOMAIN_BLOCK_JOB_CANCELED, "cancelled";
        /// A copy or an active commit is in step, and may be ended.
        Ready = VIR_DOMAIN_BLOCK_JOB_READY, "ready";
    }
}

c_enum! {
    /// Why a [disk has another source](DiskChange).
    DiskChangeReason, "virConnectDomainEventDiskChangeReason" {
        /// A removable disk is empty, because its file was missing at the start.
        MissingOnStart = VIR_DOMAIN_EVENT_DISK_CHANGE_MISSING_ON_START, "missing on start";
        /// The disk was left out, because its file was missing at the start.
        DroppedOnStart = VIR_DOMAIN_EVENT_DISK_DROP_MISSING_ON_START, "dropped on start";
    }
}

c_enum! {
    /// Where a [tray](TrayChange) is.
    TrayChangeReason, "virDomainEventTrayChangeReason" {
        Open = VIR_DOMAIN_EVENT_TRAY_CHANGE_OPEN, "opened";
        Close = VIR_DOMAIN_EVENT_TRAY_CHANGE_CLOSE, "closed";
    }
}

c_enum! {
    /// Whether a guest's [agent](AgentLifecycle) is there.
    AgentState, "virConnectDomainEventAgentLifecycleState" {
        Connected = VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED, "connected";
        Disconnected = VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_DISCONNECTED, "disconnected";
    }
}

c_enum! {
    /// Why the state of a guest's [agent](AgentLifecycle) is known.
    AgentReason, "virConnectDomainEventAgentLifecycleReason" {
        /// libvirt does not say.
        Unspecified = VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_REASON_UNKNOWN, "no reason";
        DomainStarted = VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_REASON_DOMAIN_STARTED, "domain started";
        /// The agent's channel was opened or closed.
        Channel = VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_REASON_CHANNEL, "channel event";
    }
}

c_enum! {
    /// Which part of a domain's [metadata](MetadataChange) was changed.
    MetadataType, "virDomainMetadataType" {
        Description = VIR_DOMAIN_METADATA_DESCRIPTION, "description";
        Title = VIR_DOMAIN_METADATA_TITLE, "title";
        /// An element of another namespace.
        Element = VIR_DOMAIN_METADATA_ELEMENT, "metadata";
    }
}

c_enum! {
    /// Whose memory [failed](MemoryFailure).
    MemoryFailureRecipient, "virDomainMemoryFailureRecipientType" {
        Hypervisor = VIR_DOMAIN_EVENT_MEMORY_FAILURE_RECIPIENT_HYPERVISOR, "hypervisor";
        Guest = VIR_DOMAIN_EVENT_MEMORY_FAILURE_RECIPIENT_GUEST, "guest";
    }
}

c_enum! {
    /// What was done about a [failure of memory](MemoryFailure).
    MemoryFailureAction, "virDomainMemoryFailureActionType" {
        Ignore = VIR_DOMAIN_EVENT_MEMORY_FAILURE_ACTION_IGNORE, "ignored";
        /// The guest was told by a machine check.
        Inject = VIR_DOMAIN_EVENT_MEMORY_FAILURE_ACTION_INJECT, "injected";
        /// The hypervisor ends.
        Fatal = VIR_DOMAIN_EVENT_MEMORY_FAILURE_ACTION_FATAL, "fatal";
        /// The guest was not ready to be told, and is reset.
        Reset = VIR_DOMAIN_EVENT_MEMORY_FAILURE_ACTION_RESET, "reset";
    }
}

bitflags::bitflags! {
    /// More on a [failure of memory](MemoryFailure). Bits that this version has
    /// no name for are kept.
    #[doc(alias = "virDomainMemoryFailureFlags")]
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct MemoryFailureFlags: u32 {
        /// `VIR_DOMAIN_MEMORY_FAILURE_ACTION_REQUIRED`: somebody was about to
        /// use the memory. Otherwise it was found in passing.
        const ACTION_REQUIRED = virt::sys::VIR_DOMAIN_MEMORY_FAILURE_ACTION_REQUIRED;
        /// `VIR_DOMAIN_MEMORY_FAILURE_RECURSIVE`: it failed while an earlier
        /// failure was being dealt with.
        const RECURSIVE = virt::sys::VIR_DOMAIN_MEMORY_FAILURE_RECURSIVE;
        const _ = !0;
    }
}

/// As libvirt's number.
#[cfg(feature = "serde")]
impl serde::Serialize for MemoryFailureFlags {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.bits())
    }
}

/// From libvirt's number.
#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for MemoryFailureFlags {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u32::deserialize(deserializer).map(Self::from_bits_retain)
    }
}
