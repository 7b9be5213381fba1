//! Every event: one list, which the types over all of them are made from.

/// Calls a macro with a row for each event: its name in Rust, its type, its
/// constant in C, its word, and the libvirt that brought it.
macro_rules! for_every_event {
    ($use:ident) => {
        $use! {
            Lifecycle, domain::Lifecycle, Domain, VIR_DOMAIN_EVENT_ID_LIFECYCLE, "lifecycle", "0.8.0";
            Reboot, domain::Reboot, Domain, VIR_DOMAIN_EVENT_ID_REBOOT, "reboot", "0.8.0";
            RtcChange, domain::RtcChange, Domain, VIR_DOMAIN_EVENT_ID_RTC_CHANGE, "rtc-change", "0.8.0";
            Watchdog, domain::Watchdog, Domain, VIR_DOMAIN_EVENT_ID_WATCHDOG, "watchdog", "0.8.0";
            IoError, domain::IoError, Domain, VIR_DOMAIN_EVENT_ID_IO_ERROR, "io-error", "0.8.0";
            Graphics, domain::Graphics, Domain, VIR_DOMAIN_EVENT_ID_GRAPHICS, "graphics", "0.8.0";
            IoErrorReason, domain::IoErrorReason, Domain, VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON, "io-error-reason", "0.8.1";
            ControlError, domain::ControlError, Domain, VIR_DOMAIN_EVENT_ID_CONTROL_ERROR, "control-error", "0.9.2";
            BlockJob, domain::BlockJob, Domain, VIR_DOMAIN_EVENT_ID_BLOCK_JOB, "block-job", "0.9.4";
            DiskChange, domain::DiskChange, Domain, VIR_DOMAIN_EVENT_ID_DISK_CHANGE, "disk-change", "0.9.7";
            TrayChange, domain::TrayChange, Domain, VIR_DOMAIN_EVENT_ID_TRAY_CHANGE, "tray-change", "0.9.11";
            PmWakeup, domain::PmWakeup, Domain, VIR_DOMAIN_EVENT_ID_PMWAKEUP, "pm-wakeup", "0.9.11";
            PmSuspend, domain::PmSuspend, Domain, VIR_DOMAIN_EVENT_ID_PMSUSPEND, "pm-suspend", "0.9.11";
            BalloonChange, domain::BalloonChange, Domain, VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE, "balloon-change", "0.10.0";
            PmSuspendDisk, domain::PmSuspendDisk, Domain, VIR_DOMAIN_EVENT_ID_PMSUSPEND_DISK, "pm-suspend-disk", "1.0.0";
            DeviceRemoved, domain::DeviceRemoved, Domain, VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, "device-removed", "1.1.1";
            BlockJob2, domain::BlockJob2, Domain, VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2, "block-job-2", "1.2.6";
            Tunable, domain::Tunable, Domain, VIR_DOMAIN_EVENT_ID_TUNABLE, "tunable", "1.2.9";
            AgentLifecycle, domain::AgentLifecycle, Domain, VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE, "agent-lifecycle", "1.2.11";
            DeviceAdded, domain::DeviceAdded, Domain, VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, "device-added", "1.2.15";
            MigrationIteration, domain::MigrationIteration, Domain, VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION, "migration-iteration", "1.3.2";
            JobCompleted, domain::JobCompleted, Domain, VIR_DOMAIN_EVENT_ID_JOB_COMPLETED, "job-completed", "1.3.3";
            DeviceRemovalFailed, domain::DeviceRemovalFailed, Domain, VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED, "device-removal-failed", "1.3.4";
            MetadataChange, domain::MetadataChange, Domain, VIR_DOMAIN_EVENT_ID_METADATA_CHANGE, "metadata-change", "3.0.0";
            BlockThreshold, domain::BlockThreshold, Domain, VIR_DOMAIN_EVENT_ID_BLOCK_THRESHOLD, "block-threshold", "3.2.0";
            MemoryFailure, domain::MemoryFailure, Domain, VIR_DOMAIN_EVENT_ID_MEMORY_FAILURE, "memory-failure", "6.9.0";
            MemoryDeviceSizeChange, domain::MemoryDeviceSizeChange, Domain, VIR_DOMAIN_EVENT_ID_MEMORY_DEVICE_SIZE_CHANGE, "memory-device-size-change", "7.9.0";
            NetworkLifecycle, network::Lifecycle, Network, VIR_NETWORK_EVENT_ID_LIFECYCLE, "network-lifecycle", "1.2.1";
            StoragePoolLifecycle, storage_pool::Lifecycle, StoragePool, VIR_STORAGE_POOL_EVENT_ID_LIFECYCLE, "storage-pool-lifecycle", "2.0.0";
            StoragePoolRefresh, storage_pool::Refresh, StoragePool, VIR_STORAGE_POOL_EVENT_ID_REFRESH, "storage-pool-refresh", "2.0.0";
            NodeDeviceLifecycle, node_device::Lifecycle, NodeDevice, VIR_NODE_DEVICE_EVENT_ID_LIFECYCLE, "node-device-lifecycle", "2.2.0";
            NodeDeviceUpdate, node_device::Update, NodeDevice, VIR_NODE_DEVICE_EVENT_ID_UPDATE, "node-device-update", "2.2.0";
            SecretLifecycle, secret::Lifecycle, Secret, VIR_SECRET_EVENT_ID_LIFECYCLE, "secret-lifecycle", "3.0.0";
            SecretValueChanged, secret::ValueChanged, Secret, VIR_SECRET_EVENT_ID_VALUE_CHANGED, "secret-value-changed", "3.0.0";
        }
    };
}

pub(crate) use for_every_event;
