#![allow(
    unsafe_code,
    reason = "passes Rust callbacks through C and takes them back"
)]

use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use virt_event::{
    Error, EventImpl, HandleCallback, HandleEvents, Period, Rejected, TimeoutCallback, TimerId,
    WatchId,
};

use crate::last_error::{initialize, last_error};
use crate::probe::{self, Registered};
use crate::sys;
use crate::trampolines::{entry, while_deciding};

/// Whatever event loop is registered with libvirt, through libvirt's public C
/// functions.
///
/// It may be libvirt's default loop, that of another binding, or the one that
/// was installed from here. Its behaviour is that loop's: where the contract
/// of [`EventImpl`] and that loop differ, the loop wins, except as follows.
///
/// - An id below 1 is refused: the entry is removed again and the callback
///   comes back.
/// - A callback that panics, or whose drop does, is reported by the panic
///   hook; the panic goes no further, because C is waiting for the return.
///   The callback stays registered.
/// - A callback is not entered again while it runs, even if the loop tries.
///
/// ```no_run
/// use virt_event_libvirt::LibvirtImpl;
///
/// let events = LibvirtImpl::registered().expect("this program has no event loop");
/// # let _ = events;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct LibvirtImpl(());

impl LibvirtImpl {
    /// Access to the registered loop, or `None` if libvirt has none.
    ///
    /// Where two loops were registered at once and each got a part of the six
    /// functions, it is told by who adds timeouts: `None` if that is a failed
    /// [`install`](crate::install) of ours, which refuses them.
    ///
    /// A loop stays registered as long as the process lives.
    pub fn registered() -> Option<Self> {
        initialize().ok()?;
        let decided: Result<_, virt_event::Error> =
            virt_event::register_foreign_with(|| Ok(while_deciding(probe::registered)));
        let is_registered = match decided {
            // Ours, with nothing installed, refuse everything.
            Ok(registered) => registered == Registered::Foreign,
            // Installed; but perhaps in another way than with `install`.
            Err(_) => probe::registered() != Registered::Nobody,
        };
        is_registered.then_some(Self(()))
    }

    pub(crate) fn over_a_registered_loop() -> Self {
        Self(())
    }
}

impl EventImpl for LibvirtImpl {
    /// # Errors
    ///
    /// - [`Error::Descriptor`] if `fd` is not an open descriptor and the loop
    ///   refused it. libvirt's default loop refuses none.
    /// - [`Error::Other`] with libvirt's words for any other refusal.
    fn add_handle(
        &self,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        let shared = Shared::new(callback);
        sys::virResetLastError();
        // SAFETY: the two functions expect this pointer, and `free` gets it
        // once, after the last call.
        let id = unsafe {
            sys::virEventAddHandle(
                fd,
                events.to_raw(),
                Some(on_handle),
                shared.cast(),
                Some(free::<HandleCallback>),
            )
        };
        if let Some(watch) = WatchId::new(id) {
            return Ok(watch);
        }
        let error = match closed(fd) {
            Some(source) if id < 0 => Error::Descriptor { fd, source },
            _ => refusal(id),
        };
        // SAFETY: the loop answered `id` to an add with this pointer.
        let callback = unsafe { take_back(shared, id, sys::virEventRemoveHandle) };
        Err(Rejected::new(error, callback))
    }

    fn update_handle(&self, watch: WatchId, events: HandleEvents) {
        sys::virEventUpdateHandle(watch.get(), events.to_raw());
    }

    fn remove_handle(&self, watch: WatchId) -> Result<(), Error> {
        match sys::virEventRemoveHandle(watch.get()) {
            0.. => Ok(()),
            _ => Err(Error::UnknownWatch(watch)),
        }
    }

    /// # Errors
    ///
    /// - [`Error::Other`] with libvirt's words.
    fn add_timeout(
        &self,
        period: Period,
        callback: TimeoutCallback,
    ) -> Result<TimerId, Rejected<TimeoutCallback>> {
        let shared = Shared::new(callback);
        sys::virResetLastError();
        // SAFETY: the two functions expect this pointer, and `free` gets it
        // once, after the last call.
        let id = unsafe {
            sys::virEventAddTimeout(
                period.to_raw(),
                Some(on_timeout),
                shared.cast(),
                Some(free::<TimeoutCallback>),
            )
        };
        if let Some(timer) = TimerId::new(id) {
            return Ok(timer);
        }
        let error = refusal(id);
        // SAFETY: the loop answered `id` to an add with this pointer.
        let callback = unsafe { take_back(shared, id, sys::virEventRemoveTimeout) };
        Err(Rejected::new(error, callback))
    }

    fn update_timeout(&self, timer: TimerId, period: Period) {
        sys::virEventUpdateTimeout(timer.get(), period.to_raw());
    }

