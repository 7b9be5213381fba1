//! Detaches that lose something, and drivers that do not know of each other
//! (L3, L5, R3).

use std::mem;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use virt_event::{
    Error, EventImpl, HandleCallback, HandleEvents, Period, Rejected, TimeoutCallback, TimerId,
    WatchId,
};

use crate::mutants::{Fault, broken};
use crate::{Config, Factory, SecondDriver, Subject};

pub(crate) fn detach_forgets_frees(factory: Factory, config: &Config) -> Box<dyn Subject> {
    broken(factory, config, ForgetsFrees::default())
}

/// What was removed and not freed when it is detached is never freed.
#[derive(Default)]
struct ForgetsFrees {
    timers: Mutex<Vec<(TimerId, Arc<AtomicBool>)>>,
    removed: Mutex<Vec<Arc<AtomicBool>>>,
}

/// A callback that is forgotten instead of freed once the flag is set.
struct Forgettable {
    callback: Option<TimeoutCallback>,
    forget: Arc<AtomicBool>,
}

impl Drop for Forgettable {
    fn drop(&mut self) {
        if self.forget.load(Ordering::Acquire) {
            mem::forget(self.callback.take());
        }
    }
}

impl Fault for ForgetsFrees {
    fn add_timeout(
        &self,
        inner: &Arc<dyn EventImpl>,
        period: Period,
        callback: TimeoutCallback,
    ) -> Result<TimerId, Rejected<TimeoutCallback>> {
        let forget = Arc::new(AtomicBool::new(false));
        let forgettable = Forgettable {
            callback: Some(callback),
            forget: Arc::clone(&forget),
        };
        let callback = TimeoutCallback::with_state(forgettable, |forgettable, timer| {
            if let Some(callback) = &mut forgettable.callback {
                callback.call(timer);
            }
        });
        let timer = inner.add_timeout(period, callback)?;
        lock(&self.timers).push((timer, forget));
        Ok(timer)
    }

    fn remove_timeout(&self, inner: &Arc<dyn EventImpl>, timer: TimerId) -> Result<(), Error> {
        let mut timers = lock(&self.timers);
        if let Some(at) = timers.iter().position(|(other, _)| *other == timer) {
            lock(&self.removed).push(timers.swap_remove(at).1);
        }
        drop(timers);
        inner.remove_timeout(timer)
    }

    fn detach(&self, inner: &dyn Subject) {
        for forget in lock(&self.removed).drain(..) {
            forget.store(true, Ordering::Release);
        }
        inner.detach();
    }
}

pub(crate) fn detach_disables_timers(factory: Factory, config: &Config) -> Box<dyn Subject> {
    broken(factory, config, DisablesTimers::default())
}

#[derive(Default)]
struct DisablesTimers(Mutex<Vec<TimerId>>);

impl Fault for DisablesTimers {
    fn add_timeout(
        &self,
        inner: &Arc<dyn EventImpl>,
        period: Period,
        callback: TimeoutCallback,
    ) -> Result<TimerId, Rejected<TimeoutCallback>> {
        let timer = inner.add_timeout(period, callback)?;
        lock(&self.0).push(timer);
        Ok(timer)
    }

    fn detach(&self, inner: &dyn Subject) {
        for timer in &*lock(&self.0) {
            inner.event_impl().update_timeout(*timer, Period::DISABLED);
        }
        inner.detach();
    }
}

pub(crate) fn detach_parks_watches(factory: Factory, config: &Config) -> Box<dyn Subject> {
    broken(factory, config, ParksWatches::default())
}

#[derive(Default)]
struct ParksWatches(Mutex<Vec<WatchId>>);

impl Fault for ParksWatches {
    fn add_handle(
        &self,
        inner: &Arc<dyn EventImpl>,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        let watch = inner.add_handle(fd, events, callback)?;
        lock(&self.0).push(watch);
        Ok(watch)
    }

    fn detach(&self, inner: &dyn Subject) {
        for watch in &*lock(&self.0) {
            inner
                .event_impl()
                .update_handle(*watch, HandleEvents::empty());
        }
        inner.detach();
    }
}

pub(crate) fn idle_driver(factory: Factory, config: &Config) -> Box<dyn Subject> {
    broken(factory, config, IdleDriver)
}

struct IdleDriver;

impl Fault for IdleDriver {
    fn second_driver(&self, inner: &dyn Subject) -> Result<SecondDriver, String> {
        let driver = inner.second_driver()?;
        Ok(Box::new(move |_| {
            // Held, but not used.
            let _ = &driver;
            Ok(())
        }))
    }
}

pub(crate) fn attaches_run_out(factory: Factory, config: &Config) -> Box<dyn Subject> {
    broken(factory, config, AttachesRunOut::default())
}

#[derive(Default)]
struct AttachesRunOut(AtomicU32);

impl Fault for AttachesRunOut {
    fn attach(&self, inner: &dyn Subject) -> Result<(), String> {
        if self.0.fetch_add(1, Ordering::Relaxed) > 2 {
            return Err("no more drivers".to_owned());
        }
        inner.attach()
    }
}

pub(crate) fn second_driver_replaces(factory: Factory, config: &Config) -> Box<dyn Subject> {
    broken(factory, config, Replaces)
}

struct Replaces;

impl Fault for Replaces {
    fn second_driver(&self, inner: &dyn Subject) -> Result<SecondDriver, String> {
        inner.detach();
        inner.second_driver()
    }
}

pub(crate) fn every_attach_succeeds(factory: Factory, config: &Config) -> Box<dyn Subject> {
    broken(factory, config, EveryAttachSucceeds)
}

struct EveryAttachSucceeds;

impl Fault for EveryAttachSucceeds {
    fn attach(&self, inner: &dyn Subject) -> Result<(), String> {
        // The fault: the answer is not looked at.
        let _ = inner.attach();
        Ok(())
    }
}

pub(crate) fn adds_need_a_driver(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let fault = WithoutDriver {
        detached: AtomicBool::new(false),
        succeeds: false,
    };
    broken(factory, config, fault)
}

pub(crate) fn adds_blindly_without_a_driver(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let fault = WithoutDriver {
        detached: AtomicBool::new(false),
        succeeds: true,
    };
    broken(factory, config, fault)
}

/// Does not ask the kernel while it is detached, and gives every add of a
/// handle the same answer.
struct WithoutDriver {
    detached: AtomicBool,
    succeeds: bool,
}

impl Fault for WithoutDriver {
    fn add_handle(
        &self,
        inner: &Arc<dyn EventImpl>,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        if !self.detached.load(Ordering::Acquire) {
            return inner.add_handle(fd, events, callback);
        }
        if self.succeeds {
            mem::forget(callback);
            return Ok(WatchId::new(i32::MAX).expect("it is positive"));
        }
        let error = Error::Other("there is no driver".into());
        Err(Rejected::new(error, callback))
    }

    fn detach(&self, inner: &dyn Subject) {
        self.detached.store(true, Ordering::Release);
        inner.detach();
    }

    fn attach(&self, inner: &dyn Subject) -> Result<(), String> {
        self.detached.store(false, Ordering::Release);
        inner.attach()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
