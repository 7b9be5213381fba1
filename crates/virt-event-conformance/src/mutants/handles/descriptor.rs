use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use virt_event::{Error, EventImpl, HandleCallback, HandleEvents, Rejected, WatchId};

use crate::fixtures::{EventFd, dev_null, eventfd};
use crate::mutants::wrapper::{Fault, intercept_handle, rejected_handle};

/// The kernel's name for a descriptor of this process.
fn path(fd: RawFd) -> PathBuf {
    format!("/proc/self/fd/{fd}").into()
}

fn is_open(fd: RawFd) -> bool {
    path(fd).exists()
}

fn refusal(fd: RawFd, errno: i32) -> Error {
    let source = io::Error::from_raw_os_error(errno);
    Error::Descriptor { fd, source }
}

/// Watches a readable eventfd of its own, whatever it was given.
pub(crate) struct WatchesAnother(EventFd);

impl Default for WatchesAnother {
    fn default() -> Self {
        let ready = eventfd();
        ready.kick();
        Self(ready)
    }
}

impl Fault for WatchesAnother {
    fn add_handle(
        &self,
        inner: &Arc<dyn EventImpl>,
        _: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        inner.add_handle(self.0.as_raw_fd(), events, callback)
    }
}

/// Accepts bad descriptors: they are never ready.
pub(crate) struct AcceptsBad;

impl Fault for AcceptsBad {
    fn add_handle(
        &self,
        inner: &Arc<dyn EventImpl>,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        match inner.add_handle(fd, events, callback) {
            Ok(id) => Ok(id),
            Err(refused) => {
                let null = dev_null();
                inner.add_handle(null.as_raw_fd(), HandleEvents::empty(), refused.inner)
            }
        }
    }
}

/// Drops the callbacks that it refuses.
pub(crate) struct DropsRefused;

impl Fault for DropsRefused {
    fn add_handle(
        &self,
        inner: &Arc<dyn EventImpl>,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        inner.add_handle(fd, events, callback).map_err(|refused| {
            drop(refused.inner);
            Rejected::new(refused.error, HandleCallback::new(|_, _, _| {}))
        })
    }
}

/// Does not say what was wrong.
pub(crate) struct RefusesVaguely;

impl Fault for RefusesVaguely {
    fn add_handle(
        &self,
        inner: &Arc<dyn EventImpl>,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        inner.add_handle(fd, events, callback).map_err(|refused| {
            Rejected::new(Error::Other("something is wrong".into()), refused.inner)
        })
    }
}

/// Refuses what epoll refuses.
pub(crate) struct RefusesFiles;

impl Fault for RefusesFiles {
    fn add_handle(
        &self,
        inner: &Arc<dyn EventImpl>,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        const EPERM: i32 = 1;
        if std::fs::metadata(path(fd)).is_ok_and(|file| file.is_file()) {
            return Err(Rejected::new(refusal(fd, EPERM), callback));
        }
        inner.add_handle(fd, events, callback)
    }
}

/// Opens what it was given once more, where that is possible, and watches
/// that: closing the original changes nothing.
#[derive(Default)]
pub(crate) struct HoldsDuplicate(Mutex<BTreeMap<WatchId, File>>);

impl Fault for HoldsDuplicate {
    fn add_handle(
        &self,
        inner: &Arc<dyn EventImpl>,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        let Ok(duplicate) = File::open(path(fd)) else {
            return inner.add_handle(fd, events, callback);
        };
        let callback = intercept_handle(callback, move |callback, id, _, events| {
            callback.call(id, fd, events);
        });
        let id = inner
            .add_handle(duplicate.as_raw_fd(), events, callback)
            .map_err(rejected_handle)?;
        self.0.lock().unwrap().insert(id, duplicate);
        Ok(id)
    }

    fn remove_handle(&self, inner: &Arc<dyn EventImpl>, watch: WatchId) -> Result<(), Error> {
        let removed = inner.remove_handle(watch);
        self.0.lock().unwrap().remove(&watch);
        removed
    }
}

/// Cannot remove a watch whose descriptor is closed.
#[derive(Default)]
pub(crate) struct FailsOnClosed(Mutex<BTreeMap<WatchId, RawFd>>);

impl Fault for FailsOnClosed {
    fn add_handle(
        &self,
        inner: &Arc<dyn EventImpl>,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        let id = inner.add_handle(fd, events, callback)?;
        self.0.lock().unwrap().insert(id, fd);
        Ok(id)
    }

    fn remove_handle(&self, inner: &Arc<dyn EventImpl>, watch: WatchId) -> Result<(), Error> {
        const EBADF: i32 = 9;
        match self.0.lock().unwrap().get(&watch) {
            Some(fd) if !is_open(*fd) => Err(refusal(*fd, EBADF)),
            _ => inner.remove_handle(watch),
        }
    }
}
