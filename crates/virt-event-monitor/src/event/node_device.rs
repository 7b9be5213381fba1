//! The events of the host's devices.

use virt::nodedev::NodeDevice;

use super::c_enum::c_enum;
pub use super::identity::NodeDeviceIdentity;
use super::payload::payloads;

payloads! {
    device: NodeDeviceIdentity, NodeDevice;

    /// A device of the host came or went.
    #[doc(alias = "VIR_NODE_DEVICE_EVENT_ID_LIFECYCLE")]
    Lifecycle = NodeDeviceLifecycle {
        /// What happened.
        change: LifecycleChange,
        /// Always 0 so far.
        detail: i32,
    }
    |e, f| write!(f, "{}", e.change);

    /// The description of a device of the host is another one.
    #[doc(alias = "VIR_NODE_DEVICE_EVENT_ID_UPDATE")]
    Update = NodeDeviceUpdate {}
    |_, f| f.write_str("updated");
}

c_enum! {
    /// What happened to a [device](Lifecycle).
    LifecycleChange, "virNodeDeviceEventLifecycleType" {
        Created = VIR_NODE_DEVICE_EVENT_CREATED, "created";
        Deleted = VIR_NODE_DEVICE_EVENT_DELETED, "deleted";
        Defined = VIR_NODE_DEVICE_EVENT_DEFINED, "defined";
        Undefined = VIR_NODE_DEVICE_EVENT_UNDEFINED, "undefined";
    }
}
