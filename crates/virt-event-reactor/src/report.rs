use std::mem;
use std::os::fd::RawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use virt_event::{TimerId, WatchId};

use crate::handles::Refused;

/// Something to tell the operator. Made under the lock, emitted after it:
/// a `tracing` subscriber is foreign code.
#[must_use = "a report tells nobody anything until it is emitted"]
#[derive(Debug)]
pub(crate) enum Report {
    /// The loop does not run although there is work (contract R5).
    Stalled {
        watches: usize,
        timers: usize,
        threshold: Duration,
    },
    /// A watch's callback was slow (contract L4).
    SlowHandle {
        watch: WatchId,
        fd: RawFd,
        took: Duration,
    },
    /// A timer's callback was slow (contract L4).
    SlowTimeout { timer: TimerId, took: Duration },
    /// A descriptor was refused (contract H7).
    Unwatchable {
        fd: RawFd,
        /// The error, in words.
        reason: String,
    },
    /// The kernel refused a change, which it has no reason to (contract H10).
    Refused(Refused),
    /// The kernel keeps reporting a descriptor that was closed (contract H8).
    Duplicate { fd: RawFd },
}

impl Report {
    /// Tells whoever listens. A subscriber that panics has been reported by
    /// the panic hook; the caller has changed its state already, and must go
    /// on.
    pub(crate) fn emit(&self) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.say())) {
            // What it carries may panic, too.
            mem::forget(panic);
        }
    }

    fn say(&self) {
        match *self {
            Self::Stalled {
                watches,
                timers,
                threshold,
            } => tracing::warn!(
                watches,
                timers,
                "a libvirt event loop is installed, and work has been waiting on it for over \
                 {threshold:?}, but nobody runs it: connections get no events and do not answer \
                 keepalive probes, so libvirt will drop them; run the loop, or attach a driver"
            ),
            Self::SlowHandle { watch, fd, took } => tracing::warn!(
                watch = watch.get(),
                fd,
                ?took,
                "a callback of the libvirt event loop was slow; while it runs, keepalive probes \
                 go unanswered on every connection: move the work to another thread"
            ),
            Self::SlowTimeout { timer, took } => tracing::warn!(
                timer = timer.get(),
                ?took,
                "a callback of the libvirt event loop was slow; while it runs, keepalive probes \
                 go unanswered on every connection: move the work to another thread"
            ),
            // libvirt swallows this, and opens a connection without events.
            Self::Unwatchable { fd, ref reason } => tracing::error!(
                fd,
                error = reason,
                "a file descriptor was refused by the libvirt event loop"
            ),
            Self::Refused(Refused { fd, error }) => tracing::error!(
                fd,
                %error,
                "the kernel refused to change what a descriptor is watched for: it is still \
                 watched for what it was before"
            ),
            Self::Duplicate { fd } => tracing::warn!(
                fd,
                "a descriptor was closed while it was watched, and a duplicate of it is still \
                 open: the kernel goes on reporting it, which keeps the loop busy until the \
                 duplicate is closed; remove a watch before closing its descriptor"
            ),
        }
    }
}
