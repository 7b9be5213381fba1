//! The descriptor that every workload kicks: an eventfd.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::event::{EventfdFlags, eventfd};

/// A counter in the kernel, readable while it is not zero.
#[derive(Debug)]
pub(crate) struct EventFd(OwnedFd);

impl EventFd {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(eventfd(
            0,
            EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK,
        )?))
    }

    /// One whose [`take`](Self::take) waits until there is something.
    pub(crate) fn blocking() -> io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::CLOEXEC)?))
    }

    /// As many as `count`, all distinct, none of them ever readable.
    pub(crate) fn idle(count: u32) -> io::Result<Vec<Self>> {
        (0..count).map(|_| Self::new()).collect()
    }

    /// Adds to the counter.
    ///
    /// # Panics
    ///
    /// - If the counter overflows, which a workload that takes what it adds
    ///   does not reach.
    pub(crate) fn add(&self, value: u64) {
        rustix::io::write(&self.0, &value.to_ne_bytes()).expect("an eventfd takes small numbers");
    }

    /// Reads the counter and sets it to zero.
    ///
    /// # Panics
    ///
    /// - If it was zero and does not wait: the loop called back for a descriptor that was not
    ///   ready.
    pub(crate) fn take(&self) -> u64 {
        let mut value = [0; 8];
        rustix::io::read(&self.0, &mut value).expect("called back, hence readable");
        u64::from_ne_bytes(value)
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for EventFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
