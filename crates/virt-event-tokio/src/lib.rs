//! Runs libvirt's events on a tokio runtime.

#![deny(unsafe_code)]

mod async_fd;
mod attach;
mod drive;
mod driver;
mod error;

pub use tokio;
pub use virt_event_reactor::{Leftover, NotDrained, Reactor, Stats, TurnError};

pub use crate::attach::{attach, attach_on, install, install_on};
pub use crate::drive::Drive;
pub use crate::driver::Driver;
pub use crate::error::{AttachError, InstallError};
