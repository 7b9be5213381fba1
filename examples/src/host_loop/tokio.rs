use std::sync::Arc;
use std::time::Duration;

use virt_event_tokio::tokio::runtime::{Builder, Runtime};
use virt_event_tokio::tokio::sync::Notify;
use virt_event_tokio::{Driver, NotDrained, Reactor};

use super::{HostLoop, Stopper};
use crate::Failure;

pub(super) struct Tokio {
    runtime: Runtime,
    libvirt: Driver,
    stopped: Arc<Notify>,
}

impl Tokio {
    pub(super) fn install() -> Result<Self, Failure> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let libvirt = virt_event_tokio::install_on(runtime.handle())?;
        Ok(Self::new(runtime, libvirt))
    }

    pub(super) fn attach(reactor: &Arc<Reactor>) -> Result<Self, Failure> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let libvirt = virt_event_tokio::attach_on(reactor, runtime.handle())?;
        Ok(Self::new(runtime, libvirt))
    }

    fn new(runtime: Runtime, libvirt: Driver) -> Self {
        Self {
            runtime,
            libvirt,
            stopped: Arc::default(),
        }
    }
}

impl HostLoop for Tokio {
    fn run(&mut self) -> Result<(), Failure> {
        self.runtime.block_on(self.stopped.notified());
        Ok(())
    }

    fn stopper(&self) -> Stopper {
        let stopped = Arc::clone(&self.stopped);
        Box::new(move || stopped.notify_one())
    }

    fn drain(&mut self, limit: Duration) -> Result<(), NotDrained> {
        self.runtime.block_on(self.libvirt.drain(limit))
    }

    fn detach(&self) {
        self.libvirt.detach();
    }

    fn reactor(&self) -> Arc<Reactor> {
        Arc::clone(self.libvirt.reactor())
    }
}
