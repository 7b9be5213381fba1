//! A descriptor that is made ready by hand.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use rustix::event::{EventfdFlags, eventfd};

/// An eventfd that does not wait.
#[derive(Debug)]
pub(crate) struct EventFd(OwnedFd);

impl EventFd {
    pub(crate) fn new() -> io::Result<Self> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        Ok(Self(eventfd(0, flags)?))
    }

    /// Makes it ready.
    pub(crate) fn kick(&self) {
        rustix::io::write(&self.0, &1_u64.to_ne_bytes()).expect("it takes small numbers");
    }

    /// Makes it not ready, as it was not before.
    pub(crate) fn take(&self) {
        rustix::io::read(&self.0, &mut [0; 8]).expect("it is ready");
    }
}

impl AsRawFd for EventFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
