//! Runs libvirt's events on a [mio](::mio) poll.
//!
//! A program with a `mio::Poll` of its own needs no second thread for libvirt:
//! [`install`] once, before the first connection, and call
//! [`Source::dispatch`] whenever the token fires. libvirt's callbacks run in
//! there. Keep the [`Source`]: with `let (_, driver) = install(…)` it is dropped
//! at once, and nobody runs the loop. This is `examples/poll.rs`, complete:
//!
//! ```
#![doc = include_str!("../examples/poll.rs")]
//! ```
//!
//! # Every event must be dispatched
//!
//! mio is edge-triggered: it tells once that something is ready, and not again
//! because it still is. An event for the token that is not followed by a
//! `dispatch` is a wake-up lost; libvirt's connections time out then, since
//! nobody answers keepalive. Wrong:
//!
//! ```no_run
//! # use virt_event_mio::mio::{Events, Poll, Token};
//! # const LIBVIRT: Token = Token(0);
//! # fn work() -> bool { true }
//! # fn turn(poll: &mut Poll, events: &mut Events, libvirt: &virt_event_mio::Source, mut busy: bool) -> anyhow::Result<()> {
//! poll.poll(events, None)?;
//! for event in &*events {
//!     match event.token() {
//!         LIBVIRT if busy => {} // WRONG: it will not fire again
//!         LIBVIRT => libvirt.dispatch()?,
//!         _ => {
//!             busy = work();
//!             break; // WRONG: one of the events left may be libvirt's
//!         }
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Right. Who must put it off remembers it; `dispatch` may be called at any
//! time:
//!
//! ```no_run
//! # use virt_event_mio::mio::{Events, Poll, Token};
//! # const LIBVIRT: Token = Token(0);
//! # fn work() -> bool { true }
//! # fn turn(poll: &mut Poll, events: &mut Events, libvirt: &virt_event_mio::Source, mut busy: bool, mut put_off: bool) -> anyhow::Result<()> {
//! poll.poll(events, None)?;
//! for event in &*events {
//!     match event.token() {
//!         LIBVIRT => put_off = true,
//!         _ => busy = work(),
//!     }
//! }
//! if put_off && !busy {
//!     libvirt.dispatch()?; // once is enough, however many events there were
//!     put_off = false;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! One call is enough: `dispatch` is bounded, so that the program's other
//! sources have their turn, and where there may be more to do it has the token
//! fire again by itself.
//!
//! # What it is not
//!
//! It does not make blocking calls of libvirt asynchronous: `Connect::open` and
//! every call that asks a daemon block the thread that makes them.
//!
//! # Map
//!
//! | for | there is |
//! |---|---|
//! | a program, at its start | [`install`] |
//! | each event of the token | [`Source::dispatch`] |
//! | its end | drop every connection and domain, then [`Driver::drain`], with or without the poll |
//! | another loop taking over | drop the [`Source`]; or [`Driver::detach`] from any thread: the token fires, at the latest when there is something to do again, and `dispatch` says [`TurnError::Detached`] |
//! | another token, another `Poll` | `Registry::reregister`, `deregister` and `register` with the source, as with any of mio's |
//! | a test, or a reactor that libvirt does not know | [`attach`] |
//! | more speed under load, or more fairness to other sources | [`Driver::set_budget`], [`DEFAULT_BUDGET`](virt_event_reactor::DEFAULT_BUDGET) unless set |
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
//! A callback that panics does so out of [`Source::dispatch`], when everything
//! else has been served. A program that catches it may go on polling: no edge
//! is lost.
//!
//! # How it works
//!
//! The poll watches one descriptor, for reading. After a dispatch that stopped
//! at its bound, or that panicked, the source changes its registration to the
//! same, which has the kernel look anew. *Not guaranteed, just how it is today.*
//!
//! # Versions, platforms and features
//!
//! | virt-event-mio | mio | minimum Rust |
//! |---|---|---|
//! | 0.1 | 1 | 1.85 |
//!
//! Linux; no features. mio is re-exported as [`mio`], with its features
//! `os-poll` and `os-ext`. Beside the `virt` crate, which wants one exact
//! version of `libc`, cargo picks a mio that goes with it.

mod attach;
mod error;
mod source;

pub use mio;
pub use virt_event;
pub use virt_event_reactor::{Driver, Leftover, NotDrained, Reactor, Stats, TurnError};

pub use crate::attach::{attach, install};
pub use crate::error::{AttachError, InstallError};
pub use crate::source::Source;

/// The README's code, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
