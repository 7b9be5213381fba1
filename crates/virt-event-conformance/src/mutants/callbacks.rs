//! Broken subjects for the cases in `cases/callbacks*.rs`, except nesting.

use std::collections::BTreeSet;
use std::os::fd::RawFd;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use virt_event::{Error, HandleCallback, HandleEvents, Period, Rejected};

use super::tamper::{Bodies, Corpse, Tamper, lock};
use crate::entry::Entry;
use crate::{Config, Factory, Subject};

pub(crate) fn calls_in_add(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let tamper = Tamper::new();
    let bodies = tamper.bodies();
    tamper
        .add_handle(move |inner, fd, events, callback| {
            let newest = bodies.newest();
            let id = inner.add_handle(fd, events, callback)?;
            if let Some(body) = newest {
                body.name(id.into());
                body.call(HandleEvents::READABLE);
            }
            Ok(id)
        })
        .make(factory, config)
}

pub(crate) fn frees_in_remove(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let tamper = Tamper::new();
    let bodies = tamper.bodies();
    tamper
        .remove(move |inner, entry| {
            entry.remove(&**inner)?;
            if let Some(body) = bodies.find(entry).filter(|body| !body.is_running()) {
                body.free();
            }
            Ok(())
        })
        .make(factory, config)
}

pub(crate) fn calls_in_update(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let tamper = Tamper::new();
    let bodies = tamper.bodies();
    tamper
        .update_timeout(move |inner, timer, period| {
            inner.update_timeout(timer, period);
            if period == Period::EVERY_ITERATION {
                if let Some(body) = bodies.find(timer.into()) {
                    body.call(HandleEvents::empty());
                }
            }
        })
        .make(factory, config)
}

/// The thread that turns may make the six calls; others wait. A panic poisons
/// the lock.
pub(crate) fn one_lock(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let the_lock = Arc::new(Mutex::new(()));
    let turning = Arc::new(Mutex::new(None::<ThreadId>));
    let (lock_of_turn, owner) = (Arc::clone(&the_lock), Arc::clone(&turning));
    Tamper::new()
        .around(move |call| {
            let turns = *lock(&turning) == Some(thread::current().id());
            let guard = (!turns).then(|| the_lock.lock().expect("the one lock"));
            call();
            drop(guard);
        })
        .turn(move |subject, timeout| {
            let guard = lock(&lock_of_turn);
            *lock(&owner) = Some(thread::current().id());
            subject.turn(timeout);
            *lock(&owner) = None;
            drop(guard);
        })
        .make(factory, config)
}

pub(crate) fn thread_for_each_call(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let threads = Arc::new(AtomicUsize::new(0));
    Tamper::new()
        .call(move |site, _| {
            let (body, events) = (Arc::clone(site.body), site.events);
            // A level-triggered loop asks for more and more of them.
            if threads.load(Ordering::Relaxed) < 8 {
                threads.fetch_add(1, Ordering::Relaxed);
                let threads = Arc::clone(&threads);
                thread::spawn(move || {
                    body.call(events);
                    threads.fetch_sub(1, Ordering::Relaxed);
                });
            }
        })
        .make(factory, config)
}

pub(crate) fn deaf_in_calls(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let inside = Arc::new(AtomicBool::new(false));
    deaf_while(&inside)
        .call(move |_, call| {
            inside.store(true, Ordering::Relaxed);
            call();
            inside.store(false, Ordering::Relaxed);
        })
        .make(factory, config)
}

pub(crate) fn deaf_in_frees(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let inside = Arc::new(AtomicBool::new(false));
    deaf_while(&inside)
        .free(move |corpse| {
            inside.store(true, Ordering::Relaxed);
            drop(corpse);
            inside.store(false, Ordering::Relaxed);
        })
        .make(factory, config)
}

