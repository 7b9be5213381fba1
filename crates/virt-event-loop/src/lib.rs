//! The built-in event loop for libvirt, for programs that have none of their
//! own.
//!
//! ```
//! use std::time::Duration;
//!
//! use virt::connect::Connect;
//! use virt_event_loop::{EventLoop, virt_event};
//!
//! let event_loop = EventLoop::install()?; // once, before the first connection
//! let connection = Connect::open(Some("test:///default"))?;
//!
//! // Where events come from: a timer here, a connection's callbacks elsewhere.
//! let handle = event_loop.handle();
//! let timer = virt_event::add_timeout(Duration::from_millis(1), move || {
//!     handle.stop(); // from any thread
//! })?;
//! event_loop.run()?; // until then
//!
//! drop(timer); // and every domain and every connection
//! drop(connection);
//! event_loop.drain(Duration::from_secs(5))?; // nothing is left behind
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Keep the [`EventLoop`]: when it is dropped nobody runs the loop, even if its
//! [`Driver`] is still there.
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
//! A drain says that nothing is registered and nothing awaits freeing. It closes
//! no connection, and does not say that they are closed.
//!
//! # Descriptors and timers of your own
//!
//! [`virt_event::add_handle`] and [`virt_event::add_timeout`] put them on the
//! same loop, from any thread. `virt::event::event_add_handle` and
//! `event_add_timeout` land there, too, but do not ask for `Send`, and a panic
//! in their closures aborts the process.
//!
//! # What it tells you
//!
//! Warnings and errors go to [`tracing`](https://docs.rs/tracing), or to the
//! `log` crate where the program has no `tracing` subscriber.
//! `tracing_subscriber::fmt::init()` shows them, and so does
//! `env_logger::init()` with `RUST_LOG=warn`. They tell of
//!
//! - a loop that nobody runs, though work has been waiting on it for 5 s
//!   (noticed at the next call into it; there is no thread that looks);
//! - a callback that took over 100 ms;
//! - a descriptor that the kernel refuses to watch, or that was closed while
//!   it was watched.
//!
//! libvirt's own `could not initialize domain event timer` means that no loop
//! is installed.
//!
//! # Panics
//!
//! A panicking callback unwinds out of [`run`](EventLoop::run) and
//! [`run_once`](EventLoop::run_once), and the loop can be run again. In a thread
//! of [`spawn`](EventLoop::spawn) it goes on by itself.
//!
//! # Platforms, versions, features
//!
//! Linux, with libvirt 4.5 or newer; Rust 1.85 or newer; no features.

mod error;
mod event_loop;
mod loop_thread;
mod process_loop;

pub use virt_event;
pub use virt_event_reactor::{
    AttachError, Driver, Leftover, NotDrained, Reactor, Stats, TurnError,
};

pub use crate::error::{InstallError, RunError};
pub use crate::event_loop::{EventLoop, LoopHandle};
pub use crate::loop_thread::LoopThread;
pub use crate::process_loop::{register_default_impl, run_default_impl};

/// The program in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
