//! A live connection of libvirt's, whose events are counted.

use std::sync::Arc;

use virt::connect::Connect;
use virt::domain::Domain;
use virt_event_monitor::domain::Lifecycle;
use virt_event_monitor::{Monitor, Subscription};

use super::bell::Bell;

/// libvirt's built-in test hypervisor, with a subscription to its events.
pub(super) struct Connection {
    // Dropped in this order: the last one closes the connection.
    _subscription: Subscription,
    domain: Domain,
    _connection: Connect,
    seen: Arc<Bell>,
    /// How many events there must be.
    expected: u64,
    paused: bool,
}

impl Connection {
    pub(super) fn open() -> Self {
        let connection = Connect::open(Some("test:///default")).expect("libvirt's test driver");
        let seen = Arc::new(Bell::default());
        let bell = Arc::clone(&seen);
        let monitor = Monitor::new(&connection).expect("it is the only one");
        let subscription = monitor
            .subscribe::<Lifecycle>()
            .callback(move |_| bell.ring());
        let domain = connection.lookup_domain_by_name("test");
        Self {
            _subscription: subscription.expect("a subscription"),
            domain: domain.expect("the driver's only domain"),
            _connection: connection,
            seen,
            expected: 0,
            paused: false,
        }
    }

    /// Makes one event happen.
    pub(super) fn provoke(&mut self) {
        let changed = if self.paused {
            self.domain.resume()
        } else {
            self.domain.suspend()
        };
        changed.expect("the test driver does that");
        self.paused = !self.paused;
        self.expected += 1;
    }

    /// Waits for every event that was provoked, and looks that there were no
    /// more.
    pub(super) fn wait(&self) {
        self.seen.wait_for(self.expected, "libvirt's event");
        assert_eq!(self.seen.rung(), self.expected, "each event comes once");
    }

    pub(super) fn seen(&self) -> u64 {
        self.seen.rung()
    }
}
