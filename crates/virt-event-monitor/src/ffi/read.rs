//! What libvirt lends to a callback, copied.

#![expect(unsafe_code, reason = "reads through pointers of libvirt's")]

use std::ffi::{CStr, c_char, c_int};
use std::slice;

use uuid::Uuid;
use virt::sys;

use crate::domain::{GraphicsAddress, GraphicsAddressType, GraphicsIdentity};
use crate::event::domain::{TypedParam, TypedValue};
use crate::{
    DomainIdentity, NetworkIdentity, NodeDeviceIdentity, SecretIdentity, SecretUsageType,
    StoragePoolIdentity,
};

/// The string, unless the pointer is null. What is not UTF-8 is replaced.
///
/// # Safety
///
/// `pointer` is null or a C string.
pub(super) unsafe fn optional_string(pointer: *const c_char) -> Option<String> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: not null, so a C string.
    let string = unsafe { CStr::from_ptr(pointer) };
    Some(string.to_string_lossy().into_owned())
}

/// The string; empty if the pointer is null.
///
/// # Safety
///
/// `pointer` is null or a C string.
pub(super) unsafe fn string(pointer: *const c_char) -> String {
    // SAFETY: what the caller promises.
    unsafe { optional_string(pointer) }.unwrap_or_default()
}

/// # Safety
///
/// `domain` is a live domain.
pub(super) unsafe fn domain(domain: sys::virDomainPtr) -> DomainIdentity {
    let mut uuid = [0; 16];
    // SAFETY: a live domain, and room for the 16 bytes of a UUID.
    unsafe { sys::virDomainGetUUID(domain, uuid.as_mut_ptr()) };
    // SAFETY: a live domain.
    let name = unsafe { sys::virDomainGetName(domain) };
    // SAFETY: a live domain.
    let id = unsafe { sys::virDomainGetID(domain) };
    DomainIdentity {
        // SAFETY: null or a C string that lives as long as the domain.
        name: unsafe { string(name) },
        uuid: Uuid::from_bytes(uuid),
        // -1 as an unsigned number stands for a domain that does not run.
        id: Some(id).filter(|&id| id != u32::MAX),
    }
}

/// # Safety
///
/// `network` is a live network.
pub(super) unsafe fn network(network: sys::virNetworkPtr) -> NetworkIdentity {
    let mut uuid = [0; 16];
    // SAFETY: a live network, and room for the 16 bytes of a UUID.
    unsafe { sys::virNetworkGetUUID(network, uuid.as_mut_ptr()) };
    // SAFETY: a live network.
    let name = unsafe { sys::virNetworkGetName(network) };
    NetworkIdentity {
        // SAFETY: null or a C string that lives as long as the network.
        name: unsafe { string(name) },
        uuid: Uuid::from_bytes(uuid),
    }
}

/// # Safety
///
/// `pool` is a live storage pool.
pub(super) unsafe fn storage_pool(pool: sys::virStoragePoolPtr) -> StoragePoolIdentity {
    let mut uuid = [0; 16];
    // SAFETY: a live pool, and room for the 16 bytes of a UUID.
    unsafe { sys::virStoragePoolGetUUID(pool, uuid.as_mut_ptr()) };
    // SAFETY: a live pool.
    let name = unsafe { sys::virStoragePoolGetName(pool) };
    StoragePoolIdentity {
        // SAFETY: null or a C string that lives as long as the pool.
        name: unsafe { string(name) },
        uuid: Uuid::from_bytes(uuid),
    }
}

/// # Safety
///
/// `device` is a live node device.
pub(super) unsafe fn node_device(device: sys::virNodeDevicePtr) -> NodeDeviceIdentity {
    // SAFETY: a live device.
    let name = unsafe { sys::virNodeDeviceGetName(device) };
    NodeDeviceIdentity {
        // SAFETY: null or a C string that lives as long as the device.
        name: unsafe { string(name) },
    }
}

/// # Safety
///
/// `secret` is a live secret.
pub(super) unsafe fn secret(secret: sys::virSecretPtr) -> SecretIdentity {
    let mut uuid = [0; 16];
    // SAFETY: a live secret, and room for the 16 bytes of a UUID.
    unsafe { sys::virSecretGetUUID(secret, uuid.as_mut_ptr()) };
    // SAFETY: a live secret.
    let usage_type = unsafe { sys::virSecretGetUsageType(secret) };
    // SAFETY: a live secret.
    let usage_id = unsafe { sys::virSecretGetUsageID(secret) };
    SecretIdentity {
        uuid: Uuid::from_bytes(uuid),
        usage_type: SecretUsageType::from_raw(usage_type),
        // SAFETY: null or a C string that lives as long as the secret.
        usage_id: unsafe { string(usage_id) },
    }
}

