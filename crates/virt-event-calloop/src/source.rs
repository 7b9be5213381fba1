use std::io;
use std::sync::Arc;
use std::time::Duration;

use calloop::generic::Generic;
use calloop::{
    EventSource, Interest, LoopHandle, Mode, Poll, PostAction, Readiness, Token, TokenFactory,
};
use virt_event_reactor::{Attachment, Driver, Reactor, TurnError};

use crate::{AttachError, InstallError};

/// libvirt's events as an event source of calloop.
#[derive(Debug)]
#[must_use = "a source that is not inserted drives nothing"]
pub struct Source(Generic<Attachment>);

impl Source {
    /// A source to insert into an event loop.
    pub fn new(reactor: &Arc<Reactor>) -> Result<Self, AttachError> {
        let attachment = reactor.attach()?;
        Ok(Self(Generic::new(attachment, Interest::READ, Mode::Level)))
    }

    /// What to keep elsewhere: detach, drain, statistics, the budget.
    pub fn driver(&self) -> &Driver {
        self.0.get_ref().driver()
    }
}

impl EventSource for Source {
    type Event = ();
    type Metadata = ();
    type Ret = ();
    type Error = io::Error;

    fn process_events<F>(
        &mut self,
        readiness: Readiness,
        token: Token,
        _callback: F,
    ) -> io::Result<PostAction>
    where
        F: FnMut((), &mut ()),
    {
        self.0.process_events(readiness, token, |_, attachment| {
            match attachment.turn(Some(Duration::ZERO)) {
                Ok(_) | Err(TurnError::Busy) => Ok(PostAction::Continue),
                Err(TurnError::Io(error)) => Err(error),
                Err(_) => Ok(PostAction::Remove),
            }
        })
    }

    fn register(&mut self, poll: &mut Poll, factory: &mut TokenFactory) -> calloop::Result<()> {
        self.0.register(poll, factory)
    }

    fn reregister(&mut self, poll: &mut Poll, factory: &mut TokenFactory) -> calloop::Result<()> {
        self.0.reregister(poll, factory)
    }

    fn unregister(&mut self, poll: &mut Poll) -> calloop::Result<()> {
        self.0.unregister(poll)
    }
}

/// Drives a reactor from a calloop event loop.
pub fn attach<Data>(
    reactor: &Arc<Reactor>,
    handle: &LoopHandle<'_, Data>,
) -> Result<Driver, AttachError> {
    let source = Source::new(reactor)?;
    let driver = source.driver().clone();
    handle
        .insert_source(source, |(), _, _| {})
        .map_err(|refused| AttachError::Insert(refused.error))?;
    Ok(driver)
}

/// Makes a calloop event loop the loop of libvirt.
pub fn install<Data>(handle: &LoopHandle<'_, Data>) -> Result<Driver, InstallError> {
    let reactor = virt_event_libvirt::installed_or_install(Reactor::new)?;
    Ok(attach(&reactor, handle)?)
}
