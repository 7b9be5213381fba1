//! Events without end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use virt::connect::Connect;
use virt_event_examples::Failure;
use virt_event_tests::rig::{RigError, wait_until};
use virt_event_tests::slower::slower;

use crate::client::{DOMAIN, EVENTS_OF_A_CHANGE, change};

/// Changes [`DOMAIN`] from a connection and a thread of its own, until it is
/// stopped, whatever the loop does meanwhile.
pub(crate) struct Flow {
    stopped: Arc<AtomicBool>,
    events: Arc<AtomicUsize>,
    thread: JoinHandle<Result<(), Failure>>,
}

impl Flow {
    pub(crate) fn start(uri: &str) -> Result<Self, Failure> {
        let domain = Connect::open(Some(uri))?.lookup_domain_by_name(DOMAIN)?;
        let stopped = Arc::new(AtomicBool::new(false));
        let events = Arc::new(AtomicUsize::new(0));
        let (stops, counts) = (Arc::clone(&stopped), Arc::clone(&events));
        let thread = thread::spawn(move || {
            while !stops.load(Ordering::SeqCst) {
                change(&domain)?;
                counts.fetch_add(EVENTS_OF_A_CHANGE, Ordering::SeqCst);
                // Events are to come one after the other, not in heaps: libvirt
                // reads on in one call for as long as there is something.
                thread::sleep(Duration::from_millis(1) * slower());
            }
            Ok(())
        });
        Ok(Self {
            stopped,
            events,
            thread,
        })
    }

    /// How many events there were so far, at least.
    pub(crate) fn events(&self) -> usize {
        self.events.load(Ordering::SeqCst)
    }

    /// Waits until there are `more` than there were.
    pub(crate) fn wait_for(&self, more: usize) -> Result<(), RigError> {
        let before = self.events();
        wait_until("something happens", || self.events() >= before + more)
    }

    /// Ends it; how many events there were.
    ///
    /// # Panics
    ///
    /// - It panicked.
    pub(crate) fn stop(self) -> Result<usize, Failure> {
        self.stopped.store(true, Ordering::SeqCst);
        self.thread.join().expect("it does not panic")?;
        Ok(self.events.load(Ordering::SeqCst))
    }
}
