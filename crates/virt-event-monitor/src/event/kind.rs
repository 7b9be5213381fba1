//! The kinds of events, and an event of any kind.

use std::fmt;

use super::table::for_every_event;
use super::{domain, network, node_device, secret, storage_pool};

/// What kind of object an event happens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ObjectKind {
    /// A domain: a guest.
    Domain,
    /// A virtual network.
    Network,
    /// A storage pool.
    StoragePool,
    /// A device of the host.
    NodeDevice,
    /// A secret.
    Secret,
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Domain => "domain",
            Self::Network => "network",
            Self::StoragePool => "storage pool",
            Self::NodeDevice => "node device",
            Self::Secret => "secret",
        })
    }
}

macro_rules! define {
    ($($name:ident, $module:ident::$ty:ident, $object:ident, $constant:ident, $word:literal, $since:literal;)+) => {
        /// A kind of event: what can be subscribed to. Displayed as its
        /// [name](Self::name).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum EventKind {
            $(
                #[doc = concat!("[`", stringify!($module), "::", stringify!($ty), "`]")]
                #[doc = concat!("(crate::", stringify!($module), "::", stringify!($ty), "): ")]
                #[doc = concat!("`", stringify!($constant), "`.")]
                $name,
            )+
        }

        impl EventKind {
            /// All of them, in the order of libvirt's numbers, domains first.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Its name; for a domain's event that of `virsh event`, such as
            /// `lifecycle`, and with the object in front for the others, such as
            /// `network-lifecycle`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }

            /// What it happens to.
            pub fn object(self) -> ObjectKind {
                match self {
                    $(Self::$name => ObjectKind::$object,)+
                }
            }

            /// The version of libvirt that introduced it.
            pub fn since(self) -> &'static str {
                match self {
                    $(Self::$name => $since,)+
                }
            }

            /// libvirt's number for it, among the events of its object.
            pub fn as_raw(self) -> i32 {
                match self {
                    $(Self::$name => virt::sys::$constant as i32,)+
                }
            }

            /// The name of libvirt's number for it.
            #[cfg(test)]
            pub(crate) fn constant(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($constant),)+
                }
            }

            /// The path of its type from the root of this crate.
            #[cfg(test)]
            pub(crate) fn rust_type(self) -> &'static str {
                match self {
                    $(Self::$name => concat!(stringify!($module), "::", stringify!($ty)),)+
                }
            }
        }

        /// An event of any kind.
        ///
        /// With the feature `serde` it is a map whose key `event` is the name of
        /// its kind, beside the fields of the event.
        #[derive(Debug, Clone, PartialEq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "serde", serde(tag = "event"))]
        #[non_exhaustive]
        pub enum AnyEvent {
            $(
                #[doc = concat!("`", stringify!($constant), "`.")]
                #[cfg_attr(feature = "serde", serde(rename = $word))]
                $name($module::$ty),
            )+
        }

        impl AnyEvent {
            /// What kind of event it is.
            pub fn kind(&self) -> EventKind {
                match self {
                    $(Self::$name(_) => EventKind::$name,)+
                }
            }
        }

        /// The event without its kind.
        impl fmt::Display for AnyEvent {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$name(event) => event.fmt(f),)+
                }
            }
        }

        $(
            impl From<$module::$ty> for AnyEvent {
                fn from(event: $module::$ty) -> Self {
                    Self::$name(event)
                }
            }
        )+
    };
}

for_every_event!(define);

impl EventKind {
    /// The kind with this [name](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
