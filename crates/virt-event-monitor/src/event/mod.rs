//! What libvirt reports, as types.

pub(crate) mod c_enum;
pub mod domain;
mod identity;
mod kind;
mod lifecycle;
pub mod network;
pub mod node_device;
mod payload;
pub mod secret;
pub mod storage_pool;
pub(crate) mod table;
mod typed_param;

#[cfg(test)]
mod tests;

use std::fmt;

pub use self::kind::{AnyEvent, EventKind, ObjectKind};
use crate::ffi::Object;

/// Something that a subscription delivers: an event of one type, or
/// [`AnyEvent`].
///
/// Implemented by the types of this crate only.
pub trait Event: Clone + fmt::Debug + fmt::Display + Send + Sync + 'static + Sealed {
    /// libvirt's object that a subscription can be limited to.
    type Object: Object;
}

/// An event of one type.
///
/// Implemented by the types of this crate only.
pub trait TypedEvent: Event + crate::ffi::FromC {
    /// What kind of event it is.
    const KIND: EventKind;
}

impl Event for AnyEvent {
    type Object = virt::domain::Domain;
}

impl Sealed for AnyEvent {}

/// Keeps the traits of this crate to its types.
pub trait Sealed {}
