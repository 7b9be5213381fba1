//! What the example programs share. The programs are in `src/bin`.
//!
//! | program | shows |
//! |---|---|
//! | `lifecycle` | the life of every domain, from a loop installed by us to a clean end |
//! | `events` | events of every kind, as text or JSON; connecting [again](reconnect) |
//! | `watch-tokio`, `watch-glib`, `watch-calloop` | the least that a program needs, 25 lines at most |
//! | `console` | a guest's console on the terminal: a stream, descriptors of one's own, events, signals, and calls that block |
//!
//! A program of yours needs neither this crate nor unsafe code: what is here is
//! what a whole program has around the few lines that are about libvirt.

pub mod console;
pub mod domain;
pub mod events;
pub mod host_loop;
pub mod interrupt;
pub mod options;
pub mod output;
pub mod reconnect;
pub mod stopping;
pub mod worker;

/// Any error, to be shown to the user.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The README, so that its example compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

/// How to end, so that its example compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/shutdown.md")]
pub struct Shutdown;

/// What C and Python call things, so that its examples compile.
#[cfg(doctest)]
#[doc = include_str!("../../docs/coming-from-c-or-python.md")]
pub struct ComingFromCOrPython;
