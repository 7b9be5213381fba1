//! The callback of a data stream.

#![expect(unsafe_code, reason = "calls libvirt through virt::sys")]

use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use virt::error::Error;
use virt::stream::Stream;
use virt::sys;

use super::guarded;

/// Is told what a stream is ready for, on the loop.
pub(crate) trait OnStreamEvents: Send + Sync {
    fn stream_events(&self, events: i32);
}

/// Who hears of each stream that is watched. `opaque` is a key into this, and
/// there is nothing that libvirt should free: its remote driver (9.0) never
/// calls the free function of a stream, while the others do.
static LISTENERS: Mutex<Listeners> = Mutex::new(Listeners {
    by_key: BTreeMap::new(),
    last_key: 0,
});

struct Listeners {
    by_key: BTreeMap<usize, Arc<dyn OnStreamEvents>>,
    last_key: usize,
}

fn listeners() -> MutexGuard<'static, Listeners> {
    LISTENERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A listener's place. Nothing is told to it when this has been dropped.
#[derive(Debug)]
pub(crate) struct StreamListening {
    key: usize,
}

impl StreamListening {
    fn new(listener: Arc<dyn OnStreamEvents>) -> Self {
        let mut listeners = listeners();
        listeners.last_key += 1;
        let key = listeners.last_key;
        listeners.by_key.insert(key, listener);
        Self { key }
    }
}

impl Drop for StreamListening {
    fn drop(&mut self) {
        let listener = listeners().by_key.remove(&self.key);
        drop(listener);
    }
}

/// Asks libvirt to call `listener` whenever the stream is ready for one of
/// `events`. `Stream::event_remove_callback` takes that back.
pub(crate) fn add_stream_callback(
    stream: &Stream,
    events: i32,
    listener: Arc<dyn OnStreamEvents>,
) -> Result<StreamListening, Error> {
    let listening = StreamListening::new(listener);
    let opaque = ptr::without_provenance_mut::<c_void>(listening.key);
    // SAFETY: used in the next call only, while the stream is borrowed.
    let raw = unsafe { stream.as_ptr() };
    // SAFETY: a live stream; `ready` does not follow `opaque`.
    let added = unsafe { sys::virStreamEventAddCallback(raw, events, Some(ready), opaque, None) };
    if added < 0 {
        return Err(Error::last_error());
    }
    Ok(listening)
}

unsafe extern "C" fn ready(_stream: sys::virStreamPtr, events: c_int, opaque: *mut c_void) {
    guarded(|| {
        let listener = listeners().by_key.get(&opaque.addr()).cloned();
        if let Some(listener) = listener {
            listener.stream_events(events);
        }
    });
}
