//! Whose something of libvirt's is.

use std::process;

/// The process that a monitor was made in. A child that was forked from it has
/// the same memory and shares the socket to the host, so for the child
/// everything that came from the monitor is dead: what is dropped there is
/// leaked, before any lock is taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner {
    process: u32,
}

impl Owner {
    /// This process.
    pub(crate) fn current() -> Self {
        Self {
            process: process::id(),
        }
    }

    /// Whether this is a child of the owner.
    pub(crate) fn is_parent(self) -> bool {
        self.process != process::id()
    }
}
