//! The built-in event loop for libvirt, for programs that have none of their
//! own.
//!
//! ```no_run
//! use std::time::Duration;
//! use virt_event_loop::EventLoop;
//!
//! let event_loop = EventLoop::install()?; // once, before the first connection
//! // … open a connection, subscribe to events …
//! let handle = event_loop.handle(); // give it to whoever ends the program
//! # handle.stop();
//! event_loop.run()?; // until handle.stop()
//! // … drop every domain and every connection …
//! event_loop.drain(Duration::from_secs(5))?; // nothing is left behind
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it is not
//!
//! It is a loop for libvirt, and for [watches](virt_event::add_handle) and
//! [timers](virt_event::add_timeout) beside it; not a runtime. A program that
//! has a loop already takes the crate for that one.
//!
//! # Map
//!
//! | libvirt | here |
//! |---|---|
//! | `virEventRegisterDefaultImpl` | [`EventLoop::install`], or [`register_default_impl`] |
//! | `virEventRunDefaultImpl` | [`EventLoop::run_once`], or [`run_default_impl`] |
//! | a thread that calls it for ever | [`EventLoop::spawn`] |
//! | a dummy timer that ends the loop's sleep | [`LoopHandle::wake`], [`LoopHandle::stop`] |
//! | – | [`EventLoop::drain`] |
//!
//! # Platforms and features
//!
//! Linux; no features. A panicking callback unwinds out of
//! [`run`](EventLoop::run) and [`run_once`](EventLoop::run_once), and the loop
//! can be run again.

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
