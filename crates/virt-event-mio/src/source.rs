use std::io;
use std::mem;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token, event};
use virt_event_reactor::{Attachment, Driver, Reactor, Turn, TurnError};

use crate::AttachError;

/// libvirt's events as an event source of mio.
///
/// [`attach`](crate::attach) and [`install`](crate::install) make one and
/// register it. Whenever its token fires, the program **must** call
/// [`dispatch`](Self::dispatch): mio tells each change once.
///
/// It is registered with one `Poll` at a time, for reading; registering it with
/// another one takes it out of the first. While it is not registered, nobody
/// runs libvirt's callbacks, and nothing is lost: a registration fires at once
/// if there is something to do. Dropping it deregisters and detaches: another
/// driver may be attached.
///
/// It keeps a clone of the registry, and so the kernel's part of the `Poll`,
/// until it is deregistered or dropped. That is harmless if the `Poll` goes
/// first.
#[derive(Debug)]
#[must_use = "a source that is dropped drives nothing"]
pub struct Source {
    attachment: Attachment,
    /// Where it is registered.
    registration: Option<(Registry, Token)>,
}

impl Source {
    /// A source that is not registered yet. It drives the reactor from now on:
    /// nobody else can.
    ///
    /// # Errors
    ///
    /// - [`AttachError::Reactor`] if the reactor has a driver, or belongs to
    ///   the parent of this process, or this process has no descriptor left.
    pub fn new(reactor: &Arc<Reactor>) -> Result<Self, AttachError> {
        Ok(Self {
            attachment: reactor.attach()?,
            registration: None,
        })
    }

    /// Calls what is ready, and frees what was removed; to be called whenever
    /// the token fires, and allowed at any time. It does not sleep, but for 1 ms
    /// if a drain on another thread, or the last turn of the driver before this
    /// one, is inside a callback.
    ///
    /// It is bounded by the driver's [budget](Driver::set_budget). If there may
    /// be more to do, it has the token fire again, after the poll's other
    /// sources had their turn.
    ///
    /// May be called inside a callback: everything but the callbacks that are
    /// running is served then.
    ///
    /// # Errors
    ///
    /// - [`TurnError::Detached`] after [`Driver::detach`]: deregister the
    ///   source, or drop it.
    /// - [`TurnError::Forked`] in a child process.
    /// - [`TurnError::Busy`] while another thread is in this method; the token
    ///   fires again.
    /// - [`TurnError::Io`] if the kernel refuses to tell what is ready; the token
    ///   fires again.
    ///
    /// # Panics
    ///
    /// When a callback panics, or its drop; everything else has been served
    /// then. A program that catches the panic may go on polling: the token
    /// fires again if there is more to do.
    pub fn dispatch(&self) -> Result<(), TurnError> {
        // A wake-up that came while callbacks ran may have been used up by
        // whoever called this, however it ends.
        let rearm = Rearm(self);
        let outcome = self.attachment.turn(Some(Duration::ZERO));
        if let Ok(Turn { pending: false, .. }) | Err(TurnError::Detached | TurnError::Forked) =
            outcome
        {
            mem::forget(rearm);
        }
        outcome.map(drop)
    }

    /// What to keep elsewhere: detach, drain, statistics, the budget.
    pub fn driver(&self) -> &Driver {
        self.attachment.driver()
    }

    fn not_in_a_fork(&self) -> io::Result<()> {
        if self.driver().reactor().is_forked() {
            return Err(io::Error::other(TurnError::Forked));
        }
        Ok(())
    }
}

/// Has the token fire, if there is something to do, when it is dropped.
struct Rearm<'a>(&'a Source);

impl Drop for Rearm<'_> {
    fn drop(&mut self) {
        let source = self.0;
        // A source that is not registered fires when it is.
        if let Some((registry, token)) = &source.registration {
            // The kernel looks at a descriptor anew when its registration is
            // changed, even to the same. A kick of the reactor would do, too,
            // for more system calls.
            let fd = source.attachment.as_raw_fd();
            if registry
                .reregister(&mut SourceFd(&fd), *token, Interest::READABLE)
                .is_err()
            {
                source.driver().wake();
            }
        }
    }
}

/// Each of them is refused in a forked child, whose set is its parent's, too.
impl event::Source for Source {
    /// `interests` must have `READABLE`; anything else there is of no use and
    /// ignored.
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        self.not_in_a_fork()?;
        let interests = readable(interests)?;
        let kept = registry.try_clone()?;
        registry.register(
            &mut SourceFd(&self.attachment.as_raw_fd()),
            token,
            interests,
        )?;
        // Had it been in the same poll, the kernel would have refused it.
        if let Some((other, _)) = self.registration.replace((kept, token)) {
            other.deregister(&mut SourceFd(&self.attachment.as_raw_fd()))?;
        }
        Ok(())
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        self.not_in_a_fork()?;
        let interests = readable(interests)?;
        registry.reregister(
            &mut SourceFd(&self.attachment.as_raw_fd()),
            token,
            interests,
        )?;
        if let Some((_, registered)) = &mut self.registration {
            *registered = token;
        }
        Ok(())
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.not_in_a_fork()?;
        registry.deregister(&mut SourceFd(&self.attachment.as_raw_fd()))?;
        self.registration = None;
        Ok(())
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if self.driver().reactor().is_forked() {
            return;
        }
        // Closing the descriptor would leave it there: there are others for the
        // same file.
        if let Some((registry, _)) = self.registration.take() {
            // It fails if somebody took it out already.
            let _ = registry.deregister(&mut SourceFd(&self.attachment.as_raw_fd()));
        }
    }
}

fn readable(interests: Interest) -> io::Result<Interest> {
    if interests.is_readable() {
        Ok(Interest::READABLE)
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "libvirt's source becomes readable and nothing else: register it with Interest::READABLE",
        ))
    }
}
