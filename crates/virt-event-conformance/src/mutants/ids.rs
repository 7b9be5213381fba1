//! Broken subjects for the cases in `cases/ids.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex};

use virt_event::{
    Error, EventImpl, HandleCallback, HandleEvents, Period, Rejected, TimeoutCallback, TimerId,
    WatchId,
};

use super::wrapper::{Fault, intercept_handle, intercept_timeout, rejected_handle};

/// Tells every callback that its id is 99.
pub(crate) struct Misnames;

impl Fault for Misnames {
    fn add_handle(
        &self,
        inner: &Arc<dyn EventImpl>,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        let callback = intercept_handle(callback, |callback, _, fd, events| {
            callback.call(watch_id(99), fd, events);
        });
        inner
            .add_handle(fd, events, callback)
            .map_err(rejected_handle)
    }
}

/// Removing a watch removes the timer of the same number too.
pub(crate) struct OneSpace;

impl Fault for OneSpace {
    fn remove_handle(&self, inner: &Arc<dyn EventImpl>, watch: WatchId) -> Result<(), Error> {
        let _ = inner.remove_timeout(timer_id(watch.get()));
        inner.remove_handle(watch)
    }
}

/// Removing succeeds whatever the id.
pub(crate) struct AlwaysRemoves;

impl Fault for AlwaysRemoves {
    fn remove_handle(&self, inner: &Arc<dyn EventImpl>, watch: WatchId) -> Result<(), Error> {
        let _ = inner.remove_handle(watch);
        Ok(())
    }
}

/// A stale id stands for the entry that was added last.
#[derive(Default)]
pub(crate) struct StaleHitsNewest {
    watches: Mutex<Vec<WatchId>>,
    timers: Mutex<Vec<TimerId>>,
}

/// `id`, or the newest of the live ones if it is not among them.
fn or_newest<T: Copy + PartialEq>(live: &Mutex<Vec<T>>, id: T) -> T {
    let live = live.lock().unwrap();
    if live.contains(&id) {
        return id;
    }
    live.last().copied().unwrap_or(id)
}

impl Fault for StaleHitsNewest {
    fn add_handle(
        &self,
        inner: &Arc<dyn EventImpl>,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        let id = inner.add_handle(fd, events, callback)?;
        self.watches.lock().unwrap().push(id);
        Ok(id)
    }

    fn update_handle(&self, inner: &Arc<dyn EventImpl>, watch: WatchId, events: HandleEvents) {
        inner.update_handle(or_newest(&self.watches, watch), events);
    }

    fn remove_handle(&self, inner: &Arc<dyn EventImpl>, watch: WatchId) -> Result<(), Error> {
        let watch = or_newest(&self.watches, watch);
        self.watches.lock().unwrap().retain(|live| *live != watch);
        inner.remove_handle(watch)
    }

    fn add_timeout(
        &self,
        inner: &Arc<dyn EventImpl>,
        period: Period,
        callback: TimeoutCallback,
    ) -> Result<TimerId, Rejected<TimeoutCallback>> {
        let id = inner.add_timeout(period, callback)?;
        self.timers.lock().unwrap().push(id);
        Ok(id)
    }

    fn update_timeout(&self, inner: &Arc<dyn EventImpl>, timer: TimerId, period: Period) {
        inner.update_timeout(or_newest(&self.timers, timer), period);
    }

    fn remove_timeout(&self, inner: &Arc<dyn EventImpl>, timer: TimerId) -> Result<(), Error> {
        let timer = or_newest(&self.timers, timer);
        self.timers.lock().unwrap().retain(|live| *live != timer);
        inner.remove_timeout(timer)
    }
}

/// A watch with interest 0 cannot be removed.
#[derive(Default)]
pub(crate) struct KeepsDisabled {
    disabled: Mutex<BTreeSet<WatchId>>,
}

impl Fault for KeepsDisabled {
    fn update_handle(&self, inner: &Arc<dyn EventImpl>, watch: WatchId, events: HandleEvents) {
        let mut disabled = self.disabled.lock().unwrap();
        if events.is_empty() {
            disabled.insert(watch);
        } else {
            disabled.remove(&watch);
        }
        inner.update_handle(watch, events);
    }

