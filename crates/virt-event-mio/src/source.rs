use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token, event};
use virt_event_reactor::{Attachment, Driver, Reactor, TurnError};

use crate::{AttachError, InstallError};

/// libvirt's events as an event source of mio.
#[derive(Debug)]
#[must_use = "a source that is dropped drives nothing"]
pub struct Source {
    attachment: Attachment,
    /// Where it is registered.
    registration: Option<(Registry, Token)>,
}

impl Source {
    /// A source that is not registered yet.
    pub fn new(reactor: &Arc<Reactor>) -> Result<Self, AttachError> {
        Ok(Self {
            attachment: reactor.attach()?,
            registration: None,
        })
    }

    /// Serves what is ready; to be called whenever the token fires.
    pub fn dispatch(&self) -> Result<(), TurnError> {
        let turn = self.attachment.turn(Some(Duration::ZERO))?;
        if turn.pending {
            self.rearm()?;
        }
        Ok(())
    }

    /// What to keep elsewhere: detach, drain, statistics, the budget.
    pub fn driver(&self) -> &Driver {
        self.attachment.driver()
    }

    /// Has mio look at the descriptor anew: if it is readable, that is an edge.
    fn rearm(&self) -> io::Result<()> {
        match &self.registration {
            Some((registry, token)) => registry.reregister(
                &mut SourceFd(&self.attachment.as_raw_fd()),
                *token,
                Interest::READABLE,
            ),
            None => Ok(()),
        }
    }
}

impl event::Source for Source {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        let kept = registry.try_clone()?;
        SourceFd(&self.attachment.as_raw_fd()).register(registry, token, interests)?;
        self.registration = Some((kept, token));
        Ok(())
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        let kept = registry.try_clone()?;
        SourceFd(&self.attachment.as_raw_fd()).reregister(registry, token, interests)?;
        self.registration = Some((kept, token));
        Ok(())
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        SourceFd(&self.attachment.as_raw_fd()).deregister(registry)?;
        self.registration = None;
        Ok(())
    }
}

/// Drives a reactor from a `mio::Poll`.
pub fn attach(
    reactor: &Arc<Reactor>,
    registry: &Registry,
    token: Token,
) -> Result<(Source, Driver), AttachError> {
    let mut source = Source::new(reactor)?;
    registry
        .register(&mut source, token, Interest::READABLE)
        .map_err(AttachError::Register)?;
    let driver = source.driver().clone();
    Ok((source, driver))
}

/// Makes a `mio::Poll` the loop of libvirt.
pub fn install(registry: &Registry, token: Token) -> Result<(Source, Driver), InstallError> {
    let reactor = virt_event_libvirt::installed_or_install(Reactor::new)?;
    Ok(attach(&reactor, registry, token)?)
}
