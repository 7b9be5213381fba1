//! Runs libvirt's events on a GLib main context.

#![deny(unsafe_code)]

mod attach;
mod error;
mod source;

pub use glib;
pub use virt_event_reactor::{
    AttachError, Driver, Leftover, NotDrained, Reactor, Stats, TurnError,
};

pub use crate::attach::{attach, install};
pub use crate::error::InstallError;
