//! Wakes and stops that are not heard (L1).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread::{self, ThreadId};
use std::time::Duration;

use crate::fixtures::patience;
use crate::mutants::{Fault, broken};
use crate::{Config, Factory, Subject};

type Action = Box<dyn Fn() + Send + Sync>;

pub(crate) fn wake_does_nothing(factory: Factory, config: &Config) -> Box<dyn Subject> {
    broken(factory, config, Wakes(|_, _| {}, Arc::default()))
}

pub(crate) fn wake_is_not_sticky(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let heard = |wake: &Action, turning| {
        if turning {
            wake();
        }
    };
    broken(factory, config, Wakes(heard, Arc::default()))
}

/// What becomes of a wake, given the right one and whether a turn is under
/// way; and whether that is so.
struct Wakes(fn(&Action, bool), Arc<AtomicBool>);

impl Fault for Wakes {
    fn waker(&self, inner: &dyn Subject) -> Action {
        let (wake, turning, right) = (self.0, Arc::clone(&self.1), inner.waker());
        Box::new(move || wake(&right, turning.load(Ordering::Acquire)))
    }

    fn turn(&self, inner: &dyn Subject, timeout: Duration) {
        self.1.store(true, Ordering::Release);
        inner.turn(timeout);
        self.1.store(false, Ordering::Release);
    }
}

pub(crate) fn wake_stops(factory: Factory, config: &Config) -> Box<dyn Subject> {
    broken(factory, config, WakeStops)
}

struct WakeStops;

impl Fault for WakeStops {
    fn waker(&self, inner: &dyn Subject) -> Action {
        inner.stopper()
    }
}

pub(crate) fn deaf_asleep(factory: Factory, config: &Config) -> Box<dyn Subject> {
    broken(factory, config, Deaf::new(|running, _| running))
}

pub(crate) fn stop_is_not_sticky(factory: Factory, config: &Config) -> Box<dyn Subject> {
    broken(factory, config, Deaf::new(|running, _| !running))
}

pub(crate) fn deaf_to_itself(factory: Factory, config: &Config) -> Box<dyn Subject> {
    broken(
        factory,
        config,
        Deaf::new(|_, on_loop_thread| on_loop_thread),
    )
}

/// Does not hear some stops. A run that nobody ends, ends when the patience is
/// over twice.
struct Deaf {
    /// Given whether the loop runs, and whether it is its own thread that
    /// stops it.
    ignores: fn(bool, bool) -> bool,
    running: Arc<AtomicBool>,
    loop_thread: ThreadId,
}

impl Deaf {
    fn new(ignores: fn(bool, bool) -> bool) -> Self {
        Self {
            ignores,
            running: Arc::default(),
            loop_thread: thread::current().id(),
        }
    }
}

impl Fault for Deaf {
    fn stopper(&self, inner: &dyn Subject) -> Action {
        let (ignores, loop_thread) = (self.ignores, self.loop_thread);
        let (running, stop) = (Arc::clone(&self.running), inner.stopper());
        Box::new(move || {
            let on_loop_thread = thread::current().id() == loop_thread;
            if !ignores(running.load(Ordering::Acquire), on_loop_thread) {
                stop();
            }
        })
    }

    fn run(&self, inner: &dyn Subject) {
        let stop = inner.stopper();
        let (ended, end) = channel::<()>();
        self.running.store(true, Ordering::Release);
        thread::scope(|scope| {
            scope.spawn(move || {
                if end.recv_timeout(patience() * 2).is_err() {
                    stop();
                }
            });
            inner.run();
            let _ = ended.send(());
        });
        self.running.store(false, Ordering::Release);
    }
}

pub(crate) fn stops_for_ever(factory: Factory, config: &Config) -> Box<dyn Subject> {
    broken(factory, config, StopsForEver(Arc::default()))
}

/// Remembers the first stop.
struct StopsForEver(Arc<AtomicBool>);

impl Fault for StopsForEver {
    fn stopper(&self, inner: &dyn Subject) -> Action {
        let (stopped, stop) = (Arc::clone(&self.0), inner.stopper());
        Box::new(move || {
            stopped.store(true, Ordering::Release);
            stop();
        })
    }

    fn run(&self, inner: &dyn Subject) {
        if !self.0.load(Ordering::Acquire) {
            inner.run();
        }
    }
}
