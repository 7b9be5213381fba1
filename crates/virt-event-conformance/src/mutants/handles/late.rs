use std::collections::BTreeMap;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use virt_event::{Error, EventImpl, HandleCallback, HandleEvents, Rejected, WatchId};

use crate::Subject;
use crate::mutants::wrapper::Fault;

/// Does at the beginning of the next turn what it ought to do at once.
pub(crate) struct Deferred {
    what: What,
    owed: Mutex<Vec<Owed>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Updates,
    FirstUpdate,
    Removals,
}

#[derive(Clone, Copy)]
enum Owed {
    Update(WatchId, HandleEvents),
    Removal(WatchId),
}

impl Deferred {
    fn new(what: What) -> Self {
        Self {
            what,
            owed: Mutex::default(),
        }
    }

    pub(crate) fn updates() -> Self {
        Self::new(What::Updates)
    }

    /// Also forgets all updates between two turns but the first.
    pub(crate) fn first_update() -> Self {
        Self::new(What::FirstUpdate)
    }

    pub(crate) fn removals() -> Self {
        Self::new(What::Removals)
    }
}

impl Fault for Deferred {
    fn update_handle(&self, inner: &Arc<dyn EventImpl>, watch: WatchId, events: HandleEvents) {
        let mut owed = self.owed.lock().unwrap();
        match self.what {
            What::FirstUpdate if !owed.is_empty() => {}
            What::Updates | What::FirstUpdate => owed.push(Owed::Update(watch, events)),
            What::Removals => inner.update_handle(watch, events),
        }
    }

    fn remove_handle(&self, inner: &Arc<dyn EventImpl>, watch: WatchId) -> Result<(), Error> {
        if self.what != What::Removals {
            return inner.remove_handle(watch);
        }
        self.owed.lock().unwrap().push(Owed::Removal(watch));
        Ok(())
    }

    fn turn(&self, inner: &dyn Subject, timeout: Duration) {
        let event_impl = inner.event_impl();
        for owed in self.owed.lock().unwrap().drain(..) {
            match owed {
                Owed::Update(watch, events) => event_impl.update_handle(watch, events),
                // It may have failed at once, had it been done at once.
                Owed::Removal(watch) => drop(event_impl.remove_handle(watch)),
            }
        }
        inner.turn(timeout);
    }
}

/// Updates the watch that was added after the one that was meant.
pub(crate) struct OffByOne;

impl Fault for OffByOne {
    fn update_handle(&self, inner: &Arc<dyn EventImpl>, watch: WatchId, events: HandleEvents) {
        let next = WatchId::new(watch.get() + 1).expect("positive");
        inner.update_handle(next, events);
    }
}

/// Leaves the kernel's interest as it is when a watch is removed.
#[derive(Default)]
pub(crate) struct LeavesPhantom(Mutex<BTreeMap<WatchId, (RawFd, HandleEvents)>>);

impl Fault for LeavesPhantom {
    fn add_handle(
        &self,
        inner: &Arc<dyn EventImpl>,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        let id = inner.add_handle(fd, events, callback)?;
        self.0.lock().unwrap().insert(id, (fd, events));
        Ok(id)
    }

    fn remove_handle(&self, inner: &Arc<dyn EventImpl>, watch: WatchId) -> Result<(), Error> {
        if let Some((fd, events)) = self.0.lock().unwrap().remove(&watch) {
            let phantom = HandleCallback::new(|_, _, _| {});
            let _ = inner.add_handle(fd, events, phantom);
        }
        inner.remove_handle(watch)
    }
}

/// Reports something in every turn.
pub(crate) struct LogsAlways;

impl Fault for LogsAlways {
    fn turn(&self, inner: &dyn Subject, timeout: Duration) {
        tracing::warn!("an event for nobody");
        inner.turn(timeout);
    }
}
