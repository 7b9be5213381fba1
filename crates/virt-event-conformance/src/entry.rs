use virt_event::{Error, EventImpl, TimerId, WatchId};

/// A watch or a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Entry {
    Watch(WatchId),
    Timer(TimerId),
}

impl Entry {
    /// Calls `remove_handle` or `remove_timeout`.
    pub(crate) fn remove(self, events: &dyn EventImpl) -> Result<(), Error> {
        match self {
            Self::Watch(id) => events.remove_handle(id),
            Self::Timer(id) => events.remove_timeout(id),
        }
    }
}

impl From<WatchId> for Entry {
    fn from(id: WatchId) -> Self {
        Self::Watch(id)
    }
}

impl From<TimerId> for Entry {
    fn from(id: TimerId) -> Self {
        Self::Timer(id)
    }
}
