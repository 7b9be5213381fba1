//! Faults that only many threads bring out (X2).

use std::collections::HashMap;
use std::mem;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use virt_event::{Error, EventImpl, HandleCallback, HandleEvents, Rejected, TimerId, WatchId};

use crate::mutants::Fault;

/// Forgets to free one removed callback in a hundred.
pub(super) struct Leaking(Arc<AtomicUsize>);

impl Leaking {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }
}

impl Fault for Leaking {
    fn add_handle(
        &self,
        inner: &Arc<dyn EventImpl>,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        let leaky = Leaky {
            callback: Some(callback),
            frees: Arc::clone(&self.0),
        };
        let callback = HandleCallback::with_state(leaky, |leaky, watch, fd, events| {
            if let Some(callback) = &mut leaky.callback {
                callback.call(watch, fd, events);
            }
        });
        inner.add_handle(fd, events, callback)
    }
}

struct Leaky {
    callback: Option<HandleCallback>,
    frees: Arc<AtomicUsize>,
}

impl Drop for Leaky {
    fn drop(&mut self) {
        if self.frees.fetch_add(1, Ordering::Relaxed) % 100 == 99 {
            mem::forget(self.callback.take());
        }
    }
}

/// Removing an unknown id succeeds.
pub(super) struct EveryRemovalSucceeds;

impl Fault for EveryRemovalSucceeds {
    fn remove_handle(&self, inner: &Arc<dyn EventImpl>, watch: WatchId) -> Result<(), Error> {
        // The fault: the answer is not looked at.
        let _ = inner.remove_handle(watch);
        Ok(())
    }

    fn remove_timeout(&self, inner: &Arc<dyn EventImpl>, timer: TimerId) -> Result<(), Error> {
        let _ = inner.remove_timeout(timer);
        Ok(())
    }
}

/// The remover frees, unless the callback runs.
pub(super) struct FreesInPlace(Mutex<HashMap<WatchId, Shared>>);

type Shared = Arc<Mutex<Option<HandleCallback>>>;

impl FreesInPlace {
    pub(super) fn new() -> Self {
        Self(Mutex::default())
    }
}

impl Fault for FreesInPlace {
    fn add_handle(
        &self,
        inner: &Arc<dyn EventImpl>,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        let shared: Shared = Arc::new(Mutex::new(Some(callback)));
        let called = Arc::clone(&shared);
        let callback = HandleCallback::new(move |watch, fd, events| {
            let mut callback = called.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(callback) = &mut *callback {
                callback.call(watch, fd, events);
            }
        });
        let watch = inner.add_handle(fd, events, callback)?;
        let mut callbacks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        callbacks.insert(watch, shared);
        Ok(watch)
    }

    fn remove_handle(&self, inner: &Arc<dyn EventImpl>, watch: WatchId) -> Result<(), Error> {
        inner.remove_handle(watch)?;
        let mut callbacks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = callbacks.remove(&watch);
        drop(callbacks);
        if let Some(Ok(mut callback)) = shared.as_deref().map(Mutex::try_lock) {
            drop(callback.take());
        }
        Ok(())
    }
}
