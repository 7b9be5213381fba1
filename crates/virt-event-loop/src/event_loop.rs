use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use virt_event_reactor::{AttachError, Attachment, Driver, NotDrained, Reactor, TurnError};

use crate::InstallError;

/// The built-in loop: it sleeps in the kernel until libvirt, or a watch or
/// timer of yours, has something to do.
///
/// One thread runs it, and callbacks run there. `&self` methods work from any
/// thread; running it on two at a time is an error for the second. Dropping it
/// stops driving: what is registered stays registered, and waits for another
/// driver.
#[derive(Debug)]
#[must_use = "a loop that is not run serves nobody"]
pub struct EventLoop {
    attachment: Attachment,
    stopped: Arc<AtomicBool>,
    /// How many runs are under way, one inside a callback of the other.
    runs: AtomicU32,
}

impl EventLoop {
    /// Gives libvirt this loop, once per process and before the first
    /// connection is opened. Applications call this; libraries never do.
    ///
    /// If a reactor of ours is installed already and nobody drives it any
    /// more, this drives it.
    ///
    /// # Errors
    ///
    /// - [`InstallError::Libvirt`] if libvirt has another loop already, or the
    ///   system has no descriptors to give.
    /// - [`InstallError::Attach`] if our reactor is installed and has a driver.
    #[doc(alias = "virEventRegisterDefaultImpl")]
    pub fn install() -> Result<Self, InstallError> {
        let reactor = virt_event_libvirt::installed_or_install(Reactor::new)?;
        Ok(Self::attach(&reactor)?)
    }

    /// Drives a reactor, without telling libvirt.
    ///
    /// # Errors
    ///
    /// - [`AttachError::AlreadyAttached`] while it has another driver.
    /// - [`AttachError::Forked`] in a child process.
    pub fn attach(reactor: &Arc<Reactor>) -> Result<Self, AttachError> {
        let attachment = reactor.attach()?;
        // There is no other source to be fair to, and a turn that ends after
        // one iteration need not look whether there is more.
        attachment.driver().set_budget(NonZeroU32::MIN);
        Ok(Self {
            attachment,
            stopped: Arc::new(AtomicBool::new(false)),
            runs: AtomicU32::new(0),
        })
    }

    /// Runs one iteration: sleeps until there is something to do, for
    /// `timeout` at most (`None`: without limit), does it, and returns. It may
    /// return early.
    ///
    /// May be called inside a callback: everything but the callbacks that are
    /// running is served then.
    ///
    /// # Errors
    ///
    /// - [`TurnError::Busy`] while another thread runs the loop.
    /// - [`TurnError::Detached`] after [`Driver::detach`].
    /// - [`TurnError::Forked`] in a child process.
    /// - [`TurnError::Io`] if the kernel refuses to wait.
    ///
    /// # Panics
    ///
    /// When a callback panics, or its drop; everything else has been served
    /// then, and the loop can be run again.
    #[doc(alias = "virEventRunDefaultImpl")]
    pub fn run_once(&self, timeout: Option<Duration>) -> Result<(), TurnError> {
        self.attachment.turn(timeout).map(drop)
    }

    /// Runs until [`LoopHandle::stop`]; a stop that came before counts, once.
    /// A run inside a callback ends with the one outside, by the same stop.
    ///
    /// # Errors
    ///
    /// - As [`run_once`](Self::run_once).
    ///
    /// # Panics
    ///
    /// When a callback panics, or its drop; everything else has been served
    /// then, and the loop can be run again.
    pub fn run(&self) -> Result<(), TurnError> {
        let run = Run::begin(self);
        while !self.stopped.load(Ordering::SeqCst) {
            self.attachment.run()?;
        }
        run.end_by_stop();
        Ok(())
    }

    /// A handle that stops or wakes this loop from any thread.
    pub fn handle(&self) -> LoopHandle {
        LoopHandle {
            driver: self.driver().clone(),
            stopped: Arc::clone(&self.stopped),
        }
    }

    /// Runs, on the calling thread, until nothing is registered and nothing
    /// awaits freeing; see [`Reactor::drain`]. Drop every connection, and every
    /// object made from one, before.
    ///
    /// # Errors
    ///
    /// - [`NotDrained`], with a list of what is left, when `limit` is over.
    ///
    /// # Panics
    ///
    /// When a callback panics, or its drop.
    pub fn drain(&self, limit: Duration) -> Result<(), NotDrained> {
        self.driver().drain(limit)
    }

    /// Makes up for a stop that nothing was left to take.
    pub(crate) fn forget_stop(&self) {
        self.stopped.store(false, Ordering::SeqCst);
    }

    /// Detach, statistics, the reactor.
    pub fn driver(&self) -> &Driver {
        self.attachment.driver()
    }
}

/// A run under way; counted as ended when it is dropped, also by a panic.
struct Run<'a> {
    event_loop: &'a EventLoop,
    is_outermost: bool,
}

impl<'a> Run<'a> {
    fn begin(event_loop: &'a EventLoop) -> Self {
        let outer = event_loop.runs.fetch_add(1, Ordering::SeqCst);
        Self {
            event_loop,
            is_outermost: outer == 0,
        }
    }

    /// The outermost run takes the stop, after all inside it have seen it.
    fn end_by_stop(self) {
        if self.is_outermost {
            self.event_loop.forget_stop();
        }
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.event_loop.runs.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Stops or wakes an [`EventLoop`] from any thread, also before it runs and
/// after it is gone.
///
/// Both take no lock, allocate nothing, and write to one descriptor: on Linux
/// they may be called from a signal handler. (Cloning or dropping a handle may
/// not.)
#[derive(Clone, Debug)]
pub struct LoopHandle {
    driver: Driver,
    stopped: Arc<AtomicBool>,
}

impl LoopHandle {
    /// Ends [`EventLoop::run`], or the next one.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.driver.wake();
    }

    /// Ends the iteration that sleeps, or the next one that would.
    pub fn wake(&self) {
        self.driver.wake();
    }
}
