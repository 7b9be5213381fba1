use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::turn::{Caller, Extent};
use crate::{AttachError, NotDrained, Reactor, Stats, Turn, TurnError};

/// How many iterations a turn may have unless the user says otherwise.
pub const DEFAULT_BUDGET: NonZeroU32 = NonZeroU32::new(3).unwrap();

impl Reactor {
    /// Makes the caller the one that drives this reactor.
    ///
    /// # Errors
    ///
    /// - [`AttachError::AlreadyAttached`] while another [`Attachment`] is
    ///   alive and not detached.
    /// - [`AttachError::Forked`] in a child process.
    /// - [`AttachError::Io`] if the kernel has no descriptor to give (one is
    ///   needed).
    pub fn attach(self: &Arc<Self>) -> Result<Attachment, AttachError> {
        if self.is_forked() {
            return Err(AttachError::Forked);
        }
        let fd = self.poller.duplicate()?;
        let mut state = self.lock();
        if state.attached.is_some() {
            return Err(AttachError::AlreadyAttached);
        }
        // Somebody may sleep in a turn without a driver: no more.
        if state.turning.is_some() {
            self.wake();
        }
        state.attachments += 1;
        state.attached = NonZeroU64::new(state.attachments);
        let id = state.attached.unwrap_or(NonZeroU64::MIN);
        drop(state);
        let driver = Driver {
            reactor: Arc::clone(self),
            id,
            budget: Arc::new(AtomicU32::new(DEFAULT_BUDGET.get())),
        };
        Ok(Attachment { driver, fd })
    }
}

/// The right to turn a reactor, for the author of an adapter.
///
/// The host loop's source owns it. It watches the descriptor ([`AsFd`]) for
/// reading, takes a [`turn`](Self::turn) when that is readable, and drops the
/// attachment when the host loop ends. Dropping it detaches.
///
/// The descriptor is the attachment's own: a host that still watches the one
/// of a driver that was detached may watch that of the next one, too. **Take it
/// out of the host before dropping the attachment**, because an epoll set does
/// not forget a closed descriptor as long as another one stands for the same
/// thing.
#[must_use = "dropping an Attachment detaches it"]
#[derive(Debug)]
pub struct Attachment {
    driver: Driver,
    /// A duplicate of the reactor's.
    fd: OwnedFd,
}

impl Attachment {
    /// Takes one turn: fetches what is ready, calls, frees, and does so again
    /// up to the budget while there is more. Sleeps before the first fetch
    /// until there is something to do, for `timeout` at most (`None`: without
    /// limit; zero: not at all, which is what a host wants that polls the
    /// descriptor itself). It may return early.
    ///
    /// While a [`drain`](Driver::drain) on another thread, or the last turn of
    /// the driver before this one, is calling back, it waits for that instead,
    /// for `timeout` at most, but not over 10 ms and not under 1 ms (also where
    /// `timeout` is zero), and returns without an iteration.
    ///
    /// # Errors
    ///
    /// - [`TurnError::Detached`] after [`Driver::detach`]: the source should
    ///   remove itself from the host loop.
    /// - [`TurnError::Busy`] if another thread is in a turn of this
    ///   attachment.
    /// - [`TurnError::Forked`] in a child process.
    /// - [`TurnError::Io`] if the kernel refuses to wait.
    ///
    /// # Panics
    ///
    /// When a callback panics, or its drop: the first such panic goes on after
    /// the iteration is done, with everything else served. An edge-triggered
    /// host that catches the panic **must** take another turn at once, as
    /// after [`pending`](Turn::pending).
    pub fn turn(&self, timeout: Option<Duration>) -> Result<Turn, TurnError> {
        let budget = NonZeroU32::new(self.driver.budget.load(Ordering::Relaxed));
        self.driver.reactor.turn_as(
            Caller::Attachment(self.driver.id),
            timeout,
            Extent::Iterations(budget.unwrap_or(DEFAULT_BUDGET)),
        )
    }

    /// Takes turns of one iteration, and sleeps in between, until it is
    /// [woken](Driver::wake); for a host that has the thread to itself. It may
    /// return early: what it waits for is the host's to know.
    ///
    /// That is what [`turn`](Self::turn) does when it is called again and again
    /// without a `timeout`, for less: a turn need not begin and end. The budget
    /// has no part in it.
    ///
    /// # Errors
    ///
    /// - As [`turn`](Self::turn).
    ///
    /// # Panics
    ///
    /// - As [`turn`](Self::turn).
    pub fn run(&self) -> Result<(), TurnError> {
        let caller = Caller::Attachment(self.driver.id);
        let reactor = &self.driver.reactor;
        reactor.turn_as(caller, None, Extent::UntilWoken).map(drop)
    }

    /// What to hand to the user.
    pub fn driver(&self) -> &Driver {
        &self.driver
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        // Those who drain may have relied on this driver.
        if self.driver.release() && self.driver.reactor.lock().drainers > 0 {
            self.driver.reactor.poller.kick();
        }
    }
}

impl AsFd for Attachment {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Attachment {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// The user's end of an attachment: stop driving, wind down, look.
///
/// Dropping it changes nothing; the host loop goes on. All methods work from
/// any thread, also after the host loop has ended.
#[derive(Clone)]
pub struct Driver {
    reactor: Arc<Reactor>,
    id: NonZeroU64,
    budget: Arc<AtomicU32>,
}

impl Driver {
    /// Stops driving. When this returns no further turn of this driver begins
    /// (one that is in progress sleeps no longer, and ends with its iteration),
    /// and another driver may be attached, on any thread and any kind of loop;
    /// registered watches and timers wait for it, and the six calls go on
    /// working.
    ///
    /// The host loop lets go of its source when it next finds the descriptor
    /// readable: at once, unless somebody else turns before.
    ///
    /// Doing it again does nothing.
    pub fn detach(&self) {
        if self.release() {
            // The host finds out when it looks at the descriptor, and lets go.
            self.reactor.wake();
        }
    }

    /// Whether it still drives the reactor.
    pub fn is_attached(&self) -> bool {
        !self.reactor.is_forked() && self.reactor.lock().attached == Some(self.id)
    }

    /// See [`Reactor::drain`].
    ///
    /// # Errors
    ///
    /// - [`NotDrained`], as there.
    ///
    /// # Panics
    ///
    /// When a callback panics, or its drop.
    pub fn drain(&self, limit: Duration) -> Result<(), NotDrained> {
        self.reactor.drain(limit)
    }

    /// Ends the turn that sleeps, or the next one that would.
    pub fn wake(&self) {
        self.reactor.wake();
    }

    /// What the reactor holds and has done.
    pub fn stats(&self) -> Stats {
        self.reactor.stats()
    }

    /// Sets how many iterations a turn may have: more is faster under load,
    /// fewer is fairer to the host loop's other sources.
    /// [`DEFAULT_BUDGET`] unless set. [`Attachment::run`] does not ask.
    pub fn set_budget(&self, iterations: NonZeroU32) {
        self.budget.store(iterations.get(), Ordering::Relaxed);
    }

    /// What is being driven.
    pub fn reactor(&self) -> &Arc<Reactor> {
        &self.reactor
    }

    /// Gives up the right to turn; true if it was still held.
    fn release(&self) -> bool {
        if self.reactor.is_forked() {
            return false;
        }
        let mut state = self.reactor.lock();
        let held = state.attached == Some(self.id);
        if held {
            state.attached = None;
        }
        held
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("reactor", &self.reactor)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
