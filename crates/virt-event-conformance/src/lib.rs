//! An exam for implementations of libvirt's event loop contract.
//!
//! libvirt says little about how the six callbacks of an event loop must
//! behave, and is hurt by what it does not say: a wrong loop loses events,
//! frees twice, spins, or drops a connection, now and then. This crate holds
//! the contract as [cases], one question each, which any
//! [`EventImpl`](virt_event::EventImpl) can be put through.
//!
//! # What it is not
//!
//! It does not link libvirt, and it measures nothing: speed is another matter.
//! How an implementation gets into libvirt (clauses R1, R2, R4 and F of the
//! contract) is not the implementation's doing, and is examined elsewhere.
//!
//! # How to take it
//!
//! Say how your loop is made and how it takes a turn, and mount the exam as a
//! test target:
//!
//! ```toml
//! [[test]]
//! name = "conformance"
//! harness = false
//! ```
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use virt_event::EventImpl;
//! use virt_event_conformance::{Capabilities, Subject, conformance_main};
//!
//! struct MySubject(Arc<MyLoop>);
//!
//! impl Subject for MySubject {
//!     fn event_impl(&self) -> Arc<dyn EventImpl> {
//!         self.0.clone()
//!     }
//!
//!     fn capabilities(&self) -> Capabilities {
//!         // Each unlocks the cases that need it, and some methods of this
//!         // trait have to be overridden for it.
//!         Capabilities::COUNTED | Capabilities::DROP
//!     }
//!
//!     fn turn(&self, timeout: Duration) {
//!         self.0.iterate(timeout);
//!     }
//! }
//!
//! conformance_main!("my loop", |_config| Box::new(MySubject(Arc::new(MyLoop::new()))));
//! #
//! # use std::os::fd::RawFd;
//! # use virt_event::*;
//! # struct MyLoop;
//! # impl MyLoop {
//! #     fn new() -> Self { Self }
//! #     fn iterate(&self, _: Duration) {}
//! # }
//! # impl EventImpl for MyLoop {
//! #     fn add_handle(
//! #         &self, _: RawFd, _: HandleEvents, callback: HandleCallback,
//! #     ) -> Result<WatchId, Rejected<HandleCallback>> {
//! #         Err(Rejected::new(Error::IdsExhausted, callback))
//! #     }
//! #     fn update_handle(&self, _: WatchId, _: HandleEvents) {}
//! #     fn remove_handle(&self, watch: WatchId) -> Result<(), Error> {
//! #         Err(Error::UnknownWatch(watch))
//! #     }
//! #     fn add_timeout(
//! #         &self, _: Period, callback: TimeoutCallback,
//! #     ) -> Result<TimerId, Rejected<TimeoutCallback>> {
//! #         Err(Rejected::new(Error::IdsExhausted, callback))
//! #     }
//! #     fn update_timeout(&self, _: TimerId, _: Period) {}
//! #     fn remove_timeout(&self, timer: TimerId) -> Result<(), Error> {
//! #         Err(Error::UnknownTimer(timer))
//! #     }
//! # }
//! ```
//!
//! Then `cargo test --test conformance` runs everything, `… -- h05` what
//! contains `h05`, `… -- --list` lists; nextest works too. The crate's example
//! `poll_loop` is a whole loop over `poll(2)` with the exam mounted on it.
//!
//! # Cases
//!
//! The name of a [`Case`] begins with the clause of `docs/contract.md` that it
//! examines: `h05_same_fd_twice`. It runs in a child process, because a broken
//! loop may hang or crash, and because some clauses are about the process. A
//! case that needs a [capability](Capabilities) which the subject does not
//! claim does not apply, and is reported as ignored.
//!
//! Every callback is [recorded](Recorder): one that is freed twice or never,
//! called after its free, entered twice, or run inside one of the six calls or
//! on a foreign thread, fails any case.
//!
//! # Mutants
//!
//! A case that cannot fail proves nothing. So each has a [`Mutant`]: a right
//! subject with one [fault](mutants::Fault) put into it, which must fail it.
//! [`run_mutant`] and [`mutant_trials`] run them, on top of an implementation
//! that passes.
//!
//! # Map
//!
//! | | |
//! |---|---|
//! | mount it | [`conformance_main!`], [`Subject`], [`Capabilities`], [`Config`] |
//! | mount it beside other tests | [`child_main`], [`trials`], [`mutant_trials`] |
//! | run it from a program | [`child_main`], [`run_case`], [`run_attempts`], [`run_mutant`], [`Table`] |
//! | write a case | [`Exam`], [`fixtures`], [`Recorder`], [`Logs`] |
//! | write a mutant | [`mutants`] |
//!
//! # Platforms and features
//!
//! Linux; no features.

mod case;
pub mod cases;
mod child;
mod entry;
mod exam;
pub mod fixtures;
mod harness;
mod logs;
pub mod mutants;
mod process;
mod recorder;
mod runner;
mod subject;
mod table;

pub use crate::case::{Case, Mutant};
pub use crate::child::child_main;
pub use crate::exam::{Exam, Timed, Watched};
pub use crate::harness::{harness_main, mutant_trials, trials};
pub use crate::logs::{LogRecord, Logs};
pub use crate::recorder::{Call, Free, Log, Recorder};
pub use crate::runner::{Implementation, Limits, Outcome, run_attempts, run_case, run_mutant};
pub use crate::subject::{Capabilities, Config, Factory, SecondDriver, Stats, Subject};
pub use crate::table::Table;
