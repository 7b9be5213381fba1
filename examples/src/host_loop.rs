//! The choice of the loop that runs libvirt's callbacks.
//!
//! Each loop has a file, which holds what a program on that loop has to write.
//! A program of yours has one of them and needs no trait around it.

mod builtin;
mod calloop;
mod glib;
mod mio;
mod tokio;

use std::sync::Arc;
use std::time::Duration;

use virt_event_reactor::{NotDrained, Reactor};

use crate::Failure;

/// The loops to choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoopKind {
    /// The one of this project, for programs that have none.
    Builtin,
    /// A `mio::Poll`.
    Mio,
    /// A current-thread runtime of tokio's.
    Tokio,
    /// A calloop event loop.
    Calloop,
    /// A GLib main loop.
    Glib,
}

impl LoopKind {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Builtin,
        Self::Mio,
        Self::Tokio,
        Self::Calloop,
        Self::Glib,
    ];

    /// What the user calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Builtin => "builtin",
            Self::Mio => "mio",
            Self::Tokio => "tokio",
            Self::Calloop => "calloop",
            Self::Glib => "glib",
        }
    }

    /// The kind that the user calls `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// Makes a loop of this kind libvirt's. Call it before the first connection
    /// is opened.
    ///
    /// # Errors
    ///
    /// - libvirt has a loop already, or the kernel gave no descriptors.
    pub fn install(self) -> Result<Box<dyn HostLoop>, Failure> {
        Ok(match self {
            Self::Builtin => Box::new(builtin::Builtin::install()?),
            Self::Mio => Box::new(mio::Mio::install()?),
            Self::Tokio => Box::new(tokio::Tokio::install()?),
            Self::Calloop => Box::new(calloop::Calloop::install()?),
            Self::Glib => Box::new(glib::Glib::install()?),
        })
    }

    /// Makes a loop of this kind that drives `reactor`, without telling libvirt.
    ///
    /// # Errors
    ///
    /// - The reactor has a driver, or the kernel gave no descriptors.
    pub fn attach(self, reactor: &Arc<Reactor>) -> Result<Box<dyn HostLoop>, Failure> {
        Ok(match self {
            Self::Builtin => Box::new(builtin::Builtin::attach(reactor)?),
            Self::Mio => Box::new(mio::Mio::attach(reactor)?),
            Self::Tokio => Box::new(tokio::Tokio::attach(reactor)?),
            Self::Calloop => Box::new(calloop::Calloop::attach(reactor)?),
            Self::Glib => Box::new(glib::Glib::attach(reactor)?),
        })
    }
}

/// A loop with libvirt on it, in one shape for all kinds, so that the programs
/// do not repeat themselves for each.
pub trait HostLoop {
    /// Runs callbacks on this thread until the stopper is called.
    ///
    /// # Errors
    ///
    /// - The kernel refuses to wait.
    fn run(&mut self) -> Result<(), Failure>;

    /// What ends [`run`](Self::run), from any thread. It counts also if it is
    /// called before `run` begins.
    fn stopper(&self) -> Stopper;

    /// Runs until nothing is registered any more. To be called after the last
    /// connection is closed; libvirt keeps its callbacks for a moment longer.
    ///
    /// # Errors
    ///
    /// - Something is left after `limit`; the message lists it.
    fn drain(&mut self, limit: Duration) -> Result<(), NotDrained>;

    /// Stops driving; another loop may do so afterwards.
    fn detach(&self);

    /// What is driven.
    fn reactor(&self) -> Arc<Reactor>;
}

/// Ends the run of a [`HostLoop`].
pub type Stopper = Box<dyn Fn() + Send + Sync>;
