use std::fmt;
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use virt_event::{
    Error, EventImpl, HandleCallback, HandleEvents, Period, Rejected, TimeoutCallback, TimerId,
    WatchId,
};

use crate::handles::AddError;
use crate::report::Report;
use crate::state::{Removed, State};
use crate::sys::{self, Poller};
use crate::watchdog::Watchdog;
use crate::{Builder, Stats};

/// All watches and timers of one loop, behind one descriptor.
///
/// The six calls of [`EventImpl`] work from any thread at any time: they touch
/// kernel objects and one short-held lock, never a host loop. The descriptor
/// ([`AsFd`]) is readable whenever a [turn](crate::Attachment::turn) would do
/// something; whoever watches it and takes turns is the loop.
///
/// A reactor that was never installed frees every callback when it is
/// dropped, on the dropping thread. In a forked child nothing is freed.
pub struct Reactor {
    pub(crate) poller: Poller,
    pub(crate) state: Mutex<State>,
    /// Signalled when a thread ends its turn and others wait for that.
    pub(crate) turn_ended: Condvar,
    pub(crate) slow_callback: Duration,
    /// The process that may use it.
    generation: u32,
}

impl Reactor {
    /// A reactor with the usual settings.
    ///
    /// # Errors
    ///
    /// - The kernel's, if it has no more descriptors to give (four are
    ///   needed).
    pub fn new() -> io::Result<Arc<Self>> {
        Self::builder().build()
    }

    /// Settings for a reactor.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// The reactor that is installed in this process, if the installed
    /// implementation is one.
    pub fn installed() -> Option<Arc<Self>> {
        virt_event::installed_as()
    }

    pub(crate) fn with(settings: &Builder) -> io::Result<Self> {
        let poller = Poller::new()?;
        let watchdog = Watchdog::new(settings.stall_after);
        Ok(Self {
            poller,
            state: Mutex::new(State::new(settings.first_id, watchdog)),
            turn_ended: Condvar::new(),
            slow_callback: settings.slow_callback,
            generation: sys::fork_generation(),
        })
    }

    /// Ends the turn that sleeps, or the next one that would, from any
    /// thread. Takes no lock.
    pub fn wake(&self) {
        if !self.is_forked() {
            self.poller.wake();
        }
    }

    /// What it holds and has done. Also looks whether the loop is run, and
    /// warns if not (contract R5). In a forked child all numbers are 0.
    pub fn stats(&self) -> Stats {
        if self.is_forked() {
            return Stats::default();
        }
        let mut state = self.lock();
        let report = state.check_running(&self.poller, true, sys::now_coarse);
        let stats = Stats {
            watches: state.handles.len(),
            timers: state.timers.len(),
            pending_frees: state.pending_frees(),
            ..state.counters
        };
        drop(state);
        emit(report);
        stats
    }

    /// Whether this process is a fork of the one that made the reactor.
    ///
    /// A host's source must not be dropped then where that changes a kernel
    /// object that parent and child share: a descriptor that the child takes
    /// out of an epoll set is gone from the parent's, too.
    // An atomic read: the lock may be held for ever in a child.
    pub fn is_forked(&self) -> bool {
        sys::fork_generation() != self.generation
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // No foreign code runs under the lock, so a poisoned one would be a
        // panic of ours; the state is no worse for going on.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn emit(report: Option<Report>) {
    if let Some(report) = report {
        report.emit();
    }
}

impl EventImpl for Reactor {
    fn add_handle(
        &self,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        if self.is_forked() {
            return Err(Rejected::new(Error::Forked, callback));
        }
        let events = known(events);
        let mut state = self.lock();
        let report = state.check_running(&self.poller, false, sys::now_coarse);
        let added = state.handles.add(&self.poller, fd, events, callback);
        if let Ok(watch) = added {
            if state.handles.is_always_ready(watch) {
                state.kick(&self.poller);
            }
        }
        drop(state);
        emit(report);
        added.map_err(|(error, callback)| {
            let error = match error {
                AddError::Descriptor(errno) => Error::Descriptor {
                    fd,
                    source: errno.into(),
                },
                AddError::IdsExhausted => Error::IdsExhausted,
            };
            let reason = error.to_string();
            emit(Some(Report::Unwatchable { fd, reason }));
            Rejected::new(error, callback)
        })
    }

