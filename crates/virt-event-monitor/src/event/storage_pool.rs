//! The events of storage pools.

use virt::storage_pool::StoragePool;

use super::c_enum::c_enum;
pub use super::identity::StoragePoolIdentity;
use super::payload::payloads;

payloads! {
    pool: StoragePoolIdentity, StoragePool;

    /// A pool was started, stopped, defined, built and so on.
    #[doc(alias = "VIR_STORAGE_POOL_EVENT_ID_LIFECYCLE")]
    Lifecycle = StoragePoolLifecycle {
        /// What happened.
        change: LifecycleChange,
        /// Always 0 so far.
        detail: i32,
    }
    |e, f| write!(f, "{}", e.change);

    /// The list of a pool's volumes was read anew.
    #[doc(alias = "VIR_STORAGE_POOL_EVENT_ID_REFRESH")]
    Refresh = StoragePoolRefresh {}
    |_, f| f.write_str("refreshed");
}

c_enum! {
    /// What happened to a [pool](Lifecycle).
    LifecycleChange, "virStoragePoolEventLifecycleType" {
        Defined = VIR_STORAGE_POOL_EVENT_DEFINED, "defined";
        Undefined = VIR_STORAGE_POOL_EVENT_UNDEFINED, "undefined";
        Started = VIR_STORAGE_POOL_EVENT_STARTED, "started";
        Stopped = VIR_STORAGE_POOL_EVENT_STOPPED, "stopped";
        /// Its storage was built.
        Created = VIR_STORAGE_POOL_EVENT_CREATED, "created";
        /// Its storage was deleted.
        Deleted = VIR_STORAGE_POOL_EVENT_DELETED, "deleted";
    }
}
