//! Runs libvirt's events on a [GLib](glib) main context: for programs on GTK,
//! GStreamer, or GIO.
//!
//! libvirt's callbacks are [`Send`], so that they cannot hold a widget. What a
//! program does instead: the callback sends what happened into a channel, and a
//! future on the main context receives it and may touch everything there.
//!
//! ```
//! use std::cell::Cell;
//! use std::rc::Rc;
//! use std::time::Duration;
//!
//! use virt_event_glib::glib::{self, MainContext, MainLoop, Priority};
//! use virt_event_glib::virt_event;
//!
//! // Once, before the first connection.
//! let context = MainContext::default();
//! let driver = virt_event_glib::install(&context, Priority::DEFAULT)?;
//!
//! // Where events come from: a timer here, a connection's callbacks elsewhere.
//! let (sender, events) = async_channel::unbounded();
//! let timer = virt_event::add_timeout(Duration::from_millis(1), move || {
//!     let _ = sender.try_send("tick"); // does not block
//! })?;
//!
//! // Where they go: `label` stands for a widget.
//! let label = Rc::new(Cell::new(0));
//! let main_loop = MainLoop::new(Some(&context), false);
//! glib::spawn_future_local({
//!     let (label, main_loop) = (Rc::clone(&label), main_loop.clone());
//!     async move {
//!         while let Ok(_event) = events.recv().await {
//!             label.set(label.get() + 1);
//!             if label.get() == 3 {
//!                 main_loop.quit();
//!             }
//!         }
//!     }
//! });
//!
//! main_loop.run(); // or the application's `run`
//! assert!(label.get() >= 3);
//!
//! drop(timer); // and every domain and every connection
//! driver.drain(Duration::from_secs(5))?; // nothing is left behind
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The wrong way does not compile:
//!
//! ```compile_fail,E0277
//! # use std::{cell::Cell, rc::Rc, time::Duration};
//! # use virt_event_glib::virt_event;
//! let label = Rc::new(Cell::new(0));
//! let timer = virt_event::add_timeout(Duration::from_millis(1), move || {
//!     label.set(label.get() + 1); // `Rc<Cell<i32>>` cannot be sent between threads
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `spawn_future_local` and `MainContext::spawn_local` need the `futures`
//! feature of glib. This crate does not turn it on; a program's own dependency
//! on `glib`, `gtk4` or `gio` does.
//!
//! # What it is not
//!
//! It is no binding of libvirt, and has no events of its own: connections come
//! from the `virt` crate. Nor does it put libvirt's watches into the main
//! context one by one, as libvirt-glib does: they are in a
//! [reactor](virt_event_reactor), and the context sees one source with one
//! descriptor, however many watches there are.
//!
//! libvirt's own calls block. Opening a connection to a remote host in the
//! thread of the user interface freezes it; use `gio::spawn_blocking` or a
//! thread.
//!
//! # Map
//!
//! | libvirt-glib | here |
//! |---|---|
//! | `gvir_event_register` | [`install`], or [`attach`] for a reactor that you have |
//! | – | [`Driver::detach`], and another context or another loop after it |
//! | – | [`Driver::drain`], also after the main loop has ended |
//! | – | [`Driver::set_budget`], [`Driver::stats`] |
//!
//! # Which context
//!
//! Any: the default one, a thread-default one (pass
//! [`MainContext::ref_thread_default`]), one that nobody runs yet, one that
//! another thread sleeps in. Callbacks run on the thread that iterates it, or
//! on one that [drains](Driver::drain), and frees do, too; never inside a call
//! from libvirt.
//!
//! `spawn_future_local` means the thread-default context of its caller. For
//! another one, use its `MainContext::spawn_local`, or
//! [`MainContext::with_thread_default`].
//!
//! # Priority
//!
//! In each of its iterations GLib dispatches the ready sources of one priority
//! only, the highest. So while the reactor has work in *every* iteration (a
//! flood of data; a timer of 0 ms, which libvirt arms for the moment in which
//! it delivers events), sources of a lower priority, which is a larger number,
//! do not run at all; those of the same priority run once for each turn of the
//! reactor. And the reactor waits for everything of a higher priority.
//!
//! | priority | |
//! |---|---|
//! | [`DEFAULT`](Priority::DEFAULT), 0 | what input events and futures have: all of them alternate. A flood holds up GTK's redraws, which are at 120 |
//! | [`DEFAULT_IDLE`](Priority::DEFAULT_IDLE), 200 | a flood holds up neither input nor redraws. But if the program is that busy itself, libvirt waits, and a connection with keepalive has only seconds |
//! | higher than that of the futures that receive | not wise: in a flood they receive nothing |
//!
//! A turn has a budget of several iterations of the reactor, which makes it
//! cheaper under load, and unfairer to the sources of the same priority.
//! [`Driver::set_budget`] changes the
//! [default](virt_event_reactor::DEFAULT_BUDGET); 1 is the fairest.
//!
//! # Nested main loops
//!
//! A callback may run a main loop on the same context, as a modal dialog does,
//! or iterate it. Meanwhile everything is served but the callbacks that are
//! running, so that connections stay alive. They are called again when they
//! have returned. (glib's own source over a descriptor cannot do this: it is
//! blocked while its closure runs.)
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
//! A panicking callback does not end the main loop. The panic hook reports it,
//! everything else is served, and the callback stays registered. In contrast, a
//! panic in a closure given to glib itself, and any panic in a program built
//! with `panic = "abort"`, ends the process.
//!
//! # How it ends
//!
//! - [`Driver::detach`] wakes the context, which removes the source when it gets
//!   to it. Where it does not (it is not iterated any more, or the next driver
//!   is always first), it keeps the source until it is freed; that is harmless.
//! - A context that is freed detaches, whichever thread frees it, and so does
//!   whoever destroys the source by GLib's means: when the last reference to
//!   the source is gone. A turn in progress is completed. A context is not
//!   freed when its main loop ends, and the default context never is.
//! - If the kernel refuses to wait for the reactor (somebody has closed its
//!   descriptor), or in a forked child, the source is removed with a critical
//!   message in the log domain `virt-event-glib`. `G_DEBUG=fatal-criticals`
//!   makes it end the process.
//!
//! In each of these cases what is registered stays registered, and another
//! driver may be attached.
//!
//! A drain says that nothing is registered and nothing awaits freeing. It closes
//! no connection, and does not say that they are closed.
//!
//! # Versions, platforms and features
//!
//! | this crate | glib | Rust |
//! |---|---|---|
//! | 0.1 | 0.22 | 1.92 |
//!
//! glib is [re-exported](glib), without its default features. Linux, with GLib
//! 2.56 or newer; no features.

#![deny(unsafe_code)]

mod attach;
mod error;
mod source;
mod turn;

pub use glib;
pub use virt_event;
pub use virt_event_reactor::{
    AttachError, Driver, Leftover, NotDrained, Reactor, Stats, TurnError,
};

pub use crate::attach::{attach, install};
pub use crate::error::InstallError;

#[cfg(doc)]
use glib::{MainContext, Priority};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
