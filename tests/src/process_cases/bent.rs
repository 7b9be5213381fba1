//! A C boundary that is broken in one way: libvirt gets functions that stand
//! before the right ones and distort what passes.

#![allow(unsafe_code, reason = "functions of libvirt's types")]

use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::ptr;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, ThreadId};

use virt::sys;
use virt_event::{
    EventImpl, HandleCallback, HandleEvents, Period, Rejected, TimeoutCallback, TimerId, WatchId,
};
use virt_event_libvirt::InstallError;

use super::interpose::{self, Six};
use super::{Installer, Real, TestLoop};

/// One thing that is wrong with the functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// While the registration is being decided they refuse.
    DoesNotWait,
    /// No panic is caught, and something is taken to be installed.
    Unguarded,
    /// Panics are caught, but dropping a callback frees it whatever happened.
    FreesWhatIsRefused,
    /// Ids are counted from 0.
    CountsFromZero,
    /// A removal answers with the id.
    RemovalsAnswerWithTheId,
    /// A stale id becomes the first one.
    ClampsIds,
    /// Events are passed on as they are, whatever is asked for.
    AsksForEverything,
    /// Negative periods become 0.
    NothingIsDisabled,
    /// Callbacks get their arguments in another order.
    MixesUpArguments,
    /// A null callback is replaced by one that does nothing.
    AcceptsNullCallbacks,
    /// A null free is called. (It ends the process, as a call of null does.)
    CallsNullFrees,
    /// A null `opaque` is refused.
    RefusesNullOpaque,
    /// Nothing is freed.
    ForgetsToFree,
}

/// The installer of functions with a fault.
pub(super) struct Bent(pub(super) Fault);

impl Installer for Bent {
    fn install(
        &self,
        implementation: Arc<TestLoop>,
    ) -> Result<(), Rejected<Arc<TestLoop>, InstallError>> {
        let fault = self.0;
        interpose::bend_registration(move |right| {
            RIGHT.get_or_init(|| Right { six: right, fault });
            Six {
                add_handle: Some(add_handle),
                update_handle: Some(update_handle),
                remove_handle: Some(remove_handle),
                add_timeout: Some(add_timeout),
                update_timeout: Some(update_timeout),
                remove_timeout: Some(remove_timeout),
            }
        });
        // The checks of the installation itself find right functions.
        *INSTALLING.lock().expect("never poisoned") = Some(thread::current().id());
        let answer = Real.install(implementation);
        *INSTALLING.lock().expect("never poisoned") = None;
        answer
    }
}

struct Right {
    six: Six,
    fault: Fault,
}

static RIGHT: OnceLock<Right> = OnceLock::new();

static INSTALLING: Mutex<Option<ThreadId>> = Mutex::new(None);

/// The right functions, and the fault if it counts for this call.
fn right() -> (&'static Six, Option<Fault>) {
    let Right { six, fault } = RIGHT.get().expect("set before these functions are known");
    let installing = *INSTALLING.lock().expect("never poisoned");
    if installing == Some(thread::current().id()) {
        (six, None)
    } else {
        (six, Some(*fault))
    }
}

fn installed() -> &'static dyn EventImpl {
    virt_event::installed().expect("a loop is installed")
}

/// As libvirt's callbacks are freed where nobody thinks of refusals.
struct Naive<F> {
    cb: F,
    opaque: *mut c_void,
    ff: sys::virFreeCallback,
}

// SAFETY: as libvirt does.
unsafe impl<F: Send> Send for Naive<F> {}

impl<F> Drop for Naive<F> {
    fn drop(&mut self) {
        if let Some(ff) = self.ff {
            // SAFETY: none; it may be freed twice. The cases' `opaque` bears it.
            unsafe { ff(self.opaque) }
        }
    }
}

fn naive_handle(
    cb: sys::virEventHandleCallback,
    opaque: *mut c_void,
    ff: sys::virFreeCallback,
) -> HandleCallback {
    HandleCallback::with_state(Naive { cb, opaque, ff }, |naive, watch, fd, events| {
        // SAFETY: none; it may be freed. The cases' `opaque` bears it.
        unsafe { naive.cb.expect("not null")(watch.get(), fd, events.to_raw(), naive.opaque) }
    })
}

