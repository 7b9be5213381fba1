//! The life of a domain: what changed, and why.

use std::fmt;

use virt::sys;

use super::c_enum::c_enum;

/// What happened in a domain's life, with the reason.
///
/// Displayed as in `suspended (paused)`.
#[doc(alias = "virDomainEventType")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum LifecycleChange {
    /// `VIR_DOMAIN_EVENT_DEFINED`: it has a configuration, or another one.
    Defined(DefinedDetail),
    /// `VIR_DOMAIN_EVENT_UNDEFINED`: its configuration is gone.
    Undefined(UndefinedDetail),
    /// `VIR_DOMAIN_EVENT_STARTED`: it exists as a running or paused guest.
    Started(StartedDetail),
    /// `VIR_DOMAIN_EVENT_SUSPENDED`: its processors stand still.
    Suspended(SuspendedDetail),
    /// `VIR_DOMAIN_EVENT_RESUMED`: its processors run again.
    Resumed(ResumedDetail),
    /// `VIR_DOMAIN_EVENT_STOPPED`: the guest is gone.
    Stopped(StoppedDetail),
    /// `VIR_DOMAIN_EVENT_SHUTDOWN`: the guest has shut itself down;
    /// [`Stopped`](Self::Stopped) follows.
    Shutdown(ShutdownDetail),
    /// `VIR_DOMAIN_EVENT_PMSUSPENDED`: its power management put it to sleep.
    PmSuspended(PmSuspendedDetail),
    /// `VIR_DOMAIN_EVENT_CRASHED`: the guest's kernel crashed.
    Crashed(CrashedDetail),
    /// An event that this version has no name for.
    Unknown {
        /// libvirt's number for what happened.
        event: i32,
        /// libvirt's number for why; its meaning depends on `event`.
        detail: i32,
    },
}

impl LifecycleChange {
    /// What libvirt means by the two numbers of its callback.
    pub fn from_raw(event: i32, detail: i32) -> Self {
        match u32::try_from(event) {
            Ok(sys::VIR_DOMAIN_EVENT_DEFINED) => Self::Defined(DefinedDetail::from_raw(detail)),
            Ok(sys::VIR_DOMAIN_EVENT_UNDEFINED) => {
                Self::Undefined(UndefinedDetail::from_raw(detail))
            }
            Ok(sys::VIR_DOMAIN_EVENT_STARTED) => Self::Started(StartedDetail::from_raw(detail)),
            Ok(sys::VIR_DOMAIN_EVENT_SUSPENDED) => {
                Self::Suspended(SuspendedDetail::from_raw(detail))
            }
            Ok(sys::VIR_DOMAIN_EVENT_RESUMED) => Self::Resumed(ResumedDetail::from_raw(detail)),
            Ok(sys::VIR_DOMAIN_EVENT_STOPPED) => Self::Stopped(StoppedDetail::from_raw(detail)),
            Ok(sys::VIR_DOMAIN_EVENT_SHUTDOWN) => Self::Shutdown(ShutdownDetail::from_raw(detail)),
            Ok(sys::VIR_DOMAIN_EVENT_PMSUSPENDED) => {
                Self::PmSuspended(PmSuspendedDetail::from_raw(detail))
            }
            Ok(sys::VIR_DOMAIN_EVENT_CRASHED) => Self::Crashed(CrashedDetail::from_raw(detail)),
            _ => Self::Unknown { event, detail },
        }
    }

