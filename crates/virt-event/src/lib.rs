//! The contract between [libvirt](https://libvirt.org) and an event loop.
//!
//! libvirt lets an application plug in its event loop through six callbacks,
//! given to `virEventRegisterImpl` once per process before the first
//! connection is opened. This crate is those six callbacks as a Rust trait,
//! [`EventImpl`], the types they exchange, and the process-wide slot that
//! holds the one implementation.
//!
//! # What it is not
//!
//! It contains no loop and does not link libvirt. Programs take the crate for
//! their loop and call its `install`; they come here for [`add_handle`] and
//! [`add_timeout`], which put descriptors and timers of their own on the same
//! loop. Authors of other loops start from `virt-event-reactor`, and authors
//! of another reactor implement the trait and examine it with
//! `virt-event-conformance`.
//!
//! # Example
//!
//! Anything that holds callbacks can implement the trait. The guards find it
//! in the slot:
//!
//! ```
//! use virt_event::Period;
//!
//! // Before anything is installed, an add says what to do first.
//! let error = virt_event::add_timeout(Period::EVERY_ITERATION, || {}).unwrap_err();
//! assert!(error.to_string().contains("install"));
//! ```
//!
//! # Map
//!
//! | libvirt | here |
//! |---|---|
//! | the six function types | [`EventImpl`] |
//! | `virEventAddHandle`, `…UpdateHandle`, `…RemoveHandle` | [`add_handle`] and the guard [`Watch`] |
//! | `virEventAddTimeout`, `…UpdateTimeout`, `…RemoveTimeout` | [`add_timeout`] and the guard [`Timer`] |
//! | `virEventHandleCallback` or `virEventTimeoutCallback`, its `opaque` and its `virFreeCallback` | [`HandleCallback`], [`TimeoutCallback`] |
//! | `virEventHandleType` | [`HandleEvents`] |
//! | a C int of milliseconds | [`Period`] |
//! | `virEventRegisterImpl` | `virt_event_libvirt::install`, over [`install_with`] |
//! | `virEventRegisterDefaultImpl`, `virEventRunDefaultImpl` | `virt_event_loop::register_default_impl`, `run_default_impl` |
//!
//! # Platforms and features
//!
//! Any Unix; no features. The reactor and the adapters are Linux only for now.

#![forbid(unsafe_code)]

mod callback;
mod error;
mod event_impl;
mod guard;
mod handle_events;
mod id;
mod period;
mod slot;

pub use crate::callback::{HandleCallback, TimeoutCallback};
pub use crate::error::{Error, Rejected};
pub use crate::event_impl::EventImpl;
pub use crate::guard::{Timer, Watch, add_handle, add_timeout};
pub use crate::handle_events::HandleEvents;
pub use crate::id::{TimerId, WatchId};
pub use crate::period::Period;
pub use crate::slot::{
    install_with, installed, installed_as, installed_or_wait, register_foreign_with,
};
