//! Waking a thread from a callback, without anything that wakes the loop.

use std::hint;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

use virt_event_conformance::fixtures::patience;

/// Counts, and is waited for.
#[derive(Default)]
pub(super) struct Bell {
    rung: AtomicU64,
    /// Whether somebody sleeps.
    waiting: Mutex<bool>,
    changed: Condvar,
}

/// How often one looks before one sleeps: an answer takes microseconds where
/// there is a processor for each.
const LOOKS: u32 = 200;

impl Bell {
    pub(super) fn ring(&self) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        self.rung.fetch_add(1, Ordering::Release);
        if *waiting {
            self.changed.notify_all();
        }
    }

    pub(super) fn rung(&self) -> u64 {
        self.rung.load(Ordering::Acquire)
    }

    /// Waits until it has rung `count` times.
    ///
    /// # Panics
    ///
    /// - If that takes longer than the case's patience, naming `what` is
    ///   missing.
    pub(super) fn wait_for(&self, count: u64, what: &str) {
        for _ in 0..LOOKS {
            if self.rung() >= count {
                return;
            }
            hint::spin_loop();
        }
        let began = Instant::now();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while self.rung() < count {
            let left = patience().saturating_sub(began.elapsed());
            // Who panics here poisons it, which must not hide the message.
            assert!(
                !left.is_zero(),
                "waited in vain for {what} number {count}: there were {}",
                self.rung()
            );
            *waiting = true;
            (waiting, _) = self
                .changed
                .wait_timeout(waiting, left)
                .unwrap_or_else(PoisonError::into_inner);
            *waiting = false;
        }
    }
}
