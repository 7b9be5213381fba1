use std::cell::RefCell;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use virt_event_mio::mio::{Events, Poll, Token};
use virt_event_mio::{Driver, NotDrained, Reactor, Source, TurnError};

use super::hosted::Host;

const LIBVIRT: Token = Token(7);

/// A program's own `mio::Poll`.
pub(super) struct Mio {
    poll: RefCell<Poll>,
    source: RefCell<Option<Arc<Source>>>,
}

impl Host for Mio {
    type Driver = Driver;

    fn new() -> Self {
        Self {
            poll: RefCell::new(Poll::new().expect("an epoll instance")),
            source: RefCell::default(),
        }
    }

    fn attach(&self, reactor: &Arc<Reactor>) -> Result<Driver, String> {
        if let Some(detached) = self.source.take() {
            self.deregister(detached);
        }
        let poll = self.poll.borrow();
        let (source, driver) = virt_event_mio::attach(reactor, poll.registry(), LIBVIRT)
            .map_err(|error| error.to_string())?;
        self.source.replace(Some(Arc::new(source)));
        Ok(driver)
    }

    fn drain(&self, driver: &Driver, limit: Duration) -> Result<(), NotDrained> {
        driver.drain(limit)
    }

    fn turn(&self, timeout: Duration) {
        let mut events = Events::with_capacity(4);
        match self.poll.borrow_mut().poll(&mut events, Some(timeout)) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => return,
            Err(error) => panic!("poll failed: {error}"),
        }
        if events.iter().any(|event| event.token() == LIBVIRT) {
            let source = self.source.borrow().clone();
            match source.expect("a registered source").dispatch() {
                Ok(()) | Err(TurnError::Detached) => {}
                Err(error) => panic!("a dispatch failed: {error}"),
            }
        }
    }

    /// mio's own poll may not nest, but a dispatch may.
    fn nested_turn(&self, _: &Arc<Reactor>) -> Box<dyn Fn() + Send + Sync> {
        let source = self.source.borrow();
        let source = Arc::downgrade(source.as_ref().expect("a registered source"));
        Box::new(move || {
            if let Some(source) = source.upgrade() {
                source.dispatch().expect("a nested dispatch");
            }
        })
    }
}

impl Mio {
    /// As a program does that goes on without libvirt.
    fn deregister(&self, source: Arc<Source>) {
        if let Ok(mut source) = Arc::try_unwrap(source) {
            let poll = self.poll.borrow();
            let removed = poll.registry().deregister(&mut source);
            removed.expect("a registered source");
        }
    }
}
