//! A C callback as the state of a Rust one: `(cb, opaque, ff)`.
//!
//! `ff(opaque)` runs when the state is dropped, unless its add fails: when an
//! add returns −1, libvirt frees `opaque` itself (contract C6). The callback
//! comes back in the error of a well-behaved implementation. Others drop it
//! while they panic, hand it to another thread that refuses it, or keep it. And
//! a right one may have called and freed it on the loop's thread before the
//! add returns on this one. So the callback and its add share the callback's
//! [fate](self::UNDECIDED), and whoever comes second does what is owed:
//!
//! - dropped before the answer: if the add fails nothing is owed; if it
//!   succeeds the loop frees it, through a timer of its own;
//! - kept although the add failed: it is neither called nor freed again.

#![allow(unsafe_code, reason = "calls the functions that libvirt gave")]

use std::ffi::{c_int, c_void};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use virt_event::{EventImpl, Period, TimeoutCallback};

use crate::sys::FreeFn;

/// `virEventHandleCallback` without the null.
pub(crate) type HandleFn = unsafe extern "C" fn(c_int, c_int, c_int, *mut c_void);

/// `virEventTimeoutCallback` without the null.
pub(crate) type TimeoutFn = unsafe extern "C" fn(c_int, *mut c_void);

/// What libvirt passed to an add. `F` is the type of `cb`.
pub(crate) struct ForeignCallback<F> {
    cb: F,
    free: Free,
    fate: Arc<AtomicU8>,
}

/// The add has not been answered, and the callback not been dropped.
const UNDECIDED: u8 = 0;
/// The add has succeeded: the drop frees.
const TAKEN: u8 = 1;
/// The add has failed: libvirt frees.
const REFUSED: u8 = 2;
/// Dropped before the add was answered: the add decides.
const DROPPED: u8 = 3;

/// `ff(opaque)`, to be called at most once.
#[derive(Clone, Copy)]
struct Free {
    ff: FreeFn,
    opaque: *mut c_void,
}

// SAFETY: libvirt adds from any thread what it expects to be called and freed
// on the loop's thread; `opaque` is its own to synchronise.
unsafe impl Send for Free {}

impl<F> ForeignCallback<F> {
    /// # Safety
    ///
    /// - `cb`, a pointer to a function of libvirt's, may be called with
    ///   `opaque` on any thread until `ff` has been.
    /// - `ff` may be called once with `opaque`, on any thread, after that.
    pub(crate) unsafe fn new(cb: F, opaque: *mut c_void, ff: FreeFn) -> Self {
        Self {
            cb,
            free: Free { ff, opaque },
            fate: Arc::new(AtomicU8::new(UNDECIDED)),
        }
    }

    fn is_refused(&self) -> bool {
        self.fate.load(Ordering::Acquire) == REFUSED
    }
}

impl ForeignCallback<HandleFn> {
    pub(crate) fn call(&mut self, watch: c_int, fd: c_int, events: c_int) {
        if !self.is_refused() {
            // SAFETY: promised to `new`; `ff` is called after the drop only.
            unsafe { (self.cb)(watch, fd, events, self.free.opaque) }
        }
    }
}

impl ForeignCallback<TimeoutFn> {
    pub(crate) fn call(&mut self, timer: c_int) {
        if !self.is_refused() {
            // SAFETY: promised to `new`; `ff` is called after the drop only.
            unsafe { (self.cb)(timer, self.free.opaque) }
        }
    }
}

impl<F> Drop for ForeignCallback<F> {
    fn drop(&mut self) {
        let fate =
            self.fate
                .compare_exchange(UNDECIDED, DROPPED, Ordering::AcqRel, Ordering::Acquire);
        if fate == Err(TAKEN) {
            self.free.run();
        }
    }
}

impl Free {
    fn run(self) {
        if let Some(ff) = self.ff {
            // SAFETY: promised to `ForeignCallback::new`. The fate leads here
            // once: from the drop if the add had succeeded before, otherwise
            // from the add.
            unsafe { ff(self.opaque) }
        }
    }
}

/// An add, from the making of its callback until the implementation's answer.
pub(crate) struct Adding {
    free: Free,
    fate: Arc<AtomicU8>,
}

impl Adding {
    pub(crate) fn begin<F>(callback: &ForeignCallback<F>) -> Self {
        Self {
            free: callback.free,
            fate: Arc::clone(&callback.fate),
        }
    }

    /// The implementation took it: from now on its drop frees. If it has been
    /// dropped already, by a loop that was quick to call and remove it, the
    /// loop frees it now: not this thread, which is inside an add.
    pub(crate) fn taken(self, implementation: &'static dyn EventImpl) {
        let fate =
            self.fate
                .compare_exchange(UNDECIDED, TAKEN, Ordering::AcqRel, Ordering::Acquire);
        if fate == Err(DROPPED) && self.free.ff.is_some() {
            free_on_the_loop(self.free, implementation);
        }
    }
}

/// The add failed, if this was not [`taken`](Adding::taken): that would have
/// left nothing undecided.
impl Drop for Adding {
    fn drop(&mut self) {
        let _ = self
            .fate
            .compare_exchange(UNDECIDED, REFUSED, Ordering::AcqRel, Ordering::Acquire);
    }
}

/// Frees when it is dropped, once its own add has succeeded.
struct Owed {
    free: Free,
    taken: Arc<AtomicBool>,
}

impl Drop for Owed {
    fn drop(&mut self) {
        if self.taken.load(Ordering::Acquire) {
            self.free.run();
        }
    }
}

/// Has the loop call `ff`, by freeing a timer that never fires.
///
/// One that fires at once would be gone before its add is answered, again and
/// again where the loop's thread is quick: it is woken inside that add.
///
/// If the implementation does not take it, or panics, the memory is leaked: on
/// this thread libvirt may hold locks that `ff` takes.
fn free_on_the_loop(free: Free, implementation: &'static dyn EventImpl) {
    let taken = Arc::new(AtomicBool::new(false));
    let owed = Owed {
        free,
        taken: Arc::clone(&taken),
    };
    let callback = TimeoutCallback::with_state(owed, |_, _| {});
    let add_and_remove = || {
        if let Ok(timer) = implementation.add_timeout(Period::DISABLED, callback) {
            taken.store(true, Ordering::Release);
            // It is there: nobody else knows it.
            let _ = implementation.remove_timeout(timer);
        }
    };
    if let Err(panic) = catch_unwind(AssertUnwindSafe(add_and_remove)) {
        mem::forget(panic);
    }
}