fn naive_timeout(
    cb: sys::virEventTimeoutCallback,
    opaque: *mut c_void,
    ff: sys::virFreeCallback,
) -> TimeoutCallback {
    TimeoutCallback::with_state(Naive { cb, opaque, ff }, |naive, timer| {
        // SAFETY: none; it may be freed. The cases' `opaque` bears it.
        unsafe { naive.cb.expect("not null")(timer.get(), naive.opaque) }
    })
}

static MIXED_HANDLE: Mutex<sys::virEventHandleCallback> = Mutex::new(None);
static MIXED_TIMEOUT: Mutex<sys::virEventTimeoutCallback> = Mutex::new(None);

unsafe extern "C" fn mixed_handle(watch: c_int, fd: c_int, events: c_int, opaque: *mut c_void) {
    let cb = *MIXED_HANDLE.lock().expect("never poisoned");
    // SAFETY: the callback that was added, which bears any numbers.
    unsafe { cb.expect("set by the add")(events, watch, fd, opaque) }
}

unsafe extern "C" fn mixed_timeout(timer: c_int, opaque: *mut c_void) {
    let cb = *MIXED_TIMEOUT.lock().expect("never poisoned");
    // SAFETY: the callback that was added, which bears any number.
    unsafe { cb.expect("set by the add")(timer + 1, opaque) }
}

extern "C" fn no_handle(_: c_int, _: c_int, _: c_int, _: *mut c_void) {}

extern "C" fn no_timeout(_: c_int, _: *mut c_void) {}

extern "C" fn null_free(_: *mut c_void) {
    process::abort()
}

unsafe extern "C" fn add_handle(
    fd: c_int,
    mut events: c_int,
    mut cb: sys::virEventHandleCallback,
    opaque: *mut c_void,
    mut ff: sys::virFreeCallback,
) -> c_int {
    let (six, fault) = right();
    let mut offset = 0;
    match fault {
        Some(Fault::DoesNotWait) if virt_event::installed().is_none() => return -1,
        Some(Fault::Unguarded) => {
            let callback = naive_handle(cb, opaque, None);
            let answer = installed().add_handle(fd, HandleEvents::from_raw(events), callback);
            return answer.map_or(-1, WatchId::get);
        }
        Some(Fault::FreesWhatIsRefused) => {
            let callback = naive_handle(cb, opaque, ff);
            let events = HandleEvents::from_raw(events);
            let add = || installed().add_handle(fd, events, callback).ok();
            let answer = catch_unwind(AssertUnwindSafe(add));
            return answer.ok().flatten().map_or(-1, WatchId::get);
        }
        Some(Fault::CountsFromZero) => offset = -1,
        Some(Fault::AsksForEverything) => events = -1,
        Some(Fault::MixesUpArguments) => {
            *MIXED_HANDLE.lock().expect("never poisoned") = cb;
            cb = Some(mixed_handle);
        }
        Some(Fault::AcceptsNullCallbacks) => cb = cb.or(Some(no_handle)),
        Some(Fault::CallsNullFrees) => ff = ff.or(Some(null_free)),
        Some(Fault::RefusesNullOpaque) if opaque.is_null() => return -1,
        Some(Fault::ForgetsToFree) => ff = None,
        _ => {}
    }
    let right = six.add_handle.expect("not null");
    // SAFETY: the arguments are the caller's, or as good as those.
    let id = unsafe { right(fd, events, cb, opaque, ff) };
    id + offset
}

