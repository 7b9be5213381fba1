//! What the example programs share. The programs are in `src/bin`.
//!
//! | program | shows |
//! |---|---|
//! | `lifecycle` | the life of every domain, from a loop installed by us to a clean end |
//! | `console` | a guest's console on the terminal: a stream, descriptors of one's own, events, signals, and calls that block |
//!
//! Everything is safe code but for one file, [`domain_events`]: the `virt`
//! crate cannot subscribe to events, so that file does it over `virt::sys`.

pub mod console;
pub mod domain_events;
pub mod host_loop;
pub mod interrupt;
pub mod lifecycle;
pub mod options;

/// Any error, to be shown to the user.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The README, so that its example compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
