use std::sync::Arc;
use std::time::Duration;

use virt_event::{EventImpl, Period, TimeoutCallback, TimerId};
use virt_event_conformance::{Capabilities, Config, Subject};
use virt_event_libvirt::{LibvirtImpl, default_loop};

/// libvirt's own default loop. One for each process.
///
/// It has no way to run for a limited time, so that a turn arms a timer of its
/// own that ends it. That timer takes the first timer id, and is disabled
/// between turns; the cases do not notice it otherwise.
struct LibvirtDefault {
    events: Arc<LibvirtImpl>,
    alarm: TimerId,
}

pub(super) fn make(_: &Config) -> Box<dyn Subject> {
    let events = default_loop::register().expect("a process without a loop");
    let alarm = events
        .add_timeout(Period::DISABLED, TimeoutCallback::new(|_| {}))
        .expect("libvirt refuses no timer");
    Box::new(LibvirtDefault {
        events: Arc::new(events),
        alarm,
    })
}

impl Subject for LibvirtDefault {
    fn event_impl(&self) -> Arc<dyn EventImpl> {
        Arc::clone(&self.events) as Arc<dyn EventImpl>
    }

    /// None of what the project adds; nesting and `fork` are undefined.
    fn capabilities(&self) -> Capabilities {
        Capabilities::COUNTED
    }

    fn turn(&self, timeout: Duration) {
        self.events.update_timeout(self.alarm, timeout.into());
        default_loop::run_once().expect("an iteration");
        self.events.update_timeout(self.alarm, Period::DISABLED);
    }
}
