//! The choice of the loop that runs libvirt's callbacks.

use std::time::Duration;

use virt_event_loop::EventLoop;

use crate::Failure;

/// The loops to choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoopKind {
    /// The one of this project, for programs that have none.
    Builtin,
}

impl LoopKind {
    /// The names that [`from_name`](Self::from_name) knows.
    pub const NAMES: &[&str] = &["builtin"];

    /// The kind that the user calls `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "builtin" => Some(Self::Builtin),
            _ => None,
        }
    }
}

/// An installed loop, in one shape for all kinds, so that the programs do not
/// repeat themselves for each. A program of yours has one kind and calls that
/// directly.
#[derive(Debug)]
#[non_exhaustive]
pub enum HostLoop {
    /// See [`LoopKind::Builtin`].
    Builtin(EventLoop),
}

impl HostLoop {
    /// Makes a loop of this kind libvirt's. Call it before the first connection
    /// is opened.
    ///
    /// # Errors
    ///
    /// - libvirt has a loop already, or the kernel gave no descriptors.
    pub fn install(kind: LoopKind) -> Result<Self, Failure> {
        match kind {
            LoopKind::Builtin => Ok(Self::Builtin(EventLoop::install()?)),
        }
    }

    /// What ends [`run`](Self::run), from any thread. It counts also if it is
    /// called before `run` begins.
    pub fn stopper(&self) -> Box<dyn Fn() + Send> {
        match self {
            Self::Builtin(event_loop) => {
                let handle = event_loop.handle();
                Box::new(move || handle.stop())
            }
        }
    }

    /// Runs callbacks on this thread until the stopper is called.
    ///
    /// # Errors
    ///
    /// - The kernel refuses to wait.
    pub fn run(&self) -> Result<(), Failure> {
        match self {
            Self::Builtin(event_loop) => Ok(event_loop.run()?),
        }
    }

    /// Runs until nothing is registered any more, and says how much is left:
    /// handles, then timers. To be called after the last connection is closed;
    /// libvirt keeps its callbacks for a moment longer.
    ///
    /// # Errors
    ///
    /// - Something is left after `limit`; the message lists it.
    pub fn drain(&self, limit: Duration) -> Result<(usize, usize), Failure> {
        match self {
            Self::Builtin(event_loop) => {
                event_loop.drain(limit)?;
                let stats = event_loop.driver().stats();
                Ok((stats.watches, stats.timers))
            }
        }
    }
}
