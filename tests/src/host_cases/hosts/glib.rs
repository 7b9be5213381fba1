use std::sync::Arc;
use std::time::Duration;

use virt_event_examples::Failure;
use virt_event_examples::host_loop::Stopper;
use virt_event_glib::Reactor;
use virt_event_glib::glib::{self, ControlFlow, MainContext, MainLoop, Priority};

use crate::host_cases::{Detach, Own, Program};

/// A main context of its own. Everything in it has the same priority.
pub(in crate::host_cases) struct Glib(MainLoop);

impl Glib {
    pub(in crate::host_cases) fn new() -> Self {
        Self(MainLoop::new(Some(&MainContext::new()), false))
    }
}

impl Program for Glib {
    fn attach(&mut self, reactor: &Arc<Reactor>) -> Result<Detach, Failure> {
        let driver = virt_event_glib::attach(reactor, &self.0.context(), Priority::DEFAULT)?;
        Ok(Box::new(move || driver.detach()))
    }

    fn add_sources(&mut self, _: &Arc<Reactor>) -> Vec<Own> {
        let always = Own::always_ready("a source that is always ready");
        let paced = Own::paced("a timeout");
        let own = always.clone();
        let source = glib::idle_source_new(None, Priority::DEFAULT, move || {
            own.serve();
            ControlFlow::Continue
        });
        source.attach(Some(&self.0.context()));
        let own = paced.clone();
        let pace = Duration::from_millis(1);
        let source = glib::timeout_source_new(pace, None, Priority::DEFAULT, move || {
            own.serve();
            ControlFlow::Continue
        });
        source.attach(Some(&self.0.context()));
        vec![always, paced]
    }

    fn run(&mut self) -> Result<(), Failure> {
        self.0.run();
        Ok(())
    }

    fn stopper(&self) -> Stopper {
        let main_loop = self.0.clone();
        Box::new(move || {
            let quits = main_loop.clone();
            // `quit` alone does not count before the loop runs.
            let quit = glib::idle_source_new(None, Priority::DEFAULT, move || {
                quits.quit();
                ControlFlow::Break
            });
            quit.attach(Some(&main_loop.context()));
        })
    }
}
