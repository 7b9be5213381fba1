//! A C callback as the state of a Rust one: `(cb, opaque, ff)`.
//!
//! `ff(opaque)` runs when the state is dropped, with one exception. When an
//! add returns −1, libvirt frees `opaque` itself (contract C6), so a callback
//! whose add fails must not. It comes back in the error of a well-behaved
//! implementation, wrapped in others perhaps; but an implementation that
//! panics drops it while it unwinds, or has it in its table already. So each
//! callback has a number, each thread knows the number that it is adding, and
//!
//! - a callback that is dropped on the thread that is adding it was refused;
//! - a callback that outlives an add that failed is *disowned*: it is neither
//!   called nor freed again.

#![allow(unsafe_code, reason = "calls the functions that libvirt gave")]

use std::cell::Cell;
use std::collections::BTreeSet;
use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::sys::FreeFn;

/// `virEventHandleCallback` without the null.
pub(crate) type HandleFn = unsafe extern "C" fn(c_int, c_int, c_int, *mut c_void);

/// `virEventTimeoutCallback` without the null.
pub(crate) type TimeoutFn = unsafe extern "C" fn(c_int, *mut c_void);

/// What libvirt passed to an add. `F` is the type of `cb`.
pub(crate) struct ForeignCallback<F> {
    cb: F,
    opaque: *mut c_void,
    ff: FreeFn,
    number: u64,
}

// SAFETY: libvirt adds from any thread what it expects to be called and freed
// on the loop's thread; `opaque` is its own to synchronise.
unsafe impl<F: Send> Send for ForeignCallback<F> {}

impl<F> ForeignCallback<F> {
    /// # Safety
    ///
    /// - `cb`, a pointer to a function of libvirt's, may be called with
    ///   `opaque` on any thread until `ff` has been.
    /// - `ff` may be called once with `opaque`, on any thread, after that.
    pub(crate) unsafe fn new(cb: F, opaque: *mut c_void, ff: FreeFn) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            cb,
            opaque,
            ff,
            number: NEXT.fetch_add(1, Ordering::Relaxed),
        }
    }
}

impl ForeignCallback<HandleFn> {
    pub(crate) fn call(&mut self, watch: c_int, fd: c_int, events: c_int) {
        if !is_disowned(self.number) {
            // SAFETY: promised to `new`; `ff` is called by the drop only.
            unsafe { (self.cb)(watch, fd, events, self.opaque) }
        }
    }
}

impl ForeignCallback<TimeoutFn> {
    pub(crate) fn call(&mut self, timer: c_int) {
        if !is_disowned(self.number) {
            // SAFETY: promised to `new`; `ff` is called by the drop only.
            unsafe { (self.cb)(timer, self.opaque) }
        }
    }
}

impl<F> Drop for ForeignCallback<F> {
    fn drop(&mut self) {
        if ADDING.get() == self.number {
            ADDING.set(0);
            return;
        }
        if is_disowned(self.number) {
            return;
        }
        if let Some(ff) = self.ff {
            // SAFETY: promised to `new`; a drop happens once.
            unsafe { ff(self.opaque) }
        }
    }
}

thread_local! {
    /// The number of the callback that this thread is adding; 0 when there is
    /// none, or when it has been dropped.
    static ADDING: Cell<u64> = const { Cell::new(0) };
}

/// Marks a callback as being added by this thread, from its making until the
/// implementation's answer.
pub(crate) struct Adding {
    number: u64,
    /// What this thread was adding before, if the implementation adds from
    /// within an add.
    outer: u64,
}

impl Adding {
    pub(crate) fn begin<F>(callback: &ForeignCallback<F>) -> Self {
        Self {
            number: callback.number,
            outer: ADDING.replace(callback.number),
        }
    }

    /// The implementation took it: from now on its drop frees.
    pub(crate) fn taken(self) {
        ADDING.set(0);
    }
}

/// The add failed, if this was not [`taken`](Adding::taken).
impl Drop for Adding {
    fn drop(&mut self) {
        if ADDING.replace(self.outer) == self.number {
            disown(self.number);
        }
    }
}

/// The numbers of callbacks that their implementation kept although their add
/// failed. An implementation that does so is broken; this keeps it from
/// touching memory that libvirt has freed.
static DISOWNED: Mutex<BTreeSet<u64>> = Mutex::new(BTreeSet::new());

/// Whether there are any, so that a call need not take the lock.
static ANY_DISOWNED: AtomicBool = AtomicBool::new(false);

fn disown(number: u64) {
    let mut disowned = DISOWNED.lock().unwrap_or_else(PoisonError::into_inner);
    disowned.insert(number);
    ANY_DISOWNED.store(true, Ordering::Release);
}

fn is_disowned(number: u64) -> bool {
    ANY_DISOWNED.load(Ordering::Acquire)
        && DISOWNED
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&number)
}
