//! What can go wrong.

use virt::error::ErrorNumber;

use crate::{CloseReason, EventKind, ObjectKind};

/// Why a monitor, a subscription or a stream is not to be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// libvirt has no event loop, so nothing could ever be reported. The
    /// program is at fault: it installs one at its start, before it connects.
    /// (libvirt itself says "could not initialize domain event timer".)
    #[error(
        "no event loop is installed: call `install` of the crate for your loop, such as \
         `virt_event_tokio::install`, before opening the connection"
    )]
    NotInstalled,

    /// The connection has a [`Monitor`](crate::Monitor). The program is at
    /// fault: it clones that one.
    #[error("the connection has a `Monitor` already: clone it instead of making a second one")]
    AlreadyMonitored,

    /// libvirt has room for one close callback on a connection, and other code
    /// in this program has taken it with `virConnectRegisterCloseCallback`.
    #[error(
        "the connection's close callback is taken by other code, and libvirt has room for one: \
         open a connection for the `Monitor` alone"
    )]
    CloseCallbackTaken,

    /// libvirt, or its daemon, refuses the subscription: the driver behind the
    /// connection does not report such events, the libvirt is older than
    /// [`EventKind::since`], or the connection is lost.
    #[error("cannot subscribe to `{kind}`: {}", source.message())]
    Subscribe {
        /// What was asked for.
        kind: EventKind,
        /// libvirt's reason.
        source: virt::error::Error,
    },

    /// The subscription is limited to an object that such events never happen
    /// to. The program is at fault.
    #[error("`{kind}` does not happen to a {object}: subscribe to it separately")]
    OtherObject {
        /// What was asked for.
        kind: EventKind,
        /// What it was limited to.
        object: ObjectKind,
    },

    /// No kind of event was named. The program is at fault.
    #[error("a subscription needs at least one kind of event")]
    NoKinds,

    /// A buffer for no event was asked for. The program is at fault.
    #[error("the capacity of a stream of events must be at least 1")]
    NoCapacity,

    /// The connection is lost, and the data stream with it.
    #[error("the connection was closed: {0}")]
    ConnectionClosed(CloseReason),

    /// The data stream has been finished or aborted by this program.
    #[error("the stream has been finished or aborted")]
    StreamEnded,

    /// This process was forked from the one that made the monitor. A child may
    /// use libvirt only after an `exec`.
    #[error(
        "the connection belongs to the parent of this forked process; \
         a child must exec before it uses libvirt"
    )]
    Forked,

    /// libvirt refuses something else.
    #[error("cannot {attempt}: {}", source.message())]
    Libvirt {
        /// What was tried.
        attempt: &'static str,
        /// libvirt's reason.
        source: virt::error::Error,
    },
}

impl Error {
    /// Whether the driver behind the connection does not have what was asked
    /// for, so that trying again is of no use.
    pub fn is_unsupported(&self) -> bool {
        match self {
            Self::Subscribe { source, .. } | Self::Libvirt { source, .. } => {
                source.code().is(ErrorNumber::NoSupport)
            }
            _ => false,
        }
    }
}

/// What a stream of events yields beside events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The reader was slower than the events, and this many were dropped, all
    /// of them older than what comes next. The stream goes on. Whoever keeps
    /// an account of states should ask libvirt for them anew.
    #[error("{0} events were dropped because the reader was too slow")]
    Lagged(u64),

    /// The connection was closed. The stream ends after this.
    #[error("the connection was closed: {0}")]
    Closed(CloseReason),
}
