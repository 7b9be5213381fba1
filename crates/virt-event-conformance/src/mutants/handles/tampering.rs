use std::collections::BTreeMap;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex};

use virt_event::{EventImpl, HandleCallback, HandleEvents, Rejected, WatchId};

use crate::mutants::wrapper::{Fault, intercept_handle, rejected_handle};

/// Changes what a subject is asked, and what it tells.
#[derive(Clone, Copy)]
pub(crate) struct Tampering {
    /// The interest that an add passes on, given the one asked for.
    pub(crate) add: fn(HandleEvents) -> HandleEvents,
    /// The interest that an update passes on, if any, given the one before and
    /// the one asked for.
    pub(crate) update: fn(HandleEvents, HandleEvents) -> Option<HandleEvents>,
    /// What the callback is told, if it is called at all.
    pub(crate) tell: fn(Told) -> Option<HandleEvents>,
}

/// A call that is about to happen.
#[derive(Clone, Copy)]
pub(crate) struct Told {
    /// The interest, as the case sees it.
    pub(crate) asked: HandleEvents,
    /// What the right subject reports.
    pub(crate) events: HandleEvents,
    /// How many calls there were since the last add or update.
    pub(crate) calls: u32,
}

impl Told {
    pub(crate) fn non_empty(self, events: HandleEvents) -> Option<HandleEvents> {
        (!events.is_empty()).then_some(events)
    }
}

impl Tampering {
    /// Changes nothing.
    pub(crate) const NONE: Self = Self {
        add: |asked| asked,
        update: |_, asked| Some(asked),
        tell: |told| Some(told.events),
    };

    /// One call until the next update.
    pub(crate) const ONCE: Self = Self {
        tell: |told| (told.calls == 0).then_some(told.events),
        ..Self::NONE
    };

    /// ERROR and HANGUP only on request.
    pub(crate) const MASKED: Self = Self {
        tell: |told| told.non_empty(told.events & told.asked),
        ..Self::NONE
    };

    /// An interest without READABLE and WRITABLE counts as 0.
    pub(crate) const IN_AND_OUT_ONLY: Self = Self {
        add: |asked| {
            if asked.intersects(HandleEvents::READABLE.union(HandleEvents::WRITABLE)) {
                asked
            } else {
                HandleEvents::empty()
            }
        },
        ..Self::NONE
    };

    /// With interest 0 the kernel is still asked; its answers are discarded.
    pub(crate) const STAYS_IN_SET: Self = Self {
        add: |asked| {
            if asked.is_empty() {
                HandleEvents::HANGUP
            } else {
                asked
            }
        },
        update: |_, asked| {
            Some(if asked.is_empty() {
                HandleEvents::HANGUP
            } else {
                asked
            })
        },
        tell: |told| (!told.asked.is_empty()).then_some(told.events),
    };

    /// Never ready.
    pub(crate) const DEAF: Self = Self {
        add: |_| HandleEvents::empty(),
        update: |_, _| None,
        ..Self::NONE
    };

    /// The fault that does this.
    pub(crate) fn fault(self) -> impl Fault {
        Tampers {
            tampering: self,
            watches: Mutex::default(),
        }
    }
}

struct Tampers {
    tampering: Tampering,
    watches: Mutex<BTreeMap<WatchId, Arc<Mutex<Watch>>>>,
}

struct Watch {
    asked: HandleEvents,
    calls: u32,
}

impl Fault for Tampers {
    fn add_handle(
        &self,
        inner: &Arc<dyn EventImpl>,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        let watch = Arc::new(Mutex::new(Watch {
            asked: events,
            calls: 0,
        }));
        let told = Arc::clone(&watch);
        let tell = self.tampering.tell;
        let callback = intercept_handle(callback, move |callback, id, fd, events| {
            let mut watch = told.lock().unwrap();
            let events = tell(Told {
                asked: watch.asked,
                events,
                calls: watch.calls,
            });
            watch.calls += 1;
            drop(watch);
            if let Some(events) = events {
                callback.call(id, fd, events);
            }
        });
        let id = inner
            .add_handle(fd, (self.tampering.add)(events), callback)
            .map_err(rejected_handle)?;
        self.watches.lock().unwrap().insert(id, watch);
        Ok(id)
    }

    fn update_handle(&self, inner: &Arc<dyn EventImpl>, watch: WatchId, events: HandleEvents) {
        let known = self.watches.lock().unwrap().get(&watch).cloned();
        let mut before = HandleEvents::empty();
        if let Some(known) = known {
            let mut known = known.lock().unwrap();
            before = std::mem::replace(&mut known.asked, events);
            known.calls = 0;
        }
        if let Some(events) = (self.tampering.update)(before, events) {
            inner.update_handle(watch, events);
        }
    }
}