    /// libvirt's two numbers for it: the event and its detail.
    pub fn as_raw(self) -> (i32, i32) {
        let (event, detail) = match self {
            Self::Defined(detail) => (sys::VIR_DOMAIN_EVENT_DEFINED, detail.as_raw()),
            Self::Undefined(detail) => (sys::VIR_DOMAIN_EVENT_UNDEFINED, detail.as_raw()),
            Self::Started(detail) => (sys::VIR_DOMAIN_EVENT_STARTED, detail.as_raw()),
            Self::Suspended(detail) => (sys::VIR_DOMAIN_EVENT_SUSPENDED, detail.as_raw()),
            Self::Resumed(detail) => (sys::VIR_DOMAIN_EVENT_RESUMED, detail.as_raw()),
            Self::Stopped(detail) => (sys::VIR_DOMAIN_EVENT_STOPPED, detail.as_raw()),
            Self::Shutdown(detail) => (sys::VIR_DOMAIN_EVENT_SHUTDOWN, detail.as_raw()),
            Self::PmSuspended(detail) => (sys::VIR_DOMAIN_EVENT_PMSUSPENDED, detail.as_raw()),
            Self::Crashed(detail) => (sys::VIR_DOMAIN_EVENT_CRASHED, detail.as_raw()),
            Self::Unknown { event, detail } => return (event, detail),
        };
        (event as i32, detail)
    }
}

impl fmt::Display for LifecycleChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Defined(detail) => write!(f, "defined ({detail})"),
            Self::Undefined(detail) => write!(f, "undefined ({detail})"),
            Self::Started(detail) => write!(f, "started ({detail})"),
            Self::Suspended(detail) => write!(f, "suspended ({detail})"),
            Self::Resumed(detail) => write!(f, "resumed ({detail})"),
            Self::Stopped(detail) => write!(f, "stopped ({detail})"),
            Self::Shutdown(detail) => write!(f, "shut down ({detail})"),
            Self::PmSuspended(detail) => write!(f, "asleep ({detail})"),
            Self::Crashed(detail) => write!(f, "crashed ({detail})"),
            Self::Unknown { event, detail } => write!(f, "unknown: {event} (detail {detail})"),
        }
    }
}

c_enum! {
    /// Why a domain was [defined](LifecycleChange::Defined).
    DefinedDetail, "virDomainEventDefinedDetailType" {
        Added = VIR_DOMAIN_EVENT_DEFINED_ADDED, "added";
        Updated = VIR_DOMAIN_EVENT_DEFINED_UPDATED, "updated";
        Renamed = VIR_DOMAIN_EVENT_DEFINED_RENAMED, "renamed";
        FromSnapshot = VIR_DOMAIN_EVENT_DEFINED_FROM_SNAPSHOT, "from a snapshot";
    }
}

c_enum! {
    /// Why a domain was [undefined](LifecycleChange::Undefined).
    UndefinedDetail, "virDomainEventUndefinedDetailType" {
        Removed = VIR_DOMAIN_EVENT_UNDEFINED_REMOVED, "removed";
        Renamed = VIR_DOMAIN_EVENT_UNDEFINED_RENAMED, "renamed";
    }
}

c_enum! {
    /// Why a domain [started](LifecycleChange::Started).
    StartedDetail, "virDomainEventStartedDetailType" {
        Booted = VIR_DOMAIN_EVENT_STARTED_BOOTED, "booted";
        /// It came from another host.
        Migrated = VIR_DOMAIN_EVENT_STARTED_MIGRATED, "migrated";
        /// Its state was in a file.
        Restored = VIR_DOMAIN_EVENT_STARTED_RESTORED, "restored";
        FromSnapshot = VIR_DOMAIN_EVENT_STARTED_FROM_SNAPSHOT, "from a snapshot";
        /// Its power management ended a sleep.
        Wakeup = VIR_DOMAIN_EVENT_STARTED_WAKEUP, "woken up";
    }
}

