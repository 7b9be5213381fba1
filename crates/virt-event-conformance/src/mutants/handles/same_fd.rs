use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, OnceLock};

use virt_event::{Error, EventImpl, HandleCallback, HandleEvents, Rejected, WatchId};

use crate::mutants::wrapper::Fault;

/// What goes wrong between watches on one descriptor number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sharing {
    RefusesSecond,
    /// The first is parked.
    Replaces,
    /// An event of one is told to all.
    TellsAll,
    /// Removing one parks the others.
    RemoveParksAll,
    /// Updating one updates the others.
    UpdatesAll,
}

/// Mixes up the watches on one descriptor number.
pub(crate) struct SameFd {
    sharing: Sharing,
    watches: Arc<Mutex<Vec<Arc<Watch>>>>,
}

struct Watch {
    fd: RawFd,
    /// Set when the add has returned.
    id: OnceLock<WatchId>,
    /// Locked while it runs; empty once it is freed.
    callback: Mutex<Option<HandleCallback>>,
}

/// What the right subject holds in place of the callback.
struct Held(Arc<Watch>);

impl Drop for Held {
    fn drop(&mut self) {
        let callback = self.0.callback.lock().unwrap().take();
        drop(callback);
    }
}

impl SameFd {
    pub(crate) fn new(sharing: Sharing) -> Self {
        Self {
            sharing,
            watches: Arc::default(),
        }
    }

    /// The ids of the watches on `fd`.
    fn on(&self, fd: RawFd) -> Vec<WatchId> {
        let watches = self.watches.lock().unwrap();
        watches
            .iter()
            .filter(|watch| watch.fd == fd)
            .filter_map(|watch| watch.id.get().copied())
            .collect()
    }

    /// The ids of the watches on the same number as `id`, itself included.
    fn beside(&self, id: WatchId) -> Vec<WatchId> {
        let watches = self.watches.lock().unwrap();
        let found = watches.iter().find(|watch| watch.id.get() == Some(&id));
        let fd = found.map(|watch| watch.fd);
        drop(watches);
        fd.map_or_else(Vec::new, |fd| self.on(fd))
    }
}

impl Fault for SameFd {
    fn add_handle(
        &self,
        inner: &Arc<dyn EventImpl>,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        let others = self.on(fd);
        if self.sharing == Sharing::RefusesSecond && !others.is_empty() {
            let source = std::io::ErrorKind::AlreadyExists.into();
            return Err(Rejected::new(Error::Descriptor { fd, source }, callback));
        }
        if self.sharing == Sharing::Replaces {
            for other in others {
                inner.update_handle(other, HandleEvents::empty());
            }
        }
        let watch = Arc::new(Watch {
            fd,
            id: OnceLock::new(),
            callback: Mutex::new(Some(callback)),
        });
        let (sharing, watches) = (self.sharing, Arc::clone(&self.watches));
        let held =
            HandleCallback::with_state(Held(Arc::clone(&watch)), move |held, _, fd, events| {
                let told = match sharing {
                    Sharing::TellsAll => watches.lock().unwrap().clone(),
                    _ => vec![Arc::clone(&held.0)],
                };
                for watch in told.iter().filter(|watch| watch.fd == fd) {
                    let mut callback = watch.callback.lock().unwrap();
                    if let (Some(callback), Some(id)) = (&mut *callback, watch.id.get()) {
                        callback.call(*id, fd, events);
                    }
                }
            });
        match inner.add_handle(fd, events, held) {
            Ok(id) => {
                watch.id.set(id).expect("set once");
                self.watches.lock().unwrap().push(watch);
                Ok(id)
            }
            Err(refused) => {
                let callback = watch.callback.lock().unwrap().take();
                let callback = callback.expect("a refused callback is not freed");
                Err(Rejected::new(refused.error, callback))
            }
        }
    }

    fn update_handle(&self, inner: &Arc<dyn EventImpl>, watch: WatchId, events: HandleEvents) {
        inner.update_handle(watch, events);
        if self.sharing == Sharing::UpdatesAll {
            for other in self.beside(watch) {
                inner.update_handle(other, events);
            }
        }
    }

    fn remove_handle(&self, inner: &Arc<dyn EventImpl>, watch: WatchId) -> Result<(), Error> {
        if self.sharing == Sharing::RemoveParksAll {
            for other in self.beside(watch) {
                inner.update_handle(other, HandleEvents::empty());
            }
        }
        let removed = inner.remove_handle(watch);
        self.watches
            .lock()
            .unwrap()
            .retain(|other| other.id.get() != Some(&watch));
        removed
    }
}