/// While `inside` is set, adds are refused and the other calls get lost.
fn deaf_while(inside: &Arc<AtomicBool>) -> Tamper {
    let is_inside = || {
        let inside = Arc::clone(inside);
        move || inside.load(Ordering::Relaxed)
    };
    let why = || Error::Other("not now".into());
    let (add_handle, add_timeout, remove) = (is_inside(), is_inside(), is_inside());
    let (update_handle, update_timeout) = (is_inside(), is_inside());
    Tamper::new()
        .add_handle(move |inner, fd, events, callback| {
            if add_handle() {
                return Err(Rejected::new(why(), callback));
            }
            inner.add_handle(fd, events, callback)
        })
        .add_timeout(move |inner, period, callback| {
            if add_timeout() {
                return Err(Rejected::new(why(), callback));
            }
            inner.add_timeout(period, callback)
        })
        .update_handle(move |inner, watch, events| {
            if !update_handle() {
                inner.update_handle(watch, events);
            }
        })
        .update_timeout(move |inner, timer, period| {
            if !update_timeout() {
                inner.update_timeout(timer, period);
            }
        })
        .remove(move |inner, entry| {
            if remove() {
                return Ok(());
            }
            entry.remove(&**inner)
        })
}

pub(crate) fn keeps_the_running(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let tamper = Tamper::new();
    let bodies = tamper.bodies();
    tamper
        .remove(move |inner, entry| match bodies.find(entry) {
            Some(body) if body.is_running() => Ok(()),
            _ => entry.remove(&**inner),
        })
        .make(factory, config)
}

pub(crate) fn removes_after_the_turn(factory: Factory, config: &Config) -> Box<dyn Subject> {
    removes_after_turns(1).make(factory, config)
}

pub(crate) fn removes_after_three_turns(factory: Factory, config: &Config) -> Box<dyn Subject> {
    removes_after_turns(3).make(factory, config)
}

fn removes_after_turns(turns: u32) -> Tamper {
    let late: Arc<Mutex<Vec<(Entry, u32)>>> = Arc::default();
    let removals = Arc::clone(&late);
    Tamper::new()
        .remove(move |_, entry| {
            lock(&removals).push((entry, turns));
            Ok(())
        })
        .turn(move |subject, timeout| {
            subject.turn(timeout);
            for (_, left) in &mut *lock(&late) {
                *left -= 1;
            }
            let mut due = Vec::new();
            lock(&late).retain(|(entry, left)| {
                if *left == 0 {
                    due.push(*entry);
                }
                *left > 0
            });
            for entry in due {
                // An unknown id is nothing to this fault.
                let _ = entry.remove(&*subject.event_impl());
            }
        })
}

pub(crate) fn event_goes_to_the_new_watch(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let tamper = Tamper::new();
    let (bodies, added) = (tamper.bodies(), tamper.bodies());
    let removed_fds: Arc<Mutex<BTreeSet<RawFd>>> = Arc::default();
    let stale = Arc::new(Mutex::new(Vec::new()));
    let (of_add, of_turn) = (Arc::clone(&removed_fds), Arc::clone(&removed_fds));
    let delivered = Arc::clone(&stale);
    tamper
        .remove(move |inner, entry| {
            if let Some(body) = bodies.find(entry) {
                lock(&removed_fds).insert(body.fd());
            }
            entry.remove(&**inner)
        })
        .add_handle(move |inner, fd, events, callback| {
            let newest = added.newest();
            let id = inner.add_handle(fd, events, callback)?;
            if let Some(body) = newest.filter(|_| lock(&of_add).contains(&fd)) {
                body.name(id.into());
                lock(&stale).push(body);
            }
            Ok(id)
        })
        .turn(move |subject, timeout| {
            subject.turn(timeout);
            lock(&of_turn).clear();
            let bodies = std::mem::take(&mut *lock(&delivered));
            for body in bodies {
                body.call(HandleEvents::READABLE);
            }
        })
        .make(factory, config)
}

pub(crate) fn leaks(factory: Factory, config: &Config) -> Box<dyn Subject> {
    Tamper::new().free(std::mem::forget).make(factory, config)
}

pub(crate) fn leaks_the_parked(factory: Factory, config: &Config) -> Box<dyn Subject> {
    leaks_some(|bodies, entry| bodies.find(entry).filter(|body| body.is_parked()))
        .make(factory, config)
}

