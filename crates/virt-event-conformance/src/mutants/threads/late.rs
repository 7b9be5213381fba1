//! Calls that take effect too late, or not at all (X1, R3).

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use virt_event::{
    Error, EventImpl, HandleCallback, HandleEvents, Period, Rejected, TimeoutCallback, TimerId,
    WatchId,
};

use crate::fixtures::patience;
use crate::mutants::{Fault, intercept_handle, intercept_timeout};
use crate::{SecondDriver, Subject};

type Change = Box<dyn FnOnce() + Send>;

/// Puts calls from other threads off until the turn is over: the loop that
/// nobody wakes.
pub(super) struct Deferred {
    loop_thread: ThreadId,
    turning: AtomicBool,
    changes: Mutex<Vec<Change>>,
}

impl Deferred {
    pub(super) fn new() -> Self {
        Self {
            loop_thread: thread::current().id(),
            turning: AtomicBool::new(false),
            changes: Mutex::default(),
        }
    }

    fn is_late(&self) -> bool {
        self.turning.load(Ordering::Acquire) && thread::current().id() != self.loop_thread
    }

    fn later(&self, change: impl FnOnce() + Send + 'static) {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes.push(Box::new(change));
    }
}

impl Fault for Deferred {
    fn add_handle(
        &self,
        inner: &Arc<dyn EventImpl>,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        if !self.is_late() {
            return inner.add_handle(fd, events, callback);
        }
        let watch = inner.add_handle(fd, HandleEvents::empty(), callback)?;
        self.update_handle(inner, watch, events);
        Ok(watch)
    }

    fn update_handle(&self, inner: &Arc<dyn EventImpl>, watch: WatchId, events: HandleEvents) {
        if !self.is_late() {
            return inner.update_handle(watch, events);
        }
        let inner = Arc::clone(inner);
        self.later(move || inner.update_handle(watch, events));
    }

    fn remove_handle(&self, inner: &Arc<dyn EventImpl>, watch: WatchId) -> Result<(), Error> {
        if !self.is_late() {
            return inner.remove_handle(watch);
        }
        let inner = Arc::clone(inner);
        self.later(move || drop(inner.remove_handle(watch)));
        Ok(())
    }

    fn add_timeout(
        &self,
        inner: &Arc<dyn EventImpl>,
        period: Period,
        callback: TimeoutCallback,
    ) -> Result<TimerId, Rejected<TimeoutCallback>> {
        if !self.is_late() {
            return inner.add_timeout(period, callback);
        }
        let timer = inner.add_timeout(Period::DISABLED, callback)?;
        self.update_timeout(inner, timer, period);
        Ok(timer)
    }

    fn update_timeout(&self, inner: &Arc<dyn EventImpl>, timer: TimerId, period: Period) {
        if !self.is_late() {
            return inner.update_timeout(timer, period);
        }
        let inner = Arc::clone(inner);
        self.later(move || inner.update_timeout(timer, period));
    }

    fn remove_timeout(&self, inner: &Arc<dyn EventImpl>, timer: TimerId) -> Result<(), Error> {
        if !self.is_late() {
            return inner.remove_timeout(timer);
        }
        let inner = Arc::clone(inner);
        self.later(move || drop(inner.remove_timeout(timer)));
        Ok(())
    }

    fn turn(&self, inner: &dyn Subject, timeout: Duration) {
        let began = Instant::now();
        self.turning.store(true, Ordering::Release);
        inner.turn(timeout);
        // Nothing ends the turn early.
        while let Some(left) = timeout.checked_sub(began.elapsed()) {
            inner.turn(left);
        }
        self.turning.store(false, Ordering::Release);
        let changes =
            std::mem::take(&mut *self.changes.lock().unwrap_or_else(PoisonError::into_inner));
        for change in changes {
            change();
        }
    }
}

/// While the gate is closed, adds register parked entries and updates are
/// lost.
pub(super) struct Gated {
    open: AtomicBool,
    /// Detaching closes it.
    needs_driver: bool,
}

impl Gated {
    /// Opens at the first turn.
    pub(super) fn until_first_turn() -> Self {
        Self {
            open: AtomicBool::new(false),
            needs_driver: false,
        }
    }

    /// Is closed while no driver is attached.
    pub(super) fn without_driver() -> Self {
        Self {
            open: AtomicBool::new(true),
            needs_driver: true,
        }
    }

    fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }
}

impl Fault for Gated {
    fn add_handle(
        &self,
        inner: &Arc<dyn EventImpl>,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        let events = if self.is_open() {
            events
        } else {
            HandleEvents::empty()
        };
        inner.add_handle(fd, events, callback)
    }

    fn update_handle(&self, inner: &Arc<dyn EventImpl>, watch: WatchId, events: HandleEvents) {
        if self.is_open() {
            inner.update_handle(watch, events);
        }
    }

    fn add_timeout(
        &self,
        inner: &Arc<dyn EventImpl>,
        period: Period,
        callback: TimeoutCallback,
    ) -> Result<TimerId, Rejected<TimeoutCallback>> {
        let period = if self.is_open() {
            period
        } else {
            Period::DISABLED
        };
        inner.add_timeout(period, callback)
    }

    fn update_timeout(&self, inner: &Arc<dyn EventImpl>, timer: TimerId, period: Period) {
        if self.is_open() {
            inner.update_timeout(timer, period);
        }
    }

    fn turn(&self, inner: &dyn Subject, timeout: Duration) {
        self.open.store(true, Ordering::Release);
        inner.turn(timeout);
    }

    fn detach(&self, inner: &dyn Subject) {
        if self.needs_driver {
            self.open.store(false, Ordering::Release);
        }
        inner.detach();
    }

    fn attach(&self, inner: &dyn Subject) -> Result<(), String> {
        inner.attach()?;
        self.open.store(true, Ordering::Release);
        Ok(())
    }

    fn second_driver(&self, inner: &dyn Subject) -> Result<SecondDriver, String> {
        let driver = inner.second_driver()?;
        self.open.store(true, Ordering::Release);
        Ok(driver)
    }
}

/// Holds a lock while a callback runs. Calls from the loop's own thread get
/// past it.
pub(super) struct Locked {
    loop_thread: ThreadId,
    lock: Arc<(Mutex<bool>, Condvar)>,
}

impl Locked {
    pub(super) fn new() -> Self {
        Self {
            loop_thread: thread::current().id(),
            lock: Arc::default(),
        }
    }

    /// Waits until no callback runs, but not for ever.
    fn pass(&self) {
        if thread::current().id() == self.loop_thread {
            return;
        }
        let (running, ended) = &*self.lock;
        let running = running.lock().unwrap_or_else(PoisonError::into_inner);
        drop(ended.wait_timeout_while(running, patience() * 2, |running| *running));
    }
}

fn while_running(lock: &(Mutex<bool>, Condvar), call: impl FnOnce()) {
    let (running, ended) = lock;
    *running.lock().unwrap_or_else(PoisonError::into_inner) = true;
    call();
    *running.lock().unwrap_or_else(PoisonError::into_inner) = false;
    ended.notify_all();
}

impl Fault for Locked {
    fn add_handle(
        &self,
        inner: &Arc<dyn EventImpl>,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        self.pass();
        let lock = Arc::clone(&self.lock);
        let callback = intercept_handle(callback, move |callback, watch, fd, events| {
            while_running(&lock, || callback.call(watch, fd, events));
        });
        inner.add_handle(fd, events, callback)
    }

    fn update_handle(&self, inner: &Arc<dyn EventImpl>, watch: WatchId, events: HandleEvents) {
        self.pass();
        inner.update_handle(watch, events);
    }

    fn remove_handle(&self, inner: &Arc<dyn EventImpl>, watch: WatchId) -> Result<(), Error> {
        self.pass();
        inner.remove_handle(watch)
    }

    fn add_timeout(
        &self,
        inner: &Arc<dyn EventImpl>,
        period: Period,
        callback: TimeoutCallback,
    ) -> Result<TimerId, Rejected<TimeoutCallback>> {
        self.pass();
        let lock = Arc::clone(&self.lock);
        let callback = intercept_timeout(callback, move |callback, timer| {
            while_running(&lock, || callback.call(timer));
        });
        inner.add_timeout(period, callback)
    }

    fn update_timeout(&self, inner: &Arc<dyn EventImpl>, timer: TimerId, period: Period) {
        self.pass();
        inner.update_timeout(timer, period);
    }

    fn remove_timeout(&self, inner: &Arc<dyn EventImpl>, timer: TimerId) -> Result<(), Error> {
        self.pass();
        inner.remove_timeout(timer)
    }
}
