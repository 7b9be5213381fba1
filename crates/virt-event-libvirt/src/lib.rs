//! Puts an event loop into the real [libvirt](https://libvirt.org), and makes
//! sure that libvirt took it.
//!
//! libvirt takes one event loop per process, through `virEventRegisterImpl`,
//! and ignores a second one without telling anyone. [`install`] is that
//! function for an [`EventImpl`](virt_event::EventImpl): it finds out whether
//! a loop is there already, registers six C functions that lead to the
//! implementation, and verifies that libvirt's calls arrive there.
//!
//! # What it is not
//!
//! It contains no loop, and no binding of the rest of libvirt: connections and
//! domains come from the `virt` crate or another one, and any number of them
//! may be linked beside this crate. Programs do not need it directly either:
//! the crate for their loop has an `install` that creates, installs and runs.
//!
//! # Example
//!
//! ```no_run
//! use std::os::fd::RawFd;
//! use std::sync::Arc;
//!
//! use virt_event::{
//!     Error, EventImpl, HandleCallback, HandleEvents, Period, Rejected, TimeoutCallback,
//!     TimerId, WatchId,
//! };
//!
//! struct MyLoop { /* … */ }
//!
//! impl EventImpl for MyLoop {
//!     // …
//! #   fn add_handle(&self, _: RawFd, _: HandleEvents, c: HandleCallback) -> Result<WatchId, Rejected<HandleCallback>> { Err(Rejected::new(Error::IdsExhausted, c)) }
//! #   fn update_handle(&self, _: WatchId, _: HandleEvents) {}
//! #   fn remove_handle(&self, id: WatchId) -> Result<(), Error> { Err(Error::UnknownWatch(id)) }
//! #   fn add_timeout(&self, _: Period, c: TimeoutCallback) -> Result<TimerId, Rejected<TimeoutCallback>> { Err(Rejected::new(Error::IdsExhausted, c)) }
//! #   fn update_timeout(&self, _: TimerId, _: Period) {}
//! #   fn remove_timeout(&self, id: TimerId) -> Result<(), Error> { Err(Error::UnknownTimer(id)) }
//! }
//!
//! let implementation = Arc::new(MyLoop {});
//! // Once, at the start of the program, before the first connection.
//! virt_event_libvirt::install(Arc::clone(&implementation))?;
//! // From here on libvirt's watches and timers arrive at `implementation`.
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Map
//!
//! | libvirt | here |
//! |---|---|
//! | `virEventRegisterImpl` | [`install`] |
//! | `virEventAddHandle`, `…UpdateHandle`, `…RemoveHandle`, `virEventAddTimeout`, `…UpdateTimeout`, `…RemoveTimeout`, called by libvirt | six functions that lead to the installed implementation |
//! | the same, for calling | [`LibvirtImpl`], over whatever loop is registered |
//! | `virEventRegisterDefaultImpl` | [`default_loop::register`] |
//! | `virEventRunDefaultImpl` | [`default_loop::run_once`] |
//! | `virGetLastErrorMessage`, `virGetLastErrorCode` | [`LibvirtError`] |
//! | `virInitialize`, `virResetLastError` | called by all of these first |
//!
//! # What C is promised
//!
//! - Ids and −1, 0 and −1: the return values are libvirt's.
//! - A null `cb` is refused; with a null `ff` there is nothing to free.
//! - Nothing unwinds into C. A panic of the implementation is reported by the
//!   panic hook and answered with −1.
//! - An add that is answered with −1 frees nothing, whatever the
//!   implementation did: libvirt frees `opaque` itself then.
//!
//! # Platforms and features
//!
//! Any Unix with libvirt 4.5.0 or newer, found by pkg-config; no features. The
//! build script says which packages to install when libvirt is missing. It
//! looks for nothing when documentation is built with `DOCS_RS` set.

pub mod default_loop;
mod error;
mod foreign_callback;
mod install;
mod last_error;
mod libvirt_impl;
mod probe;
mod reached;
mod sys;
mod trampolines;

pub use crate::error::{InstallError, LibvirtError};
pub use crate::install::{install, installed_or_install};
pub use crate::libvirt_impl::LibvirtImpl;
pub use crate::reached::Reached;
