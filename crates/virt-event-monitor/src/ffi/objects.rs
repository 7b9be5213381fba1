//! What libvirt calls for the events of everything but domains, and how such
//! functions are defined.

#![expect(unsafe_code, reason = "functions that C calls")]

use std::ffi::c_int;

use virt::sys;

use crate::{network, node_device, secret, storage_pool};

/// Defines the C function of each event type: the arguments between the object
/// and `opaque`, and the fields that are made of them. The compiler checks the
/// arguments against the type that `virt::sys` has from libvirt's header.
macro_rules! callbacks {
    (
        $read:path, $object:ident: $raw:ty;
        $(
            $event:ty: $c_type:ty, ($($argument:ident: $ty:ty),* $(,)?)
            $(-> $return:ty = $value:expr,)?
            { $($field:ident: $make:expr,)* }
        )+
    ) => {$(
        impl $crate::ffi::registration::FromC for $event {
            fn callback() -> $crate::ffi::registration::ErasedCallback {
                unsafe extern "C" fn call(
                    _connection: virt::sys::virConnectPtr,
                    object: $raw,
                    $($argument: $ty,)*
                    opaque: *mut std::ffi::c_void,
                ) $(-> $return)? {
                    type Event = $event;
                    let make = || Event {
                        // SAFETY: libvirt lends us a live object.
                        $object: unsafe { $read(object) },
                        $($field: $make,)*
                    };
                    $crate::ffi::registration::deliver::<Event>(opaque, make);
                    $($value)?
                }
                let typed: $c_type = Some(call);
                // SAFETY: one function pointer as another, to be called as what
                // it is.
                $crate::ffi::registration::ErasedCallback(unsafe {
                    std::mem::transmute::<$c_type, $crate::ffi::registration::Erased>(typed)
                })
            }
        }
    )+};
}

pub(super) use callbacks;

callbacks! {
    super::read::network, network: sys::virNetworkPtr;

    network::Lifecycle: sys::virConnectNetworkEventLifecycleCallback,
        (event: c_int, detail: c_int) {
        change: network::LifecycleChange::from_raw(event),
        detail: detail,
    }
}

callbacks! {
    super::read::storage_pool, pool: sys::virStoragePoolPtr;

    storage_pool::Lifecycle: sys::virConnectStoragePoolEventLifecycleCallback,
        (event: c_int, detail: c_int) {
        change: storage_pool::LifecycleChange::from_raw(event),
        detail: detail,
    }
    storage_pool::Refresh: sys::virConnectStoragePoolEventGenericCallback, () {}
}

callbacks! {
    super::read::node_device, device: sys::virNodeDevicePtr;

    node_device::Lifecycle: sys::virConnectNodeDeviceEventLifecycleCallback,
        (event: c_int, detail: c_int) {
        change: node_device::LifecycleChange::from_raw(event),
        detail: detail,
    }
    node_device::Update: sys::virConnectNodeDeviceEventGenericCallback, () {}
}

callbacks! {
    super::read::secret, secret: sys::virSecretPtr;

    secret::Lifecycle: sys::virConnectSecretEventLifecycleCallback,
        (event: c_int, detail: c_int) {
        change: secret::LifecycleChange::from_raw(event),
        detail: detail,
    }
    secret::ValueChanged: sys::virConnectSecretEventGenericCallback, () {}
}
