//! The events of virtual networks.

use virt::network::Network;

use super::c_enum::c_enum;
pub use super::identity::NetworkIdentity;
use super::payload::payloads;

payloads! {
    network: NetworkIdentity, Network;

    /// A network was started, stopped, defined or undefined.
    #[doc(alias = "VIR_NETWORK_EVENT_ID_LIFECYCLE")]
    Lifecycle = NetworkLifecycle {
        /// What happened.
        change: LifecycleChange,
        /// Always 0 so far.
        detail: i32,
    }
    |e, f| write!(f, "{}", e.change);
}

c_enum! {
    /// What happened to a [network](Lifecycle).
    LifecycleChange, "virNetworkEventLifecycleType" {
        Defined = VIR_NETWORK_EVENT_DEFINED, "defined";
        Undefined = VIR_NETWORK_EVENT_UNDEFINED, "undefined";
        Started = VIR_NETWORK_EVENT_STARTED, "started";
        Stopped = VIR_NETWORK_EVENT_STOPPED, "stopped";
    }
}
