//! The callback of a data stream.

#![expect(unsafe_code, reason = "calls libvirt through virt::sys")]

use std::ffi::{c_int, c_void};
use std::sync::Arc;

use virt::error::Error;
use virt::stream::Stream;
use virt::sys;

use super::guarded;
use super::table::{self, Entry};

/// Is told what a stream is ready for, on the loop.
pub(crate) trait OnStreamEvents: Send + Sync {
    fn stream_events(&self, events: i32);
}

/// What `opaque` stands for.
struct Listener(Arc<dyn OnStreamEvents>);

/// Asks libvirt to call `listener` whenever the stream is ready for one of
/// `events`. `Stream::event_remove_callback` takes that back, and the entry is
/// then to be dropped.
pub(crate) fn add_stream_callback(
    stream: &Stream,
    events: i32,
    listener: Arc<dyn OnStreamEvents>,
) -> Result<Entry, Error> {
    let entry = Entry::new(Listener(listener));
    // SAFETY: used in the next call only, while the stream is borrowed.
    let raw = unsafe { stream.as_ptr() };
    // SAFETY: a live stream; `ready` does not follow `opaque`.
    let added =
        unsafe { sys::virStreamEventAddCallback(raw, events, Some(ready), entry.opaque(), None) };
    if added < 0 {
        return Err(Error::last_error());
    }
    Ok(entry)
}

unsafe extern "C" fn ready(_stream: sys::virStreamPtr, events: c_int, opaque: *mut c_void) {
    guarded(|| {
        let listener = table::look_up(opaque, |Listener(listener)| Arc::clone(listener));
        if let Some(listener) = listener {
            listener.stream_events(events);
        }
    });
}