/// # Safety
///
/// `params` points to `count` parameters, or is null.
pub(super) unsafe fn params(params: sys::virTypedParameterPtr, count: c_int) -> Vec<TypedParam> {
    // SAFETY: what the caller promises.
    let params = unsafe { items(params, count) };
    // SAFETY: parameters of libvirt's.
    params.iter().map(|raw| unsafe { param(raw) }).collect()
}

/// # Safety
///
/// `raw` was made by libvirt: its type says what its value is.
unsafe fn param(raw: &sys::virTypedParameter) -> TypedParam {
    // SAFETY: libvirt ends the name with a null within the field.
    let name = unsafe { string(raw.field.as_ptr()) };
    let value = &raw.value;
    let value = match u32::try_from(raw.type_) {
        // SAFETY: the type says that this is what it holds.
        Ok(sys::VIR_TYPED_PARAM_INT) => TypedValue::Int(unsafe { value.i }),
        // SAFETY: as above.
        Ok(sys::VIR_TYPED_PARAM_UINT) => TypedValue::Uint(unsafe { value.ui }),
        // SAFETY: as above.
        Ok(sys::VIR_TYPED_PARAM_LLONG) => TypedValue::Llong(unsafe { value.l }),
        // SAFETY: as above.
        Ok(sys::VIR_TYPED_PARAM_ULLONG) => TypedValue::Ullong(unsafe { value.ul }),
        // SAFETY: as above.
        Ok(sys::VIR_TYPED_PARAM_DOUBLE) => TypedValue::Double(unsafe { value.d }),
        // SAFETY: as above.
        Ok(sys::VIR_TYPED_PARAM_BOOLEAN) => TypedValue::Boolean(unsafe { value.b } != 0),
        Ok(sys::VIR_TYPED_PARAM_STRING) => {
            // SAFETY: as above.
            let pointer = unsafe { value.s };
            // SAFETY: null or a C string that lives as long as the parameter.
            TypedValue::String(unsafe { string(pointer) })
        }
        _ => TypedValue::Unknown(raw.type_),
    };
    TypedParam { name, value }
}

/// # Safety
///
/// `address` is null or points to an address of libvirt's.
pub(super) unsafe fn address(
    address: *const sys::virDomainEventGraphicsAddress,
) -> GraphicsAddress {
    // SAFETY: what the caller promises.
    match unsafe { address.as_ref() } {
        Some(raw) => GraphicsAddress {
            family: GraphicsAddressType::from_raw(raw.family),
            // SAFETY: null or a C string that lives as long as the address.
            node: unsafe { string(raw.node) },
            // SAFETY: as above.
            service: unsafe { optional_string(raw.service) },
        },
        None => GraphicsAddress {
            family: GraphicsAddressType::Unknown(-1),
            node: String::new(),
            service: None,
        },
    }
}

/// # Safety
///
/// `subject` is null or points to a subject of libvirt's.
pub(super) unsafe fn subject(
    subject: *const sys::virDomainEventGraphicsSubject,
) -> Vec<GraphicsIdentity> {
    // SAFETY: what the caller promises.
    let Some(subject) = (unsafe { subject.as_ref() }) else {
        return Vec::new();
    };
    // SAFETY: libvirt says how many there are.
    let identities = unsafe { items(subject.identities, subject.nidentity) };
    identities
        .iter()
        .map(|identity| GraphicsIdentity {
            // SAFETY: null or a C string that lives as long as the identity.
            kind: unsafe { string(identity.type_) },
            // SAFETY: as above.
            name: unsafe { string(identity.name) },
        })
        .collect()
}

/// An array of C's; empty if there is none.
///
/// # Safety
///
/// `first` points to `count` items that live for `'a`, or is null.
unsafe fn items<'a, T>(first: *const T, count: c_int) -> &'a [T] {
    match usize::try_from(count) {
        // SAFETY: not null, so there are that many.
        Ok(count @ 1..) if !first.is_null() => unsafe { slice::from_raw_parts(first, count) },
        _ => &[],
    }
}
