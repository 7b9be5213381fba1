//! Runs libvirt's events on a [tokio] runtime: current-thread, multi-thread, or
//! inside a `LocalSet`.
//!
//! ```
//! use std::time::Duration;
//!
//! use tokio::task::spawn_blocking;
//! use virt::connect::Connect;
//! use virt_event_tokio::virt_event;
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // Once, before the first connection.
//!     let driver = virt_event_tokio::install()?;
//!
//!     // libvirt's own calls block, so they go where that is allowed.
//!     let connection = spawn_blocking(|| Connect::open(Some("test:///default"))).await??;
//!
//!     // Where events come from: a timer here, a connection's callbacks elsewhere.
//!     let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
//!     let timer = virt_event::add_timeout(Duration::from_millis(1), move || {
//!         let _ = sender.send("tick"); // does not block
//!     })?;
//!
//!     // Where they go.
//!     assert_eq!(events.recv().await, Some("tick"));
//!
//!     drop(timer); // and every domain and every connection
//!     spawn_blocking(move || drop(connection)).await?;
//!     driver.drain(Duration::from_secs(5)).await?; // nothing is left behind
//!     Ok(())
//! }
//! ```
//!
//! # What it is not
//!
//! It is no binding of libvirt, and does not make libvirt asynchronous:
//! connections come from the `virt` crate, and every call that asks a host for
//! something, opening and closing a connection included, blocks until the
//! answer is there. Use [`spawn_blocking`](tokio::task::spawn_blocking) for all
//! of them. What runs on the runtime is what libvirt does by itself: events,
//! keepalive, streams.
//!
//! Nor does it give tokio each of libvirt's descriptors and timers. They are in
//! a [reactor](virt_event_reactor), of which the runtime watches one descriptor.
//! So libvirt's threads never touch the runtime, and nothing is lost when it
//! ends. A paused clock of tokio's does not stop libvirt's timers.
//!
//! # Map
//!
//! | to run the reactor | and libvirt gets it | without libvirt |
//! |---|---|---|
//! | in a task of the current runtime | [`install`] | [`attach`] |
//! | in a task of a given runtime | [`install_on`] | [`attach_on`] |
//! | in a future, to select on or to spawn | [`Drive::install`] | [`Drive::new`] |
//!
//! With each there is a [`Driver`]: [drain](Driver::drain),
//! [detach](Driver::detach), statistics, and the
//! [budget](Driver::set_budget), which says how much is done before the driver
//! yields to the other tasks.
//!
//! # Callbacks that block
//!
//! Callbacks run on the runtime. They should pass on what happened, for
//! instance into an unbounded channel, and return: while one runs, no other
//! connection gets its events or answers keepalive. The reactor logs a warning
//! for a callback that takes over 100 ms.
//!
//! In a plain task, a callback that blocks would stop the others as well. One
//! worker at a time waits for timers and sockets; the one that saw libvirt's
//! event runs the callback, and nobody takes its place meanwhile. Measured, with
//! a callback that sleeps 500 ms while nothing else is to be done, this is how
//! late others were (medians, 2 workers and 4):
//!
//! | turns are taken | a timer | a socket | the task that the callback woke |
//! |---|---|---|---|
//! | in a plain task | 499 ms | 496 ms | 500 ms |
//! | in [`block_in_place`](tokio::task::block_in_place) | 3 ms | 1 ms | 0 ms |
//! | by `virt_event_loop`, on a thread | 7 ms | 2 ms | 0 ms |
//!
//! So the task of [`install`] and [`attach`] on a **multi-thread** runtime takes
//! its turns in `block_in_place`: the other tasks go on, and callbacks may use
//! `blocking_send` and `Handle::block_on`. The price is that every turn hands the
//! worker to another thread. An event that wakes the runtime, and the answer to
//! it, took 1.8 times the CPU time (9 µs, not 5 µs) and 1.1 to 1.5 times as long;
//! with events one upon the other it was 1.8 to 3 times the CPU time. A call of
//! libvirt's to its daemon takes tens or hundreds of microseconds, so a frozen
//! runtime is the greater evil. To have fewer turns, their
//! [budget](Driver::set_budget) is 64 iterations there, and 3 elsewhere, unless
//! you set it.
//!
//! - **The thread comes from the pool of `spawn_blocking`.** Where that is full
//!   (512 calls of libvirt's that hang, unless the runtime is built with another
//!   `max_blocking_threads`), a callback that blocks freezes its worker.
//! - **A current-thread runtime** has nobody to hand anything to; a callback
//!   that blocks stops all of its tasks.
//! - **A [`Drive`]** takes plain turns, wherever it is polled. Spawn it yourself
//!   where no callback ever blocks and the last microseconds count.
//! - **If callbacks must block**, for a call into libvirt perhaps, either leave
//!   that to a task with `spawn_blocking`, or give libvirt the built-in loop
//!   instead, `virt_event_loop::EventLoop::install()?.spawn()?`, which runs them
//!   on a thread of its own.
//!
//! `cargo run --release -p virt-event-tokio --example blocking_callback` repeats
//! the measurement.
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
//! A panicking callback does not end the driver: the panic hook reports it,
//! everything else has been served, and the next turn follows. Nothing here
//! panics by itself; a missing runtime is an error. (For a runtime without IO
//! see [`AttachError::NoIo`].)
//!
//! # When the runtime ends
//!
//! The driver ends with its runtime. What is registered with libvirt stays
//! registered, adds go on working, and somebody else may drive: [`install`] on
//! the next runtime, which finds the reactor that libvirt has, or any other loop
//! of this family. To wind down, drop every domain and connection and then
//! await [`Driver::drain`], on the same runtime, a new one, or, without any,
//! call [`Reactor::drain`].
//!
//! A drain says that nothing is registered and nothing awaits freeing. It closes
//! no connection, and does not say that they are closed.
//!
//! # Tests
//!
//! libvirt takes one loop per process, and that has one driver at a time.
//! `cargo nextest` runs a process for each test: there is nothing to do. With
//! plain `cargo test`, of two tests that install at once the second is refused
//! ([`AlreadyAttached`](virt_event_reactor::AttachError::AlreadyAttached)).
//! Either they share a driver (and do without draining, which would wait for
//! all of them):
//!
//! ```
//! use std::sync::LazyLock;
//!
//! use tokio::runtime::Runtime;
//! use virt_event_tokio::{Driver, install_on};
//!
//! static LIBVIRT: LazyLock<(Runtime, Driver)> = LazyLock::new(|| {
//!     let runtime = Runtime::new().expect("a runtime");
//!     let driver = install_on(runtime.handle()).expect("libvirt's loop");
//!     (runtime, driver)
//! });
//!
//! # /*
//! #[tokio::test]
//! # */
//! # #[tokio::main(flavor = "current_thread")]
//! async fn a_test() {
//!     let (_, driver) = &*LIBVIRT;
//!     // …
//! #   assert!(driver.is_attached());
//! }
//! # a_test();
//! ```
//!
//! Or each [`install`]s, and they take turns; then each has to
//! [detach](Driver::detach), because its runtime ends only after the lock is
//! released:
//!
//! ```
//! use std::time::Duration;
//!
//! static IN_TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
//!
//! # /*
//! #[tokio::test]
//! # */
//! # #[tokio::main(flavor = "current_thread")]
//! async fn a_test() -> Result<(), Box<dyn std::error::Error>> {
//!     let _turn = IN_TURN.lock().await;
//!     let driver = virt_event_tokio::install()?;
//!     // …
//!     driver.drain(Duration::from_secs(5)).await?;
//!     driver.detach();
//!     Ok(())
//! }
//! # a_test().unwrap();
//! ```
//!
//! # Platforms, versions, features
//!
//! Linux; no features. tokio is [re-exported](tokio), with its features `net`,
//! `rt` and `rt-multi-thread` only. For `#[tokio::main]`, channels and sleeps the
//! program has a `tokio` of its own, with `macros`, `sync` and `time`.
//!
//! | this crate | tokio | Rust |
//! |---|---|---|
//! | 0.1 | 1.54 or newer, before 2 | 1.85 or newer |

#![deny(unsafe_code)]

mod async_fd;
mod attach;
mod drive;
mod driver;
mod error;

pub use tokio;
pub use virt_event;
pub use virt_event_reactor::{Leftover, NotDrained, Reactor, Stats, TurnError};

pub use crate::attach::{attach, attach_on, install, install_on};
pub use crate::drive::Drive;
pub use crate::driver::Driver;
pub use crate::error::{AttachError, InstallError};

/// The program in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