c_enum! {
    /// Why a domain was [suspended](LifecycleChange::Suspended).
    SuspendedDetail, "virDomainEventSuspendedDetailType" {
        /// Somebody asked for it.
        Paused = VIR_DOMAIN_EVENT_SUSPENDED_PAUSED, "paused";
        /// For an offline migration.
        Migrated = VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED, "migrated";
        IoError = VIR_DOMAIN_EVENT_SUSPENDED_IOERROR, "disk I/O error";
        Watchdog = VIR_DOMAIN_EVENT_SUSPENDED_WATCHDOG, "watchdog";
        /// It was paused when its state was saved.
        Restored = VIR_DOMAIN_EVENT_SUSPENDED_RESTORED, "restored";
        /// It was paused when the snapshot was taken.
        FromSnapshot = VIR_DOMAIN_EVENT_SUSPENDED_FROM_SNAPSHOT, "from a snapshot";
        /// A call of libvirt's failed half way.
        ApiError = VIR_DOMAIN_EVENT_SUSPENDED_API_ERROR, "API error";
        /// For the second phase of a post-copy migration.
        Postcopy = VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY, "post-copy";
        PostcopyFailed = VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY_FAILED, "post-copy failed";
    }
}

c_enum! {
    /// Why a domain was [resumed](LifecycleChange::Resumed).
    ResumedDetail, "virDomainEventResumedDetailType" {
        /// Somebody asked for it.
        Unpaused = VIR_DOMAIN_EVENT_RESUMED_UNPAUSED, "unpaused";
        /// A migration is complete.
        Migrated = VIR_DOMAIN_EVENT_RESUMED_MIGRATED, "migrated";
        FromSnapshot = VIR_DOMAIN_EVENT_RESUMED_FROM_SNAPSHOT, "from a snapshot";
        /// Some of its memory is still on the other host.
        Postcopy = VIR_DOMAIN_EVENT_RESUMED_POSTCOPY, "post-copy";
        /// It runs although its migration failed.
        PostcopyFailed = VIR_DOMAIN_EVENT_RESUMED_POSTCOPY_FAILED, "post-copy failed";
    }
}

c_enum! {
    /// Why a domain [stopped](LifecycleChange::Stopped).
    StoppedDetail, "virDomainEventStoppedDetailType" {
        /// By itself.
        Shutdown = VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN, "shut down";
        /// The host cut its power.
        Destroyed = VIR_DOMAIN_EVENT_STOPPED_DESTROYED, "destroyed";
        Crashed = VIR_DOMAIN_EVENT_STOPPED_CRASHED, "crashed";
        /// It goes on at another host.
        Migrated = VIR_DOMAIN_EVENT_STOPPED_MIGRATED, "migrated";
        /// Its state is in a file.
        Saved = VIR_DOMAIN_EVENT_STOPPED_SAVED, "saved";
        /// The emulator, or the daemon's hold on it, failed.
        Failed = VIR_DOMAIN_EVENT_STOPPED_FAILED, "failed";
        FromSnapshot = VIR_DOMAIN_EVENT_STOPPED_FROM_SNAPSHOT, "from a snapshot";
    }
}

c_enum! {
    /// Who [shut the domain down](LifecycleChange::Shutdown).
    ShutdownDetail, "virDomainEventShutdownDetailType" {
        /// Nothing more is known, as before libvirt 3.4.
        Finished = VIR_DOMAIN_EVENT_SHUTDOWN_FINISHED, "finished";
        Guest = VIR_DOMAIN_EVENT_SHUTDOWN_GUEST, "by the guest";
        Host = VIR_DOMAIN_EVENT_SHUTDOWN_HOST, "by the host";
    }
}

c_enum! {
    /// Where a domain that [sleeps](LifecycleChange::PmSuspended) keeps its state.
    PmSuspendedDetail, "virDomainEventPMSuspendedDetailType" {
        Memory = VIR_DOMAIN_EVENT_PMSUSPENDED_MEMORY, "to memory";
        Disk = VIR_DOMAIN_EVENT_PMSUSPENDED_DISK, "to disk";
    }
}

c_enum! {
    /// How a domain [crashed](LifecycleChange::Crashed).
    CrashedDetail, "virDomainEventCrashedDetailType" {
        Panicked = VIR_DOMAIN_EVENT_CRASHED_PANICKED, "panicked";
        /// Its crash kernel has taken over.
        CrashLoaded = VIR_DOMAIN_EVENT_CRASHED_CRASHLOADED, "crash kernel loaded";
    }
}
