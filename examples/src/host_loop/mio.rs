use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use virt_event_mio::mio::{Events, Poll, Token, Waker};
use virt_event_mio::{NotDrained, Reactor, Source};

use super::{HostLoop, Stopper};
use crate::Failure;

const STOP: Token = Token(0);
const LIBVIRT: Token = Token(1);

pub(super) struct Mio {
    poll: Poll,
    libvirt: Source,
    waker: Arc<Waker>,
}

impl Mio {
    pub(super) fn install() -> Result<Self, Failure> {
        let poll = Poll::new()?;
        let (libvirt, _) = virt_event_mio::install(poll.registry(), LIBVIRT)?;
        Self::new(poll, libvirt)
    }

    pub(super) fn attach(reactor: &Arc<Reactor>) -> Result<Self, Failure> {
        let poll = Poll::new()?;
        let (libvirt, _) = virt_event_mio::attach(reactor, poll.registry(), LIBVIRT)?;
        Self::new(poll, libvirt)
    }

    fn new(poll: Poll, libvirt: Source) -> Result<Self, Failure> {
        let waker = Arc::new(Waker::new(poll.registry(), STOP)?);
        Ok(Self {
            poll,
            libvirt,
            waker,
        })
    }
}

impl HostLoop for Mio {
    fn run(&mut self) -> Result<(), Failure> {
        let mut events = Events::with_capacity(8);
        let mut stopped = false;
        while !stopped {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
                _ => {}
            }
            for event in &events {
                match event.token() {
                    LIBVIRT => self.libvirt.dispatch()?,
                    _ => stopped = true,
                }
            }
        }
        Ok(())
    }

    fn stopper(&self) -> Stopper {
        let waker = Arc::clone(&self.waker);
        // It fails only when the counter is full, and then the poll is awake.
        Box::new(move || drop(waker.wake()))
    }

    fn drain(&mut self, limit: Duration) -> Result<(), NotDrained> {
        self.libvirt.driver().drain(limit)
    }

    fn detach(&self) {
        self.libvirt.driver().detach();
    }

    fn reactor(&self) -> Arc<Reactor> {
        Arc::clone(self.libvirt.driver().reactor())
    }
}
