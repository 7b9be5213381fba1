//! The events of secrets.

use virt::secret::Secret;

use super::c_enum::c_enum;
pub use super::identity::{SecretIdentity, SecretUsageType};
use super::payload::payloads;

payloads! {
    secret: SecretIdentity, Secret;

    /// A secret was defined or undefined.
    #[doc(alias = "VIR_SECRET_EVENT_ID_LIFECYCLE")]
    Lifecycle = SecretLifecycle {
        /// What happened.
        change: LifecycleChange,
        /// Always 0 so far.
        detail: i32,
    }
    |e, f| write!(f, "{}", e.change);

    /// A secret has another value. The value itself is not told.
    #[doc(alias = "VIR_SECRET_EVENT_ID_VALUE_CHANGED")]
    ValueChanged = SecretValueChanged {}
    |_, f| f.write_str("value changed");
}

c_enum! {
    /// What happened to a [secret](Lifecycle).
    LifecycleChange, "virSecretEventLifecycleType" {
        Defined = VIR_SECRET_EVENT_DEFINED, "defined";
        Undefined = VIR_SECRET_EVENT_UNDEFINED, "undefined";
    }
}
