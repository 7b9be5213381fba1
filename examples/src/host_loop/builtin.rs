use std::sync::Arc;
use std::time::Duration;

use virt_event_loop::EventLoop;
use virt_event_reactor::{NotDrained, Reactor};

use super::{HostLoop, Stopper};
use crate::Failure;

pub(super) struct Builtin(EventLoop);

impl Builtin {
    pub(super) fn install() -> Result<Self, Failure> {
        Ok(Self(EventLoop::install()?))
    }

    pub(super) fn attach(reactor: &Arc<Reactor>) -> Result<Self, Failure> {
        Ok(Self(EventLoop::attach(reactor)?))
    }
}

impl HostLoop for Builtin {
    fn run(&mut self) -> Result<(), Failure> {
        Ok(self.0.run()?)
    }

    fn stopper(&self) -> Stopper {
        let handle = self.0.handle();
        Box::new(move || handle.stop())
    }

    fn drain(&mut self, limit: Duration) -> Result<(), NotDrained> {
        self.0.driver().drain(limit)
    }

    fn detach(&self) {
        self.0.driver().detach();
    }

    fn reactor(&self) -> Arc<Reactor> {
        Arc::clone(self.0.driver().reactor())
    }
}