    fn remove_handle(&self, inner: &Arc<dyn EventImpl>, watch: WatchId) -> Result<(), Error> {
        if self.disabled.lock().unwrap().contains(&watch) {
            return Err(Error::UnknownWatch(watch));
        }
        inner.remove_handle(watch)
    }
}

/// How a subject picks the next id, wrongly.
pub(crate) enum Numbering {
    /// The lowest free one.
    LowestFree,
    /// One more than there are live entries.
    CountsLive,
    /// The one after the last, and this one after `i32::MAX`.
    WrapsTo(i32),
}

/// Gives ids of its own to the entries of the right subject.
pub(crate) struct Renumbers {
    numbering: Numbering,
    watches: Mutex<Numbers<WatchId>>,
    timers: Mutex<Numbers<TimerId>>,
}

/// The right subject's id for each id that was given out.
struct Numbers<T> {
    last: i32,
    inner: BTreeMap<i32, T>,
}

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self {
            last: 0,
            inner: BTreeMap::new(),
        }
    }
}

impl Renumbers {
    pub(crate) fn new(numbering: Numbering) -> Self {
        Self {
            numbering,
            watches: Mutex::default(),
            timers: Mutex::default(),
        }
    }

    fn pick<T>(&self, numbers: &Mutex<Numbers<T>>) -> i32 {
        let mut numbers = numbers.lock().unwrap();
        numbers.last = match self.numbering {
            Numbering::LowestFree => (1..)
                .find(|id| !numbers.inner.contains_key(id))
                .expect("free"),
            Numbering::CountsLive => numbers.inner.len() as i32 + 1,
            Numbering::WrapsTo(first) if numbers.last == 0 => first,
            Numbering::WrapsTo(first) => numbers.last.checked_add(1).unwrap_or(first),
        };
        numbers.last
    }
}

impl Fault for Renumbers {
    fn add_handle(
        &self,
        inner: &Arc<dyn EventImpl>,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        let id = self.pick(&self.watches);
        let callback = intercept_handle(callback, move |callback, _, fd, events| {
            callback.call(watch_id(id), fd, events);
        });
        let right = inner
            .add_handle(fd, events, callback)
            .map_err(rejected_handle)?;
        self.watches.lock().unwrap().inner.insert(id, right);
        Ok(watch_id(id))
    }

    fn update_handle(&self, inner: &Arc<dyn EventImpl>, watch: WatchId, events: HandleEvents) {
        let right = self
            .watches
            .lock()
            .unwrap()
            .inner
            .get(&watch.get())
            .copied();
        if let Some(right) = right {
            inner.update_handle(right, events);
        }
    }

    fn remove_handle(&self, inner: &Arc<dyn EventImpl>, watch: WatchId) -> Result<(), Error> {
        let right = self.watches.lock().unwrap().inner.remove(&watch.get());
        inner.remove_handle(right.ok_or(Error::UnknownWatch(watch))?)
    }

    fn add_timeout(
        &self,
        inner: &Arc<dyn EventImpl>,
        period: Period,
        callback: TimeoutCallback,
    ) -> Result<TimerId, Rejected<TimeoutCallback>> {
        let id = self.pick(&self.timers);
        let callback = intercept_timeout(callback, move |callback, _| callback.call(timer_id(id)));
        let right = inner.add_timeout(period, callback)?;
        self.timers.lock().unwrap().inner.insert(id, right);
        Ok(timer_id(id))
    }

    fn update_timeout(&self, inner: &Arc<dyn EventImpl>, timer: TimerId, period: Period) {
        let right = self.timers.lock().unwrap().inner.get(&timer.get()).copied();
        if let Some(right) = right {
            inner.update_timeout(right, period);
        }
    }

    fn remove_timeout(&self, inner: &Arc<dyn EventImpl>, timer: TimerId) -> Result<(), Error> {
        let right = self.timers.lock().unwrap().inner.remove(&timer.get());
        inner.remove_timeout(right.ok_or(Error::UnknownTimer(timer))?)
    }
}

fn watch_id(id: i32) -> WatchId {
    WatchId::new(id).expect("a mutant's ids are positive")
}

fn timer_id(id: i32) -> TimerId {
    TimerId::new(id).expect("a mutant's ids are positive")
}
