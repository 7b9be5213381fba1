//! Runs libvirt's events on a [calloop](::calloop) event loop.
//!
//! A program with a calloop loop of its own, a Wayland compositor for one,
//! needs no second thread for libvirt: [`install`] once, before the first
//! connection, and libvirt's callbacks run inside `EventLoop::dispatch`, beside
//! the program's other sources.
//!
//! # Getting at `&mut Data`
//!
//! Callbacks of libvirt's loop are `Send`: they outlive every host loop, and
//! may run on another one later. So they can not capture calloop's `&mut Data`
//! or a `LoopHandle`. Send what happened through a [`calloop::channel`]; its
//! source has the `&mut Data`. This is `examples/channel.rs`, complete:
//!
//! ```
#![doc = include_str!("../examples/channel.rs")]
//! ```
//!
//! # What it is not
//!
//! It does not make blocking calls of libvirt asynchronous: `Connect::open` and
//! every call that asks a daemon block the loop that makes them. Make them on
//! another thread, and send the outcome through a channel, too.
//!
//! # Map
//!
//! | for | there is |
//! |---|---|
//! | a program, at its start | [`install`] |
//! | its end | drop every connection and domain, then [`Driver::drain`], with or without the event loop |
//! | another loop taking over | [`Driver::detach`]; the source leaves the event loop at a dispatch soon after, at the latest when there is something to do again |
//! | a token to remove, disable or enable the source with; a callback after each turn | [`Source`] |
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
//! # What calloop sees
//!
//! One level-triggered source. Its cost does not grow with the number of
//! connections. While libvirt always has something to do, calloop's other
//! sources, timers and idle callbacks have their turn between two dispatches as
//! before, and the other way round.
//!
//! - **Nesting.** calloop forbids a dispatch inside a dispatch. A callback that
//!   must wait for another one calls `driver.reactor().turn(…)`
//!   ([`Reactor::turn`]) instead, which serves libvirt alone.
//! - **The event loop is dropped.** So is the source: everything stays
//!   registered and waits until another driver is attached.
//! - **`fork`.** In the child a dispatch that comes to this source is an error. A
//!   child should `exec` and not drop the event loop: this source stays in the
//!   kernel's set, which is the parent's, too, but calloop's own (a ping, a
//!   channel) take themselves out.
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
//! A callback that panics does not end the dispatch: the panic hook reports it,
//! and the loop goes on, because every connection depends on it. It does not
//! come out of `EventLoop::dispatch`, because calloop loses what it has fetched
//! when a source unwinds: a timer that was due in the same dispatch would never
//! fire.
//!
//! # Versions, platforms and features
//!
//! | virt-event-calloop | calloop | minimum Rust |
//! |---|---|---|
//! | 0.1 | 0.14 | 1.86, that of calloop |
//!
//! Linux; no features. calloop is re-exported as [`calloop`].

mod attach;
mod error;
mod source;

pub use calloop;
pub use virt_event;
pub use virt_event_reactor::{Driver, Leftover, NotDrained, Reactor, Stats, TurnError};

pub use crate::attach::{attach, install};
pub use crate::error::{AttachError, InstallError};
pub use crate::source::Source;

/// The README's code, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
