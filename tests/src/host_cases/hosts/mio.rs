use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use virt_event_conformance::fixtures::{EventFd, eventfd};
use virt_event_examples::Failure;
use virt_event_examples::host_loop::Stopper;
use virt_event_mio::mio::unix::SourceFd;
use virt_event_mio::mio::{Events, Interest, Poll, Token, Waker};
use virt_event_mio::{Reactor, Source, TurnError};

use crate::host_cases::{Detach, Own, Program};

const STOP: Token = Token(0);
const OWN: Token = Token(1);
/// The first of libvirt's.
const LIBVIRT: usize = 2;

/// A `mio::Poll`.
pub(in crate::host_cases) struct Mio {
    poll: Poll,
    waker: Arc<Waker>,
    own: Option<(Own, EventFd)>,
    /// One for each time that it was attached, until it is found detached.
    sources: Vec<Option<Source>>,
}

impl Mio {
    pub(in crate::host_cases) fn new() -> Self {
        let poll = Poll::new().expect("an epoll set");
        let waker = Waker::new(poll.registry(), STOP).expect("a waker");
        Self {
            poll,
            waker: Arc::new(waker),
            own: None,
            sources: Vec::new(),
        }
    }

    fn dispatch(&mut self, index: usize) -> Result<(), Failure> {
        let slot = &mut self.sources[index];
        match slot.as_ref().map(Source::dispatch) {
            Some(Err(TurnError::Detached)) => *slot = None,
            Some(dispatched) => dispatched?,
            None => {}
        }
        Ok(())
    }
}

impl Program for Mio {
    fn attach(&mut self, reactor: &Arc<Reactor>) -> Result<Detach, Failure> {
        let token = Token(LIBVIRT + self.sources.len());
        let (source, driver) = virt_event_mio::attach(reactor, self.poll.registry(), token)?;
        self.sources.push(Some(source));
        Ok(Box::new(move || driver.detach()))
    }

    fn add_sources(&mut self, _: &Arc<Reactor>) -> Vec<Own> {
        let own = Own::always_ready("a descriptor");
        let source = eventfd();
        source.kick();
        self.poll
            .registry()
            .register(&mut SourceFd(&source.as_raw_fd()), OWN, Interest::READABLE)
            .expect("room for a descriptor");
        self.own = Some((own.clone(), source));
        vec![own]
    }

    fn run(&mut self) -> Result<(), Failure> {
        let mut events = Events::with_capacity(8);
        let mut stopped = false;
        while !stopped {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
                _ => {}
            }
            for event in &events {
                match (event.token(), &self.own) {
                    (STOP, _) => stopped = true,
                    (OWN, Some((own, source))) => {
                        own.serve();
                        // A new edge.
                        source.kick();
                    }
                    (token, _) => self.dispatch(token.0 - LIBVIRT)?,
                }
            }
        }
        Ok(())
    }

    fn stopper(&self) -> Stopper {
        let waker = Arc::clone(&self.waker);
        Box::new(move || waker.wake().expect("room in the counter"))
    }
}
