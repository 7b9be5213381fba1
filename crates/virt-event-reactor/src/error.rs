use std::fmt;
use std::io;
use std::os::fd::RawFd;

use virt_event::{HandleEvents, Period, TimerId, WatchId};

/// Why a turn was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TurnError {
    /// Another thread is turning the reactor. The caller is at fault: one
    /// thread drives a loop.
    #[error("the event loop is being run by another thread")]
    Busy,

    /// The driver was detached; somebody else may drive the reactor now. The
    /// host loop should forget about the descriptor.
    #[error("this driver was detached from the event loop")]
    Detached,

    /// A driver is attached, and only it may turn the reactor. Detach it
    /// first, or let its host loop do the work.
    #[error("the event loop has a driver; detach it before turning the reactor directly")]
    Attached,

    /// This process was forked from the one that made the reactor.
    #[error(
        "the event loop belongs to the parent of this forked process; \
         a child must exec before it uses libvirt"
    )]
    Forked,

    /// The kernel refused to wait. Nobody is known to be at fault; the state
    /// is as before the turn.
    #[error("cannot wait for events: {0}")]
    Io(#[from] io::Error),
}

/// Why a driver was not attached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttachError {
    /// A driver is alive. The program is at fault: a reactor has one driver
    /// at a time. Detach the other one, or drop its host loop.
    #[error(
        "the libvirt event loop of this process is driven already, by an earlier `install` or \
         `attach`; detach that driver, or drop its host loop, first"
    )]
    AlreadyAttached,

    /// This process was forked from the one that made the reactor.
    #[error(
        "the event loop belongs to the parent of this forked process; \
         a child must exec before it uses libvirt"
    )]
    Forked,

    /// The kernel has no descriptor to give. Close some, or raise the limit.
    #[error("no file descriptor for the event loop: {0}")]
    Io(#[from] io::Error),
}

/// What was left when the time for draining was over.
///
/// Entries usually mean that a connection is still open, or that something
/// holds it open: a `Domain` or another object made from it.
#[derive(Debug)]
#[non_exhaustive]
pub struct NotDrained {
    /// What is still registered.
    pub left: Vec<Leftover>,
    /// How many callbacks of removed entries are not freed yet; for instance
    /// because they run at this moment.
    pub pending_frees: usize,
    /// Why no turn could be taken, if that was the reason.
    pub cause: Option<TurnError>,
}

/// A registration that is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Leftover {
    /// A watched descriptor.
    Handle {
        /// Its id.
        watch: WatchId,
        /// The descriptor.
        fd: RawFd,
        /// What it is watched for.
        events: HandleEvents,
    },
    /// A timer.
    Timeout {
        /// Its id.
        timer: TimerId,
        /// How often it fires.
        period: Period,
    },
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handle { watch, fd, events } => {
                write!(f, "handle {watch} (fd {fd}, ")?;
                if events.is_empty() {
                    f.write_str("parked)")
                } else {
                    bitflags::parser::to_writer(events, &mut *f)?;
                    f.write_str(")")
                }
            }
            Self::Timeout { timer, period } => write!(f, "timeout {timer} ({period})"),
        }
    }
}

impl fmt::Display for NotDrained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the event loop is not drained: ")?;
        if let Some(cause) = &self.cause {
            write!(f, "{cause}; ")?;
        }
        for entry in &self.left {
            write!(f, "{entry}, ")?;
        }
        match self.pending_frees {
            1 => f.write_str("1 callback to free")?,
            frees => write!(f, "{frees} callbacks to free")?,
        }
        if self.cause.is_none() && !self.left.is_empty() {
            f.write_str(
                "; a connection may be open still, or held open by a domain, a subscription or \
                 another object made from it: drop those first",
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for NotDrained {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref().map(|cause| cause as _)
    }
}
