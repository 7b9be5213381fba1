//! libvirt's objects that a subscription can be limited to.

#![expect(unsafe_code, reason = "borrows the pointers that virt holds")]

use std::ffi::c_void;
use std::marker::PhantomData;

use virt::domain::Domain;
use virt::error::Error;
use virt::network::Network;
use virt::nodedev::NodeDevice;
use virt::secret::Secret;
use virt::storage_pool::StoragePool;

use crate::event::{ObjectKind, Sealed};

/// An object of libvirt's that events happen to.
///
/// Implemented by the types of `virt` only.
pub trait Object: Sealed {
    #[doc(hidden)]
    fn raw(&self) -> Result<RawObject<'_>, Error>;
}

/// A pointer to an object that is alive for `'a`.
#[derive(Debug)]
pub struct RawObject<'a> {
    pub(crate) kind: ObjectKind,
    /// What libvirt tells objects of this kind apart by: two pointers may stand
    /// for one object.
    pub(crate) key: String,
    pub(super) pointer: *mut c_void,
    lives: PhantomData<&'a ()>,
}

macro_rules! objects {
    ($($ty:ident by $key:ident,)+) => {$(
        impl Sealed for $ty {}

        impl Object for $ty {
            fn raw(&self) -> Result<RawObject<'_>, Error> {
                Ok(RawObject {
                    kind: ObjectKind::$ty,
                    key: self.$key()?,
                    // SAFETY: it is used within the lifetime of `self` only.
                    pointer: unsafe { self.as_ptr() }.cast(),
                    lives: PhantomData,
                })
            }
        }
    )+};
}

objects! {
    Domain by uuid_string,
    Network by uuid_string,
    StoragePool by uuid_string,
    NodeDevice by name,
    Secret by uuid_string,
}
