use std::sync::Arc;
use std::time::Duration;

use virt_event_calloop::calloop::EventLoop;
use virt_event_calloop::calloop::ping::{Ping, make_ping};
use virt_event_calloop::{Driver, NotDrained, Reactor};

use super::{HostLoop, Stopper};
use crate::Failure;

pub(super) struct Calloop {
    event_loop: EventLoop<'static, ()>,
    libvirt: Driver,
    stop: Ping,
}

impl Calloop {
    pub(super) fn install() -> Result<Self, Failure> {
        let event_loop = EventLoop::try_new()?;
        let libvirt = virt_event_calloop::install(&event_loop.handle())?;
        Self::new(event_loop, libvirt)
    }

    pub(super) fn attach(reactor: &Arc<Reactor>) -> Result<Self, Failure> {
        let event_loop = EventLoop::try_new()?;
        let libvirt = virt_event_calloop::attach(reactor, &event_loop.handle())?;
        Self::new(event_loop, libvirt)
    }

    fn new(event_loop: EventLoop<'static, ()>, libvirt: Driver) -> Result<Self, Failure> {
        // A `LoopSignal` alone does not count before the loop runs.
        let (stop, stopped) = make_ping()?;
        let signal = event_loop.get_signal();
        event_loop
            .handle()
            .insert_source(stopped, move |(), _, _| signal.stop())
            .map_err(|refused| refused.error)?;
        Ok(Self {
            event_loop,
            libvirt,
            stop,
        })
    }
}

impl HostLoop for Calloop {
    fn run(&mut self) -> Result<(), Failure> {
        Ok(self.event_loop.run(None, &mut (), |_| {})?)
    }

    fn stopper(&self) -> Stopper {
        let stop = self.stop.clone();
        Box::new(move || stop.ping())
    }

    fn drain(&mut self, limit: Duration) -> Result<(), NotDrained> {
        self.libvirt.drain(limit)
    }

    fn detach(&self) {
        self.libvirt.detach();
    }

    fn reactor(&self) -> Arc<Reactor> {
        Arc::clone(self.libvirt.reactor())
    }
}
