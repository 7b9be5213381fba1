//! The built-in event loop for libvirt, for programs that have none of their
//! own.

mod error;
mod event_loop;
mod loop_thread;
mod process_loop;

pub use virt_event_reactor::{
    AttachError, Driver, Leftover, NotDrained, Reactor, Stats, TurnError,
};

pub use crate::error::{InstallError, RunError};
pub use crate::event_loop::{EventLoop, LoopHandle};
pub use crate::loop_thread::LoopThread;
pub use crate::process_loop::{register_default_impl, run_default_impl};
