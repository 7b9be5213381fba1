//! Runs libvirt's events on a calloop event loop.

mod error;
mod source;

pub use calloop;
pub use virt_event_reactor::{Driver, Leftover, NotDrained, Reactor, Stats, TurnError};

pub use crate::error::{AttachError, InstallError};
pub use crate::source::{Source, attach, install};
