//! libvirt's events on smol: the adapter of docs/writing-an-adapter.md, whole.
//!
//! The guide explains it step by step. What it promises:
//!
//! - Callbacks run wherever the executor runs its tasks, one at a time.
//! - A callback that panics is reported by the panic hook, and the loop goes on.
//! - A forked child must exec before it uses libvirt. Dropping things in it
//!   takes nothing from the parent.

use std::io;
use std::mem;
use std::ops::Deref;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use smol::{Async, Executor};
use virt_event_reactor::{Attachment, DrainStep, Driver, Reactor, TurnError};

/// Makes `executor` the loop of libvirt, once per process and before the first
/// connection is opened.
///
/// # Errors
///
/// - [`Error::Libvirt`] if libvirt has another loop.
/// - As [`attach`].
pub fn install(executor: &Executor<'_>) -> Result<Driver, Error> {
    let reactor = virt_event_libvirt::installed_or_install(Reactor::new)?;
    attach(&reactor, executor)
}

/// Drives `reactor` on `executor`, without telling libvirt.
///
/// # Errors
///
/// - [`Error::Attach`] if it has a driver, or belongs to the parent of this
///   process, or this process has no descriptor left.
/// - [`Error::Host`] if smol cannot watch it.
pub fn attach(reactor: &Arc<Reactor>, executor: &Executor<'_>) -> Result<Driver, Error> {
    let attachment = reactor.attach()?;
    let driver = attachment.driver().clone();
    let watched = Watched::new(attachment, reactor)?;
    executor.spawn(drive(watched)).detach();
    Ok(driver)
}

/// Turns until the driver is detached. Dropping the future detaches it, too.
async fn drive(watched: Watched<Attachment>) {
    loop {
        if let Err(error) = watched.readable().await {
            return tracing::error!(%error, "smol cannot watch libvirt's loop any more");
        }
        let turn = || watched.get_ref().turn(Some(Duration::ZERO));
        match catch_unwind(AssertUnwindSafe(turn)) {
            // If there is more to do, `readable` will say so.
            Ok(Ok(_)) => {}
            Ok(Err(TurnError::Detached)) => return,
            Ok(Err(error)) => return tracing::error!(%error, "libvirt's loop cannot go on"),
            // A callback panicked, and the panic hook has said so. What the
            // panic carries might panic again if it were dropped.
            Err(payload) => mem::forget(payload),
        }
    }
}

/// Waits until nothing is registered and nothing awaits freeing, for `limit` at
/// most. Drop every connection, and all that was made from one, before.
///
/// # Errors
///
/// - [`Error::NotDrained`], with a list of what is left.
/// - [`Error::Host`] if smol cannot watch the drain.
pub async fn drain(driver: &Driver, limit: Duration) -> Result<(), Error> {
    let reactor = driver.reactor();
    let draining = Watched::new(reactor.start_drain(limit)?, reactor)?;
    while draining.get_ref().step()? != DrainStep::Drained {
        draining.readable().await?;
    }
    Ok(())
}

/// A descriptor of the reactor's, with its owner, in smol's epoll set.
struct Watched<T> {
    /// Always there, until the drop.
    source: Option<Async<T>>,
    reactor: Arc<Reactor>,
}

impl<T: AsFd> Watched<T> {
    fn new(source: T, reactor: &Arc<Reactor>) -> io::Result<Self> {
        Ok(Self {
            source: Some(Async::new_nonblocking(source)?),
            reactor: Arc::clone(reactor),
        })
    }
}

impl<T> Deref for Watched<T> {
    type Target = Async<T>;

    fn deref(&self) -> &Async<T> {
        self.source.as_ref().expect("only drop takes it")
    }
}

impl<T> Drop for Watched<T> {
    /// A forked child must leave it in the set, which is the parent's, too.
    fn drop(&mut self) {
        if self.reactor.is_forked() {
            mem::forget(self.source.take());
        }
    }
}

/// Why it does not work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// libvirt was not to be had: see the variants there.
    #[error(transparent)]
    Libvirt(#[from] virt_event_libvirt::InstallError),

    /// The reactor has a driver, or belongs to the parent of this process.
    #[error(transparent)]
    Attach(#[from] virt_event_reactor::AttachError),

    /// The time for draining is over, and this is left.
    #[error(transparent)]
    NotDrained(#[from] virt_event_reactor::NotDrained),

    /// smol did not take the descriptor.
    #[error("smol cannot watch libvirt's loop: {0}")]
    Host(#[from] io::Error),
}
