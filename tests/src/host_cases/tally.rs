//! Counting what callbacks own, and who frees it.

use std::mem;
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use virt_event::{HandleCallback, TimeoutCallback};

use super::bell::Bell;

/// Hands out what callbacks are to own, and notes who frees it.
#[derive(Clone, Default)]
pub(super) struct Tally(Arc<Shared>);

#[derive(Default)]
struct Shared {
    made: Mutex<u64>,
    /// How many of them [`Tally::wait_for_all`] has looked at.
    seen: Mutex<u64>,
    /// By whom, since [`Tally::wait_for_all`].
    freed: Mutex<Vec<ThreadId>>,
    bell: Bell,
}

/// Owned by a callback.
pub(super) struct Counted(Arc<Shared>);

impl Drop for Counted {
    fn drop(&mut self) {
        let mut freed = self.0.freed.lock().expect("no panic under it");
        freed.push(thread::current().id());
        drop(freed);
        self.0.bell.ring();
    }
}

impl Tally {
    pub(super) fn counted(&self) -> Counted {
        *self.0.made.lock().expect("no panic under it") += 1;
        Counted(Arc::clone(&self.0))
    }

    /// A callback that owns something of this tally.
    pub(super) fn handle(&self, mut call: impl FnMut() + Send + 'static) -> HandleCallback {
        HandleCallback::with_state(self.counted(), move |_, _, _, _| call())
    }

    /// A callback that owns something of this tally.
    pub(super) fn timeout(&self, mut call: impl FnMut() + Send + 'static) -> TimeoutCallback {
        TimeoutCallback::with_state(self.counted(), move |_, _| call())
    }

    /// How many were freed.
    pub(super) fn freed(&self) -> u64 {
        self.0.bell.rung()
    }

    pub(super) fn freed_by(&self, thread: ThreadId) -> usize {
        let freed = self.0.freed.lock().expect("no panic under it");
        freed.iter().filter(|freed| **freed == thread).count()
    }

    pub(super) fn wait_for_frees(&self, count: u64) {
        self.0.bell.wait_for(count, "the free");
    }

    /// Waits until all are freed, and looks that it was `threads` that did.
    pub(super) fn wait_for_all(&self, threads: &[ThreadId]) {
        let made = *self.0.made.lock().expect("no panic under it");
        self.wait_for_frees(made);
        let freed = mem::take(&mut *self.0.freed.lock().expect("no panic under it"));
        let seen = mem::replace(&mut *self.0.seen.lock().expect("no panic under it"), made);
        assert_eq!(freed.len() as u64, made - seen, "each is freed once");
        for thread in &freed {
            assert!(threads.contains(thread), "freed on {thread:?}");
        }
    }
}