pub(crate) fn leaks_the_running(factory: Factory, config: &Config) -> Box<dyn Subject> {
    leaks_some(|bodies, entry| bodies.find(entry).filter(|body| body.is_running()))
        .make(factory, config)
}

/// What `choose` finds when it is removed is never freed.
fn leaks_some(
    choose: impl Fn(&Bodies, Entry) -> Option<Arc<super::tamper::Body>> + Send + Sync + 'static,
) -> Tamper {
    let tamper = Tamper::new();
    let bodies = tamper.bodies();
    tamper.remove(move |inner, entry| {
        if let Some(body) = choose(&bodies, entry) {
            body.leak();
        }
        entry.remove(&**inner)
    })
}

pub(crate) fn frees_when_idle(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let graveyard: Arc<Mutex<Vec<Corpse>>> = Arc::default();
    let corpses = Arc::clone(&graveyard);
    let busy = Arc::new(AtomicBool::new(false));
    let is_busy = Arc::clone(&busy);
    Tamper::new()
        .call(move |_, call| {
            busy.store(true, Ordering::Relaxed);
            call();
        })
        .free(move |corpse| lock(&corpses).push(corpse))
        .turn(move |subject, timeout| {
            subject.turn(timeout);
            if !is_busy.swap(false, Ordering::Relaxed) {
                let corpses = std::mem::take(&mut *lock(&graveyard));
                drop(corpses);
            }
        })
        .make(factory, config)
}

pub(crate) fn one_free_a_turn(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let graveyard: Arc<Mutex<Vec<Corpse>>> = Arc::default();
    let corpses = Arc::clone(&graveyard);
    Tamper::new()
        .free(move |corpse| lock(&corpses).push(corpse))
        .turn(move |subject, timeout| {
            subject.turn(timeout);
            let corpse = lock(&graveyard).pop();
            drop(corpse);
        })
        .make(factory, config)
}

pub(crate) fn frees_the_rejected(factory: Factory, config: &Config) -> Box<dyn Subject> {
    Tamper::new()
        .add_handle(|inner, fd, events, callback| {
            inner.add_handle(fd, events, callback).map_err(|refused| {
                drop(refused.inner);
                Rejected::new(refused.error, HandleCallback::new(|_, _, _| {}))
            })
        })
        .make(factory, config)
}

pub(crate) fn starves_after_a_panic(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let panicked: Mutex<BTreeSet<Entry>> = Mutex::default();
    Tamper::new()
        .call(move |site, call| {
            let starved = {
                let panicked = lock(&panicked);
                !panicked.is_empty() && !panicked.contains(&site.entry)
            };
            if starved {
                return;
            }
            if let Err(panic) = catch_unwind(AssertUnwindSafe(call)) {
                lock(&panicked).insert(site.entry);
                resume_unwind(panic);
            }
        })
        .make(factory, config)
}

pub(crate) fn removes_the_panicked(factory: Factory, config: &Config) -> Box<dyn Subject> {
    Tamper::new()
        .call(|site, call| {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(call)) {
                // It may have removed itself.
                let _ = site.entry.remove(&*site.inner);
                resume_unwind(panic);
            }
        })
        .make(factory, config)
}

pub(crate) fn forgets_frees_after_a_panic(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let panicked = AtomicBool::new(false);
    Tamper::new()
        .free(move |corpse| {
            if panicked.load(Ordering::Relaxed) {
                std::mem::forget(corpse);
            } else if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(corpse))) {
                panicked.store(true, Ordering::Relaxed);
                resume_unwind(panic);
            }
        })
        .make(factory, config)
}

pub(crate) fn outlives_its_drop(factory: Factory, config: &Config) -> Box<dyn Subject> {
    Tamper::new()
        .add_handle(|inner, fd, events, callback| {
            std::mem::forget(Arc::clone(inner));
            inner.add_handle(fd, events, callback)
        })
        .make(factory, config)
}

pub(crate) fn frees_elsewhere(factory: Factory, config: &Config) -> Box<dyn Subject> {
    Tamper::new()
        .free(|corpse| {
            let other = thread::spawn(move || drop(corpse));
            // The panic of a free is not what this fault is about.
            let _ = other.join();
        })
        .make(factory, config)
}
