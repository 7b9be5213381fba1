//! A subject that forgets that it was forked (X3).

use std::os::fd::{OwnedFd, RawFd};
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::EventfdFlags;
use virt_event::{
    Error, EventImpl, HandleCallback, HandleEvents, Period, Rejected, TimeoutCallback, TimerId,
    WatchId,
};

use crate::fixtures::{EventFd, eventfd};
use crate::mutants::Fault;
use crate::{SecondDriver, Subject};

/// What is done in a child comes about in its parent, at the parent's next
/// turn, as if both shared the loop's state.
///
/// (With a real epoll set only removals would. This is the same fault without
/// unsafe code.)
pub(super) struct Inherited {
    process: u32,
    /// A detach counts, too.
    detaches: bool,
    /// Kicked by a child's update or removal.
    changed: EventFd,
    /// Kicked by a child's detach.
    detached: Arc<EventFd>,
    watches: Mutex<Vec<(WatchId, RawFd, Shared)>>,
    timers: Mutex<Vec<TimerId>>,
}

type Shared = Arc<Mutex<Option<HandleCallback>>>;

impl Inherited {
    pub(super) fn new(detaches: bool) -> Self {
        Self {
            process: process::id(),
            detaches,
            changed: eventfd(),
            detached: Arc::new(eventfd()),
            watches: Mutex::default(),
            timers: Mutex::default(),
        }
    }

    fn in_child(&self) -> bool {
        process::id() != self.process
    }
}

impl Fault for Inherited {
    fn add_handle(
        &self,
        inner: &Arc<dyn EventImpl>,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        let shared: Shared = Arc::new(Mutex::new(Some(callback)));
        let called = Arc::clone(&shared);
        if self.in_child() {
            let watch = WatchId::new(i32::MAX).expect("it is positive");
            lock(&self.watches).push((watch, fd, shared));
            return Ok(watch);
        }
        let callback = HandleCallback::new(move |watch, fd, events| {
            if let Some(callback) = &mut *lock(&called) {
                callback.call(watch, fd, events);
            }
        });
        let watch = inner.add_handle(fd, events, callback)?;
        lock(&self.watches).push((watch, fd, shared));
        Ok(watch)
    }

    fn update_handle(&self, inner: &Arc<dyn EventImpl>, watch: WatchId, events: HandleEvents) {
        if self.in_child() {
            self.changed.kick();
        } else {
            inner.update_handle(watch, events);
        }
    }

    fn remove_handle(&self, inner: &Arc<dyn EventImpl>, watch: WatchId) -> Result<(), Error> {
        if self.in_child() {
            self.changed.kick();
            return Ok(());
        }
        lock(&self.watches).retain(|(other, ..)| *other != watch);
        inner.remove_handle(watch)
    }

    fn add_timeout(
        &self,
        inner: &Arc<dyn EventImpl>,
        period: Period,
        callback: TimeoutCallback,
    ) -> Result<TimerId, Rejected<TimeoutCallback>> {
        let timer = inner.add_timeout(period, callback)?;
        lock(&self.timers).push(timer);
        Ok(timer)
    }

    fn update_timeout(&self, inner: &Arc<dyn EventImpl>, timer: TimerId, period: Period) {
        if self.in_child() {
            self.changed.kick();
        } else {
            inner.update_timeout(timer, period);
        }
    }

    fn remove_timeout(&self, inner: &Arc<dyn EventImpl>, timer: TimerId) -> Result<(), Error> {
        if self.in_child() {
            self.changed.kick();
            return Ok(());
        }
        inner.remove_timeout(timer)
    }

    fn turn(&self, inner: &dyn Subject, timeout: Duration) {
        if self.in_child() {
            for (watch, fd, callback) in &*lock(&self.watches) {
                if let Some(callback) = &mut *lock(callback) {
                    callback.call(*watch, *fd, HandleEvents::READABLE);
                }
            }
            return;
        }
        if self.changed.take() {
            let event_impl = inner.event_impl();
            for (watch, ..) in &*lock(&self.watches) {
                event_impl.update_handle(*watch, HandleEvents::empty());
            }
            for timer in &*lock(&self.timers) {
                event_impl.update_timeout(*timer, Period::DISABLED);
            }
        }
        if self.detached.take() {
            inner.detach();
        }
        inner.turn(timeout);
    }

    fn detach(&self, inner: &dyn Subject) {
        if self.in_child() && self.detaches {
            self.detached.kick();
        } else {
            inner.detach();
        }
    }

    fn second_driver(&self, inner: &dyn Subject) -> Result<SecondDriver, String> {
        let turn = inner.second_driver()?;
        let held = Held {
            process: self.process,
            detached: Arc::clone(&self.detached),
        };
        Ok(Box::new(move |timeout| {
            if held.detached.take() {
                return Err("it was dropped".to_owned());
            }
            turn(timeout)
        }))
    }
}

/// Frees what is the parent's.
impl Drop for Inherited {
    fn drop(&mut self) {
        if self.in_child() {
            for (_, _, callback) in &*lock(&self.watches) {
                drop(lock(callback).take());
            }
        }
    }
}

/// A driver that tells its parent process when it is dropped in a child.
struct Held {
    process: u32,
    detached: Arc<EventFd>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if process::id() != self.process {
            self.detached.kick();
        }
    }
}

/// Opens a descriptor that a program started with exec would inherit.
pub(super) struct OpenOnExec {
    _leaked: OwnedFd,
}

impl OpenOnExec {
    pub(super) fn new() -> Self {
        Self {
            _leaked: rustix::event::eventfd(0, EventfdFlags::empty()).expect("eventfd"),
        }
    }
}

impl Fault for OpenOnExec {}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
