//! What libvirt's callbacks are about. libvirt gets a key into this for its
//! `opaque`, never a pointer: whether and when it calls a free function is not
//! always as it says. After a refused registration it may (9.0: if it is
//! delivering events at that moment), for a stream it may not (9.0: over a
//! socket), and a key that is used too late finds nothing.

use std::any::Any;
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

static TABLE: Mutex<Table> = Mutex::new(Table {
    entries: BTreeMap::new(),
    last: 0,
});

struct Table {
    entries: BTreeMap<usize, Value>,
    /// Keys are not used again.
    last: usize,
}

type Value = Box<dyn Any + Send + Sync>;

fn table() -> MutexGuard<'static, Table> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A place in the table; given up when dropped.
#[derive(Debug)]
pub(crate) struct Entry {
    key: usize,
}

impl Entry {
    pub(super) fn new(value: impl Any + Send + Sync) -> Self {
        let mut table = table();
        table.last += 1;
        let key = table.last;
        table.entries.insert(key, Box::new(value));
        Self { key }
    }

    /// What libvirt gets.
    pub(super) fn opaque(&self) -> *mut c_void {
        ptr::without_provenance_mut(self.key)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        // Dropped when the table is unlocked again.
        let value = table().entries.remove(&self.key);
        drop(value);
    }
}

/// What `get` takes out of the value behind `opaque`, if it is still there. The
/// table is locked meanwhile.
pub(super) fn look_up<T: Any, R>(opaque: *mut c_void, get: impl FnOnce(&T) -> R) -> Option<R> {
    let table = table();
    table.entries.get(&opaque.addr())?.downcast_ref().map(get)
}

/// Takes the value behind `opaque` out, if it is still there.
pub(super) fn take(opaque: *mut c_void) -> Option<impl Send> {
    table().entries.remove(&opaque.addr())
}
