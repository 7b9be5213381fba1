//! What an event says about the object that it happened to: owned data, never
//! a live object, because a live one would keep its connection open.

use std::fmt;

use uuid::Uuid;

use super::c_enum::c_enum;

/// The domain that an event is about. Displayed as its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct DomainIdentity {
    /// Unique on its host, at a time.
    pub name: String,
    /// Unique everywhere, for as long as the domain is defined.
    pub uuid: Uuid,
    /// The number of its current run, if it runs.
    pub id: Option<u32>,
}

/// The virtual network that an event is about. Displayed as its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct NetworkIdentity {
    /// Unique on its host.
    pub name: String,
    /// Unique everywhere.
    pub uuid: Uuid,
}

/// The storage pool that an event is about. Displayed as its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct StoragePoolIdentity {
    /// Unique on its host.
    pub name: String,
    /// Unique everywhere.
    pub uuid: Uuid,
}

/// The device of the host that an event is about. Displayed as its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct NodeDeviceIdentity {
    /// Unique on its host.
    pub name: String,
}

/// The secret that an event is about. Displayed as its UUID. The secret's value
/// is not part of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct SecretIdentity {
    /// Unique everywhere.
    pub uuid: Uuid,
    /// What the secret is for.
    pub usage_type: SecretUsageType,
    /// Which of those things it is for, such as the path of a volume; empty if
    /// it is for none.
    pub usage_id: String,
}

c_enum! {
    /// What a secret is for.
    SecretUsageType, "virSecretUsageType" {
        None = VIR_SECRET_USAGE_TYPE_NONE, "none";
        Volume = VIR_SECRET_USAGE_TYPE_VOLUME, "volume";
        Ceph = VIR_SECRET_USAGE_TYPE_CEPH, "ceph";
        Iscsi = VIR_SECRET_USAGE_TYPE_ISCSI, "iscsi";
        Tls = VIR_SECRET_USAGE_TYPE_TLS, "tls";
        Vtpm = VIR_SECRET_USAGE_TYPE_VTPM, "vtpm";
    }
}

impl fmt::Display for DomainIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

impl fmt::Display for NetworkIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

impl fmt::Display for StoragePoolIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

impl fmt::Display for NodeDeviceIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

impl fmt::Display for SecretIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uuid.fmt(f)
    }
}
