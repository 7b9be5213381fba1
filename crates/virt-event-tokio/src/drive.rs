use std::future::Future;
use std::mem;
use std::num::NonZeroU32;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::{block_in_place, yield_now};
use virt_event_reactor::{Attachment, Reactor, TurnError};

use crate::async_fd::{Watched, register};
use crate::attach::{current, installed_reactor};
use crate::{AttachError, Driver, InstallError};

/// The driver as a future, for a program that spawns or selects on it itself.
///
/// Callbacks run where it is polled: in a `LocalSet`, for instance, on the
/// thread of the set. It drives the reactor only while it is polled, and until
/// it is dropped or resolves:
///
/// - to `Ok` after [`Driver::detach`];
/// - to [`TurnError::Io`] if the runtime it was made on is shut down while
///   another one polls it, or if the kernel refuses to wait;
/// - to [`TurnError::Forked`] in a child process.
///
/// A callback's panic does not end it: the panic hook reports the panic, and
/// the future goes on, because every connection depends on it.
///
/// Unlike the task of [`install`](crate::install) and
/// [`attach`](crate::attach), it does not tell the runtime that callbacks may
/// block, because it cannot know who polls it: [a callback that
/// blocks](crate#callbacks-that-block) stops whatever shares its thread, and
/// can stop all timers and sockets of a multi-thread runtime.
///
/// ```
/// use std::time::Duration;
/// use virt_event_tokio::{Drive, Reactor};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut drive = Drive::new(&Reactor::new()?)?; // or Drive::install()?
/// let the_work = async {
///     // …
/// #   tokio::time::sleep(Duration::from_millis(1)).await;
/// };
/// tokio::select! {
///     ended = &mut drive => ended?,
///     () = the_work => {}
/// }
/// drive.driver().drain(Duration::from_secs(5)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a future does nothing unless it is polled, and dropping this one detaches the driver"]
pub struct Drive {
    driver: Driver,
    watched: Watched<Attachment>,
}

/// In [`block_in_place`] the others do not wait for a turn, and it is the
/// beginning of a turn that costs.
const IN_PLACE_BUDGET: NonZeroU32 = NonZeroU32::new(64).unwrap();

impl Drive {
    /// Gives libvirt a reactor as [`install`](crate::install) does, to be
    /// driven by this future.
    ///
    /// # Errors
    ///
    /// - As [`install`](crate::install).
    #[doc(alias = "virEventRegisterImpl")]
    pub fn install() -> Result<Self, InstallError> {
        let handle = current()?;
        Ok(Self::on(&installed_reactor()?, &handle)?)
    }

    /// Drives a reactor, without telling libvirt. The current runtime watches
    /// its descriptor.
    ///
    /// # Errors
    ///
    /// - As [`attach`](crate::attach).
    pub fn new(reactor: &Arc<Reactor>) -> Result<Self, AttachError> {
        Self::on(reactor, &current()?)
    }

    /// To be spawned on the runtime of `handle`, and nowhere else.
    pub(crate) fn spawned_on(reactor: &Arc<Reactor>, handle: &Handle) -> Result<Self, AttachError> {
        let drive = Self::on(reactor, handle)?;
        // It panics on every other flavor.
        if handle.runtime_flavor() == RuntimeFlavor::MultiThread {
            drive.driver.shared().set_in_place();
            drive.driver.set_budget(IN_PLACE_BUDGET);
        }
        Ok(drive)
    }

    fn on(reactor: &Arc<Reactor>, handle: &Handle) -> Result<Self, AttachError> {
        let attachment = reactor.attach()?;
        Ok(Self {
            driver: Driver::new(attachment.driver().clone()),
            watched: register(attachment, handle)?,
        })
    }

    /// What to keep elsewhere: detach, drain, statistics, the budget.
    pub fn driver(&self) -> &Driver {
        &self.driver
    }

    /// Takes a turn; true if there may be more to do at once.
    fn turn(&self) -> Result<bool, TurnError> {
        let turn = || {
            let turn = || self.watched.get_ref().turn(Some(Duration::ZERO));
            match catch_unwind(AssertUnwindSafe(turn)) {
                Ok(turned) => turned.map(|turn| turn.pending),
                // The reactor is consistent after a panic (contract C8), and
                // owes a turn. What the panic carries may panic, too.
                Err(panic) => {
                    mem::forget(panic);
                    Ok(true)
                }
            }
        };
        if self.driver.shared().is_in_place() {
            block_in_place(turn)
        } else {
            turn()
        }
    }

    /// Turns until it has to wait, or has been polled for long enough.
    fn poll_turns(&self, cx: &mut Context<'_>) -> Poll<Result<(), TurnError>> {
        loop {
            // It counts against the budget that tokio gives a task.
            let mut guard = ready!(self.watched.poll_read_ready(cx))?;
            if self.turn()? {
                // The readiness stays, for there will be no new edge. The waker
                // is called when others have had their turn, and those who wait
                // for IO theirs.
                let _ = pin!(yield_now()).poll(cx);
                return Poll::Pending;
            }
            guard.clear_ready();
        }
    }
}

impl Drop for Drive {
    fn drop(&mut self) {
        if !self.driver.reactor().is_forked() {
            self.driver.shared().forget_waker();
        }
    }
}

impl Future for Drive {
    type Output = Result<(), TurnError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let shared = self.driver.shared();
        let ended = if self.driver.reactor().is_forked() {
            Err(TurnError::Forked)
        } else if shared.is_detached(cx) {
            Err(TurnError::Detached)
        } else {
            ready!(self.poll_turns(cx))
        };
        // Whoever keeps the future must not keep others from driving.
        self.driver.detach();
        Poll::Ready(match ended {
            Err(TurnError::Detached) => Ok(()),
            ended => ended,
        })
    }
}