unsafe extern "C" fn add_timeout(
    mut millis: c_int,
    mut cb: sys::virEventTimeoutCallback,
    opaque: *mut c_void,
    mut ff: sys::virFreeCallback,
) -> c_int {
    let (six, fault) = right();
    let mut offset = 0;
    match fault {
        Some(Fault::DoesNotWait) if virt_event::installed().is_none() => return -1,
        Some(Fault::Unguarded) => {
            let callback = naive_timeout(cb, opaque, None);
            let answer = installed().add_timeout(Period::from_raw(millis), callback);
            return answer.map_or(-1, TimerId::get);
        }
        Some(Fault::FreesWhatIsRefused) => {
            let callback = naive_timeout(cb, opaque, ff);
            let period = Period::from_raw(millis);
            let add = || installed().add_timeout(period, callback).ok();
            let answer = catch_unwind(AssertUnwindSafe(add));
            return answer.ok().flatten().map_or(-1, TimerId::get);
        }
        Some(Fault::CountsFromZero) => offset = -1,
        Some(Fault::NothingIsDisabled) => millis = millis.max(0),
        Some(Fault::MixesUpArguments) => {
            *MIXED_TIMEOUT.lock().expect("never poisoned") = cb;
            cb = Some(mixed_timeout);
        }
        Some(Fault::AcceptsNullCallbacks) => cb = cb.or(Some(no_timeout)),
        Some(Fault::CallsNullFrees) => ff = ff.or(Some(null_free)),
        Some(Fault::RefusesNullOpaque) if ptr::eq(opaque, ptr::null()) => return -1,
        Some(Fault::ForgetsToFree) => ff = None,
        _ => {}
    }
    let right = six.add_timeout.expect("not null");
    // SAFETY: the arguments are the caller's, or as good as those.
    let id = unsafe { right(millis, cb, opaque, ff) };
    id + offset
}

unsafe extern "C" fn update_handle(mut watch: c_int, mut events: c_int) {
    let (six, fault) = right();
    match fault {
        Some(Fault::Unguarded) => {
            let watch = WatchId::new(watch).expect("an id");
            return installed().update_handle(watch, HandleEvents::from_raw(events));
        }
        Some(Fault::ClampsIds) => watch = watch.max(1),
        Some(Fault::AsksForEverything) => events = -1,
        _ => {}
    }
    let right = six.update_handle.expect("not null");
    // SAFETY: numbers only.
    unsafe { right(watch, events) }
}

unsafe extern "C" fn update_timeout(mut timer: c_int, mut millis: c_int) {
    let (six, fault) = right();
    match fault {
        Some(Fault::Unguarded) => {
            let timer = TimerId::new(timer).expect("an id");
            return installed().update_timeout(timer, Period::from_raw(millis));
        }
        Some(Fault::ClampsIds) => timer = timer.max(1),
        Some(Fault::NothingIsDisabled) => millis = millis.max(0),
        _ => {}
    }
    let right = six.update_timeout.expect("not null");
    // SAFETY: numbers only.
    unsafe { right(timer, millis) }
}

unsafe extern "C" fn remove_handle(mut watch: c_int) -> c_int {
    let (six, fault) = right();
    match fault {
        Some(Fault::Unguarded) => {
            let watch = WatchId::new(watch).expect("an id");
            return installed().remove_handle(watch).map_or(-1, |()| 0);
        }
        Some(Fault::ClampsIds) => watch = watch.max(1),
        _ => {}
    }
    let right = six.remove_handle.expect("not null");
    // SAFETY: numbers only.
    let answer = unsafe { right(watch) };
    removal(fault, answer, watch)
}

unsafe extern "C" fn remove_timeout(mut timer: c_int) -> c_int {
    let (six, fault) = right();
    match fault {
        Some(Fault::Unguarded) => {
            let timer = TimerId::new(timer).expect("an id");
            return installed().remove_timeout(timer).map_or(-1, |()| 0);
        }
        Some(Fault::ClampsIds) => timer = timer.max(1),
        _ => {}
    }
    let right = six.remove_timeout.expect("not null");
    // SAFETY: numbers only.
    let answer = unsafe { right(timer) };
    removal(fault, answer, timer)
}

fn removal(fault: Option<Fault>, answer: c_int, id: c_int) -> c_int {
    match fault {
        Some(Fault::RemovalsAnswerWithTheId) if answer == 0 => id,
        _ => answer,
    }
}
