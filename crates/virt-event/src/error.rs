use std::fmt;
use std::io;
use std::os::fd::RawFd;

use crate::{TimerId, WatchId};

/// What can go wrong between libvirt, or a user of the guards, and an event
/// loop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing is installed yet. The program is at fault: an application
    /// installs a loop once, at its start, before it opens a connection.
    #[error(
        "no event loop is installed: call `install` of the crate for your loop \
         (or `virt_event_loop::register_default_impl`) first, before opening a connection"
    )]
    NotInstalled,

    /// This process has its loop already; libvirt takes one, once. The
    /// program is at fault, or a library in it: only applications install.
    #[error("an event loop is already installed in this process, and libvirt takes only one")]
    AlreadyInstalled,

    /// The descriptor cannot be watched. The caller is at fault if it is
    /// negative or closed; otherwise `source` says which limit was met.
    #[error("cannot watch file descriptor {fd}: {source}")]
    Descriptor {
        /// The descriptor that was refused.
        fd: RawFd,
        /// The kernel's reason.
        source: io::Error,
    },

    /// No watch has this id; perhaps it was removed already. Harmless, but
    /// the caller has lost count.
    #[error("no handle is registered with id {0}; it may have been removed already")]
    UnknownWatch(WatchId),

    /// No timer has this id; perhaps it was removed already. Harmless, but
    /// the caller has lost count.
    #[error("no timeout is registered with id {0}; it may have been removed already")]
    UnknownTimer(TimerId),

    /// All 2³¹ − 1 ids are in use. Nothing but removing entries helps.
    #[error("all 2147483647 ids are in use: remove handles or timeouts first")]
    IdsExhausted,

    /// The loop belongs to the process that this one was forked from. A child
    /// may use libvirt only after an `exec`.
    #[error(
        "the event loop belongs to the parent of this forked process; \
         a child must exec before it uses libvirt"
    )]
    Forked,

    /// A reason of the implementation's own.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

/// An object that was not taken, and why. Nothing is lost: `inner` is what
/// was offered, untouched.
///
/// For an add this means that the callback was neither called nor freed
/// (contract C6): libvirt frees `opaque` itself when an add returns −1.
#[must_use = "dropping it frees the object that was refused"]
pub struct Rejected<T, E = Error> {
    /// Why it was refused.
    pub error: E,
    /// What was refused.
    pub inner: T,
}

impl<T, E> Rejected<T, E> {
    /// `inner`, refused because of `error`.
    pub fn new(error: impl Into<E>, inner: T) -> Self {
        Self {
            error: error.into(),
            inner,
        }
    }
}

impl<T, E: fmt::Debug> fmt::Debug for Rejected<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejected")
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

impl<T, E: fmt::Display> fmt::Display for Rejected<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<T, E: std::error::Error> std::error::Error for Rejected<T, E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

/// Keeps the reason and drops the object.
impl<T> From<Rejected<T>> for Error {
    fn from(rejected: Rejected<T>) -> Self {
        rejected.error
    }
}
