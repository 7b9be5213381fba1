//! The platform. What a backend for another kernel must supply:
//!
//! - [`Poller`]: a level-triggered readiness set that is itself one pollable
//!   descriptor, holds a one-shot alarm and a wake-up, and can be changed from
//!   any thread while another one waits on it; closed on exec;
//! - [`DrainSet`]: one descriptor that is readable when the readiness set is,
//!   when that says that all is drained, or when a deadline is over;
//! - [`FileId`]: which file a descriptor number stands for right now;
//! - [`now`] and [`now_coarse`]: the clock that the alarm runs on;
//! - [`fork_generation`]: a number that differs in a forked child;
//! - [`thread_mark`]: a number that differs between live threads.

mod clock;
mod drain_set;
mod fork;
mod poller;
mod thread;

pub(crate) use clock::{Moment, after, now, now_coarse};
pub(crate) use drain_set::DrainSet;
pub(crate) use fork::fork_generation;
pub(crate) use poller::{Events, FileId, Interest, Poller, Source};
pub(crate) use rustix::io::Errno;
pub(crate) use thread::thread_mark;
