//! Runs libvirt's events on a mio poll.

mod error;
mod source;

pub use mio;
pub use virt_event_reactor::{Driver, Leftover, NotDrained, Reactor, Stats, TurnError};

pub use crate::error::{AttachError, InstallError};
pub use crate::source::{Source, attach, install};
