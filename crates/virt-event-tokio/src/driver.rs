use std::io;
use std::mem;
use std::num::NonZeroU32;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::task::yield_now;
use virt_event_reactor::{DrainStep, Draining, NotDrained, Reactor, Stats, TurnError};

use crate::async_fd::register;
use crate::attach::current;

/// The user's end: stop driving, wind down, look.
///
/// Dropping it changes nothing; the runtime goes on driving. All methods work
/// from any thread, also when the runtime is gone.
#[derive(Clone, Debug)]
pub struct Driver {
    inner: virt_event_reactor::Driver,
    shared: Arc<Shared>,
}

/// What a driver and its [`Drive`](crate::Drive) tell each other.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// The driver was detached. The reactor's descriptor says so only to those
    /// who look first.
    detached: AtomicBool,
    /// What wakes the future, which was polled last with it.
    waker: Mutex<Option<Waker>>,
    /// The future is a task of a multi-thread runtime, which polls it whenever
    /// there is something to do, and takes turns in `block_in_place`.
    in_place: AtomicBool,
}

impl Shared {
    /// Whether the future is at its end; wakes the task of `cx` when it is.
    pub(crate) fn is_detached(&self, cx: &Context<'_>) -> bool {
        let is_known = self
            .waker()
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()));
        if !is_known {
            self.replace_waker(Some(cx.waker().clone()));
        }
        // After the waker is there, so that a detach is seen or wakes.
        self.detached.load(Ordering::SeqCst)
    }

    /// The future is gone. Its task must not live on because somebody holds a
    /// driver.
    pub(crate) fn forget_waker(&self) {
        self.replace_waker(None);
    }

    /// What a waker does when it is dropped is an executor's business: the lock
    /// is free by then.
    fn replace_waker(&self, waker: Option<Waker>) {
        let before = mem::replace(&mut *self.waker(), waker);
        drop(before);
    }

    fn waker(&self) -> MutexGuard<'_, Option<Waker>> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_in_place(&self) -> bool {
        self.in_place.load(Ordering::Relaxed)
    }

    pub(crate) fn set_in_place(&self) {
        self.in_place.store(true, Ordering::Relaxed);
    }

    fn detach(&self) {
        self.detached.store(true, Ordering::SeqCst);
        let waker = self.waker().take();
        // The lock is free again.
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Driver {
    pub(crate) fn new(inner: virt_event_reactor::Driver) -> Self {
        Self {
            inner,
            shared: Arc::default(),
        }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Turns until nothing is registered and nothing awaits freeing; this is
    /// how a program ends cleanly.
    ///
    /// libvirt keeps callbacks registered for a short time after
    /// `virConnectClose`, and for as long as a domain or another object holds
    /// the connection: drop those first.
    ///
    /// It turns the reactor itself, beside this driver if that is alive, but
    /// leaves it to this driver while it is a task of a multi-thread runtime,
    /// and then waits for the workers of that if they are all blocked. It works
    /// as well after [`detach`](Self::detach), on another runtime, and
    /// when the driver's runtime is gone. Without a runtime there is the one
    /// that blocks: [`Reactor::drain`].
    ///
    /// `limit` is measured on `CLOCK_MONOTONIC` from the first poll. A paused
    /// clock of tokio's does not matter to it (but would to a
    /// `tokio::time::timeout` around it, which fires at once while nothing
    /// but libvirt is waited for). A limit of zero takes no turn, and so asks
    /// whether anything is left.
    ///
    /// Inside a callback (with `Handle::block_on`) it cannot succeed before that
    /// callback returns, and uses up all of `limit`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future calls the drain off and loses nothing; what was not
    /// done yet is left to the driver, or to the next drain.
    ///
    /// # Errors
    ///
    /// - [`NotDrained`], with a list of what is left, when `limit` is over; or
    ///   at once, with the [`cause`](NotDrained::cause), if the current runtime
    ///   cannot wait: there is none, it does no IO, or it is being shut down;
    ///   or if there are no descriptors left, or about a hundred drains are
    ///   being awaited at once, which is more than epoll allows.
    pub async fn drain(&self, limit: Duration) -> Result<(), NotDrained> {
        let draining = match self.reactor().start_drain(limit) {
            Ok(draining) => draining,
            Err(NotDrained {
                cause: Some(TurnError::Io(error)),
                ..
            }) => return self.look_what_is_left(error),
            Err(error) => return Err(error),
        };
        let watched = match current().and_then(|handle| register(draining, &handle)) {
            Ok(watched) => watched,
            Err(error) => {
                let error = format!("{error}; without one, `Reactor::drain` blocks instead");
                return self.look_what_is_left(io::Error::other(error));
            }
        };
        loop {
            // A callback's panic has been reported by the panic hook, and
            // must not decide whether everything else is wound down.
            let step = || self.step(watched.get_ref());
            match catch_unwind(AssertUnwindSafe(step)).map_err(mem::forget) {
                Ok(stepped) => match stepped? {
                    DrainStep::Drained => return Ok(()),
                    DrainStep::Wait => match watched.readable().await {
                        // Before the step, so that nothing is missed.
                        Ok(mut guard) => guard.clear_ready(),
                        Err(error) => return self.look_what_is_left(error),
                    },
                    DrainStep::Again => yield_now().await,
                },
                Err(()) => yield_now().await,
            }
        }
    }

    /// Stops driving: the task of [`attach`](crate::attach) and
    /// [`install`](crate::install) ends, and a [`Drive`](crate::Drive)
    /// resolves. When this returns no further turn of this driver begins (one
    /// that is in progress ends with its iteration), and another driver may be
    /// attached, on any runtime and any kind of loop; registered watches and
    /// timers wait for it.
    ///
    /// Doing it again does nothing.
    pub fn detach(&self) {
        self.inner.detach();
        // In a forked child the lock may be held for ever, and the runtime is
        // the parent's.
        if !self.reactor().is_forked() {
            self.shared.detach();
        }
    }

    /// Whether it still drives the reactor. False after
    /// [`detach`](Self::detach), and when the runtime was shut down, as soon as
    /// the turn in progress is over, which has as many iterations as the budget
    /// allows; `detach` before the shutdown ends it with its iteration.
    pub fn is_attached(&self) -> bool {
        self.inner.is_attached()
    }

    /// Makes the driver take a turn.
    pub fn wake(&self) {
        self.inner.wake();
    }

    /// What the reactor holds and has done.
    pub fn stats(&self) -> Stats {
        self.inner.stats()
    }

    /// Sets how many iterations a turn may have: more is faster under load,
    /// fewer is fairer to the other tasks. After each turn the driver yields.
    /// [`DEFAULT_BUDGET`](virt_event_reactor::DEFAULT_BUDGET) unless set; 64 on
    /// a multi-thread runtime, where [others do not wait for a
    /// turn](crate#callbacks-that-block).
    pub fn set_budget(&self, iterations: NonZeroU32) {
        self.inner.set_budget(iterations);
    }

    /// What is being driven.
    pub fn reactor(&self) -> &Arc<Reactor> {
        self.inner.reactor()
    }

    /// One step of a drain.
    fn step(&self, draining: &Draining) -> Result<DrainStep, NotDrained> {
        // Callbacks may do in `block_in_place` what they may not do here.
        if !self.shared.is_in_place() || !self.is_attached() {
            return draining.step();
        }
        Ok(if draining.is_over()? {
            DrainStep::Drained
        } else {
            DrainStep::Wait
        })
    }

    /// For a drain that cannot wait, and has this reason for it.
    fn look_what_is_left(&self, reason: io::Error) -> Result<(), NotDrained> {
        self.reactor().drain(Duration::ZERO).map_err(|mut left| {
            left.cause.get_or_insert(TurnError::Io(reason));
            left
        })
    }
}