    fn remove_timeout(&self, timer: TimerId) -> Result<(), Error> {
        match sys::virEventRemoveTimeout(timer.get()) {
            0.. => Ok(()),
            _ => Err(Error::UnknownTimer(timer)),
        }
    }
}

/// What the loop holds as `opaque`: the callback, and who uses it.
struct Shared<C> {
    /// Set by whoever uses `callback`: a call, until it returns, or
    /// [`take_back`], for ever.
    claimed: AtomicBool,
    /// Touched only by whoever set `claimed`, and by the drop. Empty once it
    /// was taken back.
    callback: UnsafeCell<Option<C>>,
}

impl<C> Shared<C> {
    fn new(callback: C) -> *mut Self {
        Box::into_raw(Box::new(Self {
            claimed: AtomicBool::new(false),
            callback: UnsafeCell::new(Some(callback)),
        }))
    }

    /// The callback, for one user at a time; `None` while there is another.
    fn claim(&self) -> Option<Claim<'_, C>> {
        let claimed = self.claimed.swap(true, Ordering::Acquire);
        (!claimed).then_some(Claim(self))
    }
}

struct Claim<'a, C>(&'a Shared<C>);

impl<C> Claim<'_, C> {
    fn callback(&mut self) -> &mut Option<C> {
        // SAFETY: one claim exists at a time, and it is borrowed for as long
        // as what is returned.
        unsafe { &mut *self.0.callback.get() }
    }
}

impl<C> Drop for Claim<'_, C> {
    fn drop(&mut self) {
        self.0.claimed.store(false, Ordering::Release);
    }
}

unsafe extern "C" fn on_handle(watch: c_int, fd: c_int, events: c_int, opaque: *mut c_void) {
    entry((), || {
        // SAFETY: the loop passes what was added, which is not freed yet.
        let shared = unsafe { &*opaque.cast::<Shared<HandleCallback>>() };
        let Some(mut claim) = shared.claim() else {
            return;
        };
        if let (Some(callback), Some(watch)) = (claim.callback(), WatchId::new(watch)) {
            callback.call(watch, fd, HandleEvents::from_raw(events));
        }
    });
}

unsafe extern "C" fn on_timeout(timer: c_int, opaque: *mut c_void) {
    entry((), || {
        // SAFETY: the loop passes what was added, which is not freed yet.
        let shared = unsafe { &*opaque.cast::<Shared<TimeoutCallback>>() };
        let Some(mut claim) = shared.claim() else {
            return;
        };
        if let (Some(callback), Some(timer)) = (claim.callback(), TimerId::new(timer)) {
            callback.call(timer);
        }
    });
}

/// The `virFreeCallback` of both.
unsafe extern "C" fn free<C>(opaque: *mut c_void) {
    entry((), || {
        // SAFETY: the loop frees what was added, once, after its last call.
        let shared = unsafe { Box::from_raw(opaque.cast::<Shared<C>>()) };
        drop(shared);
    });
}

/// The callback of an add that was answered with `id`, which is below 1.
///
/// # Safety
///
/// - `shared` is of [`Shared::new`], and was given to the add that was
///   answered with `id`, and which `remove` undoes.
unsafe fn take_back<C>(
    shared: *mut Shared<C>,
    id: c_int,
    remove: extern "C" fn(c_int) -> c_int,
) -> C {
    if id < 0 {
        // SAFETY: a loop that refuses an add leaves `opaque` to the caller.
        let shared = unsafe { Box::from_raw(shared) };
        return shared
            .callback
            .into_inner()
            .expect("nobody but this function empties it");
    }
    // The loop owns the box and frees it some time after the removal, so only
    // its content can be taken back, and before that. A call may be running on
    // the loop's thread; it cannot wait for this thread, which has told nobody
    // of the callback.
    let callback = loop {
        // SAFETY: the loop frees it only after the removal below.
        let shared = unsafe { &*shared };
        if let Some(mut claim) = shared.claim() {
            break claim.callback().take();
        }
        thread::yield_now();
    };
    remove(id);
    callback.expect("nobody but this function empties it")
}

fn refusal(id: c_int) -> Error {
    let otherwise = if id < 0 {
        "the registered event loop refused it and gave no reason"
    } else {
        "the registered event loop gave out the id 0, which libvirt takes for none"
    };
    Error::Other(match last_error() {
        Some(error) => error.into(),
        None => otherwise.into(),
    })
}

/// Why `fd` cannot be watched, if it is not an open descriptor.
fn closed(fd: RawFd) -> Option<io::Error> {
    const F_GETFD: c_int = 1;
    // SAFETY: this command takes no further argument and changes nothing.
    let flags = unsafe { sys::fcntl(fd, F_GETFD) };
    (flags < 0).then(io::Error::last_os_error)
}
