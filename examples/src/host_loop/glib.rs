use std::sync::Arc;
use std::time::Duration;

use virt_event_glib::glib::{self, ControlFlow, MainContext, MainLoop, Priority};
use virt_event_glib::{Driver, NotDrained, Reactor};

use super::{HostLoop, Stopper};
use crate::Failure;

pub(super) struct Glib {
    main_loop: MainLoop,
    libvirt: Driver,
}

impl Glib {
    pub(super) fn install() -> Result<Self, Failure> {
        let context = MainContext::default();
        let libvirt = virt_event_glib::install(&context, Priority::DEFAULT)?;
        Ok(Self::new(&context, libvirt))
    }

    pub(super) fn attach(reactor: &Arc<Reactor>) -> Result<Self, Failure> {
        let context = MainContext::new();
        let libvirt = virt_event_glib::attach(reactor, &context, Priority::DEFAULT)?;
        Ok(Self::new(&context, libvirt))
    }

    fn new(context: &MainContext, libvirt: Driver) -> Self {
        Self {
            main_loop: MainLoop::new(Some(context), false),
            libvirt,
        }
    }
}

impl HostLoop for Glib {
    fn run(&mut self) -> Result<(), Failure> {
        self.main_loop.run();
        Ok(())
    }

    fn stopper(&self) -> Stopper {
        let main_loop = self.main_loop.clone();
        Box::new(move || {
            // `quit` alone does not count before the loop runs.
            let quits = main_loop.clone();
            let quit = glib::idle_source_new(None, Priority::DEFAULT, move || {
                quits.quit();
                ControlFlow::Break
            });
            quit.attach(Some(&main_loop.context()));
        })
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
