use std::sync::Arc;
use std::time::Duration;

use virt_event_glib::glib::{self, ControlFlow, MainContext, Priority};
use virt_event_glib::{Driver, NotDrained, Reactor};

use super::hosted::Host;

/// A main context of its own, as a GLib program has on a thread.
pub(super) struct Glib(MainContext);

impl Host for Glib {
    type Driver = Driver;

    fn new() -> Self {
        Self(MainContext::new())
    }

    fn attach(&self, reactor: &Arc<Reactor>) -> Result<Driver, String> {
        virt_event_glib::attach(reactor, &self.0, Priority::DEFAULT)
            .map_err(|error| error.to_string())
    }

    fn drain(&self, driver: &Driver, limit: Duration) -> Result<(), NotDrained> {
        driver.drain(limit)
    }

    fn turn(&self, timeout: Duration) {
        let iterated = self.0.with_thread_default(|| {
            if timeout.is_zero() {
                self.0.iteration(false);
                return;
            }
            // Whole milliseconds, never early.
            let limit = Duration::from_millis(timeout.as_nanos().div_ceil(1_000_000) as u64);
            let alarm =
                glib::timeout_source_new(limit, None, Priority::DEFAULT, || ControlFlow::Continue);
            alarm.attach(Some(&self.0));
            self.0.iteration(true);
            alarm.destroy();
        });
        iterated.expect("a context of this thread");
    }

    /// A context may nest, as under a modal dialog.
    fn nested_turn(&self, _: &Arc<Reactor>) -> Box<dyn Fn() + Send + Sync> {
        Box::new(|| {
            // A callback that held the context, which holds the callback, would
            // keep both alive.
            let context = MainContext::ref_thread_default();
            context.iteration(false);
        })
    }
}
