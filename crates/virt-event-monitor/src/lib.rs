//! Monitor.

#![deny(unsafe_code)]

mod close;
mod error;
mod event;
mod events;
mod fan;
mod ffi;
mod monitor;
mod queue;
mod serial;
mod stream_watch;
mod subscribe;
mod subscription;

pub use virt;
pub use virt_event;

pub use crate::close::{CloseReason, CloseSubscription, Closed};
pub use crate::error::{Error, StreamError};
pub use crate::event::domain::DomainIdentity;
pub use crate::event::network::NetworkIdentity;
pub use crate::event::node_device::NodeDeviceIdentity;
pub use crate::event::secret::{SecretIdentity, SecretUsageType};
pub use crate::event::storage_pool::StoragePoolIdentity;
pub use crate::event::{
    AnyEvent, Event, EventKind, ObjectKind, TypedEvent, domain, network, node_device, secret,
    storage_pool,
};
pub use crate::events::Events;
pub use crate::ffi::Object;
pub use crate::monitor::Monitor;
pub use crate::stream_watch::{StreamEvents, StreamHandle, StreamWatch};
pub use crate::subscribe::{DEFAULT_CAPACITY, Subscribe};
pub use crate::subscription::Subscription;