    fn update_handle(&self, watch: WatchId, events: HandleEvents) {
        if self.is_forked() {
            return;
        }
        let mut state = self.lock();
        let report = state.check_running(&self.poller, false, sys::now_coarse);
        let updated = state.handles.update(&self.poller, watch, known(events));
        if state.handles.is_always_ready(watch) {
            state.kick(&self.poller);
        }
        drop(state);
        emit(report);
        emit(updated.err().map(Report::Refused));
    }

    fn remove_handle(&self, watch: WatchId) -> Result<(), Error> {
        if self.is_forked() {
            return Err(Error::Forked);
        }
        let mut state = self.lock();
        let report = state.check_running(&self.poller, false, sys::now_coarse);
        let removed = state.handles.remove(&self.poller, watch);
        let result = match removed {
            None => Err(Error::UnknownWatch(watch)),
            Some(callback) => {
                match callback {
                    Some(callback) => state.bury(&self.poller, Removed::Handle(callback)),
                    None => state.doomed += 1,
                }
                Ok(())
            }
        };
        drop(state);
        emit(report);
        result
    }

    fn add_timeout(
        &self,
        period: Period,
        callback: TimeoutCallback,
    ) -> Result<TimerId, Rejected<TimeoutCallback>> {
        if self.is_forked() {
            return Err(Rejected::new(Error::Forked, callback));
        }
        let now = sys::now();
        let mut state = self.lock();
        let report = state.check_running(&self.poller, false, || now);
        let added = state.timers.add(period, callback, now);
        state.advance_alarm(&self.poller);
        drop(state);
        emit(report);
        added.map_err(|callback| Rejected::new(Error::IdsExhausted, callback))
    }

    fn update_timeout(&self, timer: TimerId, period: Period) {
        if self.is_forked() {
            return;
        }
        let now = sys::now();
        let mut state = self.lock();
        let report = state.check_running(&self.poller, false, || now);
        state.timers.update(timer, period, now);
        state.advance_alarm(&self.poller);
        drop(state);
        emit(report);
    }

    fn remove_timeout(&self, timer: TimerId) -> Result<(), Error> {
        if self.is_forked() {
            return Err(Error::Forked);
        }
        let mut state = self.lock();
        let report = state.check_running(&self.poller, false, sys::now_coarse);
        let removed = state.timers.remove(timer);
        let result = match removed {
            None => Err(Error::UnknownTimer(timer)),
            Some(callback) => {
                match callback {
                    Some(callback) => state.bury(&self.poller, Removed::Timeout(callback)),
                    None => state.doomed += 1,
                }
                Ok(())
            }
        };
        drop(state);
        emit(report);
        result
    }
}

/// Without bits that C callers may have set and nobody knows.
fn known(events: HandleEvents) -> HandleEvents {
    events & HandleEvents::all()
}

impl AsFd for Reactor {
    /// Readable whenever a turn would do something. Only ever to be polled
    /// for reading.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.poller.as_fd()
    }
}

impl AsRawFd for Reactor {
    fn as_raw_fd(&self) -> RawFd {
        self.poller.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor")
            .field("fd", &self.as_raw_fd())
            .finish_non_exhaustive()
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        let forked = self.is_forked();
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let handles: Vec<_> = state
            .handles
            .take_callbacks()
            .map(Removed::Handle)
            .collect();
        let timers: Vec<_> = state
            .timers
            .take_callbacks()
            .map(Removed::Timeout)
            .collect();
        let graveyard = mem::take(&mut state.graveyard);
        for removed in handles.into_iter().chain(timers).chain(graveyard) {
            if forked {
                // It is the parent's to free, and may need locks that were
                // held when the process forked.
                mem::forget(removed);
            } else if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(removed))) {
                // The panic hook has reported it, and the others must go on;
                // what it carries may panic, too.
                mem::forget(panic);
            }
        }
    }
}
