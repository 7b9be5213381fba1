//! A libvirt event loop behind one pollable file descriptor.

#![deny(unsafe_code)]

mod builder;
mod drain;
mod driver;
mod error;
mod handles;
mod id_map;
mod reactor;
mod report;
mod state;
mod stats;
mod sys;
mod timers;
mod turn;
mod watchdog;

pub use crate::builder::Builder;
pub use crate::driver::{Attachment, DEFAULT_BUDGET, Driver};
pub use crate::error::{AttachError, Leftover, NotDrained, TurnError};
pub use crate::reactor::Reactor;
pub use crate::stats::Stats;
pub use crate::turn::Turn;
