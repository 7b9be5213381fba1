//! The callback of a data stream.

#![expect(unsafe_code, reason = "calls libvirt through virt::sys")]

use std::ffi::{c_int, c_void};
use std::sync::Arc;

use virt::error::Error;
use virt::stream::Stream;
use virt::sys;

use super::guarded;

/// Is told what a stream is ready for, on the loop.
pub(crate) trait OnStreamEvents: Send + Sync {
    fn stream_events(&self, events: i32);
}

/// What `opaque` points to.
type Listener<T> = Arc<T>;

/// Asks libvirt to call `listener` whenever the stream is ready for one of
/// `events`. `Stream::event_remove_callback` takes that back.
pub(crate) fn add_stream_callback<T: OnStreamEvents + 'static>(
    stream: &Stream,
    events: i32,
    listener: Arc<T>,
) -> Result<(), Error> {
    let opaque = Box::into_raw(Box::new(listener)).cast::<c_void>();
    // SAFETY: used in the next call only, while the stream is borrowed.
    let raw = unsafe { stream.as_ptr() };
    // SAFETY: a live stream; `opaque` is what the two functions expect; libvirt
    // calls `free` once, after the last call, and not at all if it refuses.
    let added = unsafe {
        sys::virStreamEventAddCallback(raw, events, Some(ready::<T>), opaque, Some(free::<T>))
    };
    if added < 0 {
        let error = Error::last_error();
        // SAFETY: the box made above; libvirt has not taken it.
        drop(unsafe { Box::from_raw(opaque.cast::<Listener<T>>()) });
        return Err(error);
    }
    Ok(())
}

unsafe extern "C" fn ready<T: OnStreamEvents>(
    _stream: sys::virStreamPtr,
    events: c_int,
    opaque: *mut c_void,
) {
    guarded(|| {
        // SAFETY: the box made above, alive until `free`. The clone outlives a
        // removal of the callback inside of it.
        let listener = Arc::clone(unsafe { &*opaque.cast::<Listener<T>>() });
        listener.stream_events(events);
    });
}

/// libvirt holds locks while it calls this. The listener is only our own data:
/// its closure is dropped elsewhere.
unsafe extern "C" fn free<T: OnStreamEvents>(opaque: *mut c_void) {
    guarded(|| {
        // SAFETY: the box made above; libvirt calls this once, with no call
        // under way.
        drop(unsafe { Box::from_raw(opaque.cast::<Listener<T>>()) });
    });
}
