//! One registered callback of libvirt's, of any kind of event.

#![expect(unsafe_code, reason = "calls libvirt through virt::sys")]

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::mem;
use std::ptr;
use std::sync::Arc;

use virt::connect::Connect;
use virt::error::Error;
use virt::sys;

use super::table::{self, Entry};
use super::{RawObject, guarded, soon};
use crate::event::{ObjectKind, TypedEvent};

/// Takes events, on the loop's thread.
pub(crate) trait Sink<T>: Send + Sync {
    fn accept(&self, event: T);
}

/// Makes an event from the arguments of its C callback.
pub trait FromC: Sized {
    /// The C function that libvirt is to call for this event. It hands the
    /// event to the sink of a [`register`]ed `Self`.
    #[doc(hidden)]
    fn callback() -> ErasedCallback;
}

/// A C function whose type has been forgotten: the arguments between the object
/// and `opaque` are different for each event. libvirt knows them by the id.
#[derive(Debug, Clone, Copy)]
pub struct ErasedCallback(pub(super) Erased);

pub(super) type Erased = unsafe extern "C" fn();

/// What `opaque` stands for.
struct Registered<E> {
    sink: Arc<dyn Sink<E>>,
    /// Until libvirt has let go of the callback: it holds a reference of its
    /// own, and would close the connection under a lock if that were the last
    /// one.
    #[expect(dead_code, reason = "keeps the connection until it is dropped")]
    connection: Connect,
}

/// A callback that libvirt has. It has to be [removed](Self::remove).
#[derive(Debug)]
pub(crate) struct Registration {
    object: ObjectKind,
    id: c_int,
}

/// Asks libvirt to tell `sink` of the events of a type, of `object` or of all.
///
/// libvirt takes one callback with the same function for the same events of a
/// connection, and refuses a second one.
///
/// # Panics
///
/// - If such events do not happen to such an object.
pub(crate) fn register<E: TypedEvent>(
    connection: &Connect,
    object: Option<&RawObject<'_>>,
    sink: Arc<dyn Sink<E>>,
) -> Result<Registration, Error> {
    let kind = E::KIND;
    let function = E::callback();
    assert!(object.is_none_or(|object| object.kind == kind.object()));
    let entry = Entry::new(Registered {
        sink,
        connection: connection.clone(),
    });
    let opaque = entry.opaque();
    let pointer = object.map_or(ptr::null_mut(), |object| object.pointer);
    // SAFETY: the pointer is used in the next call only, while the connection is
    // borrowed.
    let raw = unsafe { connection.as_ptr() };
    let free: sys::virFreeCallback = Some(free);

    macro_rules! register {
        ($function:ident, $generic:ty) => {{
            // SAFETY: libvirt calls the function with the arguments of its kind
            // and passes it through this general type.
            let callback = unsafe { mem::transmute::<Erased, $generic>(function.0) };
            // SAFETY: a live connection and a live object or none; the two
            // functions do not follow `opaque`.
            unsafe { sys::$function(raw, pointer.cast(), kind.as_raw(), callback, opaque, free) }
        }};
    }

    let id = match kind.object() {
        ObjectKind::Domain => register!(
            virConnectDomainEventRegisterAny,
            sys::virConnectDomainEventGenericCallback
        ),
        ObjectKind::Network => register!(
            virConnectNetworkEventRegisterAny,
            sys::virConnectNetworkEventGenericCallback
        ),
        ObjectKind::StoragePool => register!(
            virConnectStoragePoolEventRegisterAny,
            sys::virConnectStoragePoolEventGenericCallback
        ),
        ObjectKind::NodeDevice => register!(
            virConnectNodeDeviceEventRegisterAny,
            sys::virConnectNodeDeviceEventGenericCallback
        ),
        ObjectKind::Secret => register!(
            virConnectSecretEventRegisterAny,
            sys::virConnectSecretEventGenericCallback
        ),
    };
    if id < 0 {
        return Err(Error::last_error());
    }
    // From here on the entry goes when libvirt frees it.
    mem::forget(entry);
    Ok(Registration {
        object: kind.object(),
        id,
    })
}

thread_local! {
    /// Whether this thread is inside [`Registration::remove`]. It has no
    /// destructor.
    static REMOVING: Cell<bool> = const { Cell::new(false) };
}

impl Registration {
    /// Tells libvirt to forget the callback. It does not call it any more when
    /// this has returned, but for a call that is under way on the loop's
    /// thread.
    ///
    /// An error means that the host was not told, because the connection is
    /// gone, and it has nothing more to tell.
    pub(crate) fn remove(self, connection: &Connect) {
        // SAFETY: used in the next call only, while the connection is borrowed.
        let raw = unsafe { connection.as_ptr() };
        let deregister: unsafe extern "C" fn(sys::virConnectPtr, c_int) -> c_int = match self.object
        {
            ObjectKind::Domain => sys::virConnectDomainEventDeregisterAny,
            ObjectKind::Network => sys::virConnectNetworkEventDeregisterAny,
            ObjectKind::StoragePool => sys::virConnectStoragePoolEventDeregisterAny,
            ObjectKind::NodeDevice => sys::virConnectNodeDeviceEventDeregisterAny,
            ObjectKind::Secret => sys::virConnectSecretEventDeregisterAny,
        };
        let outer = REMOVING.replace(true);
        // SAFETY: a live connection, and an id that it gave us.
        let _ = unsafe { deregister(raw, self.id) };
        REMOVING.set(outer);
    }
}

/// Hands the event that `make` makes to the sink behind `opaque`.
pub(super) fn deliver<E: 'static>(opaque: *mut c_void, make: impl FnOnce() -> E) {
    guarded(|| {
        // Only the sink: the rest is libvirt's to free.
        let sink = table::look_up(opaque, |registered: &Registered<E>| {
            Arc::clone(&registered.sink)
        });
        if let Some(sink) = sink {
            sink.accept(make());
        }
    });
}

/// libvirt holds locks while it calls this. The sink is only our own data (its
/// closures are dropped elsewhere), but the last reference on the connection
/// closes it.
unsafe extern "C" fn free(opaque: *mut c_void) {
    guarded(|| {
        let registered = table::take(opaque);
        if REMOVING.get() {
            // Whoever removes the callback has the connection, so this is not
            // the last reference.
            drop(registered);
        } else {
            soon(move || drop(registered));
        }
    });
}

/// What the sink gets when `call` calls [`FromC::callback`] with this `opaque`,
/// as libvirt does.
#[cfg(test)]
pub(super) fn received<E: TypedEvent>(
    connection: &Connect,
    call: impl FnOnce(*mut c_void),
) -> Vec<E> {
    struct Collect<E>(std::sync::Mutex<Vec<E>>);

    impl<E: Send> Sink<E> for Collect<E> {
        fn accept(&self, event: E) {
            self.0.lock().unwrap().push(event);
        }
    }

    let collect = Arc::new(Collect(Vec::new().into()));
    let entry = Entry::new(Registered::<E> {
        sink: collect.clone(),
        connection: connection.clone(),
    });
    call(entry.opaque());
    drop(entry);
    std::mem::take(&mut *collect.0.lock().unwrap())
}
