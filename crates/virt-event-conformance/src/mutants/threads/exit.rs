//! A destructor that runs at the end of the process (X4).

use std::os::fd::RawFd;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use virt_event::{
    EventImpl, HandleCallback, HandleEvents, Period, Rejected, TimeoutCallback, TimerId, WatchId,
};

use crate::Subject;
use crate::mutants::Fault;

/// Set once a loop has begun to turn.
static AT_WORK: AtomicBool = AtomicBool::new(false);

thread_local! {
    static VISIT: Visit = const { Visit };
}

/// What a thread that has made a call leaves behind.
struct Visit;

impl Drop for Visit {
    fn drop(&mut self) {
        if AT_WORK.load(Ordering::Acquire) {
            process::abort();
        }
    }
}

/// Keeps a thread-local whose destructor does not expect the loop to be
/// running.
pub(super) struct Departing;

impl Fault for Departing {
    fn add_handle(
        &self,
        inner: &Arc<dyn EventImpl>,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        VISIT.with(|_| {});
        inner.add_handle(fd, events, callback)
    }

    fn add_timeout(
        &self,
        inner: &Arc<dyn EventImpl>,
        period: Period,
        callback: TimeoutCallback,
    ) -> Result<TimerId, Rejected<TimeoutCallback>> {
        VISIT.with(|_| {});
        inner.add_timeout(period, callback)
    }

    fn turn(&self, inner: &dyn Subject, timeout: Duration) {
        AT_WORK.store(true, Ordering::Release);
        inner.turn(timeout);
    }
}
