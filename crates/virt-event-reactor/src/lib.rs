//! A libvirt event loop behind one pollable file descriptor.
//!
//! libvirt asks an event loop to watch descriptors and to run timers. The
//! [`Reactor`] does both, for any number of them, and is itself *one*
//! descriptor, readable whenever there is something to do. A host loop (tokio,
//! GLib, calloop, mio, `poll(2)`, yours) watches that descriptor and calls
//! [`Attachment::turn`]; that is the whole of an adapter.
//!
//! # What it is not
//!
//! It is not a general-purpose loop, and programs rarely name it: they use the
//! crate for their host loop. This crate is for authors of adapters. It does
//! not link libvirt; `virt-event-libvirt` puts a reactor into it.
//!
//! # An adapter
//!
//! Watch one descriptor, take a turn, hand the user the [`Driver`]. This one,
//! over nothing but `poll(2)`, is `examples/poll_adapter.rs`, complete:
//!
//! ```
#![doc = include_str!("../examples/poll_adapter.rs")]
//! ```
//!
//! # Notes for authors of adapters
//!
//! - **Two verbs.** Offer `attach(reactor, host…)` and `install(host…)`, both
//!   returning a [`Driver`]. `install` gets its reactor from
//!   `virt_event_libvirt::installed_or_install(Reactor::new)`, which makes one
//!   and gives it to libvirt, or finds [the installed one](Reactor::installed).
//! - **The source owns the [`Attachment`].** When the host loop is destroyed
//!   the attachment is dropped, and somebody else may drive. On
//!   [`TurnError::Detached`] the source removes itself. In both cases the host
//!   forgets the descriptor *before* the attachment is dropped: an epoll set
//!   goes on reporting one that is closed.
//! - **In a forked child** ([`Reactor::is_forked`]) the source must not be
//!   dropped where that would take the descriptor out of a set that the child
//!   shares with its parent. Leak it.
//! - **Level-triggered hosts** (GLib, calloop, `poll`) may ignore what a turn
//!   returns: the descriptor stays readable while there is work.
//! - **Edge-triggered hosts** (mio, tokio) **must** take another turn without
//!   waiting for a new edge while a turn was [`pending`](Turn::pending), and
//!   after a panic that they caught.
//! - **An `async` drain** is made of [`Draining`], which does not block.
//! - **Panics** of callbacks come out of `turn`, after the state has been put
//!   in order. Say in your docs what your host does with them.
//! - **Callbacks run in `turn`**, on the thread that calls it, one at a time
//!   and without a lock. They may call anything, `turn` itself included.
//! - **Nothing else is needed.** Timers are inside the descriptor; changes
//!   from other threads wake the host through it; there is no source to add
//!   or remove while the loop runs.
//!
//! # How it works
//!
//! One level-triggered epoll set holds every watched descriptor, a timerfd
//! that is set to the earliest deadline, and an eventfd for everything that is
//! due at once. An iteration fetches what is ready, calls each ready watch and
//! each due timer at most once, and then drops the callbacks of removed
//! entries. The six calls change the set directly, from any thread.
//!
//! *Not guaranteed, just how it is today:* when the earliest timer is moved to
//! later, the alarm is left as it was, and costs a turn that does nothing. The alarm
//! that an iteration sets when it ends goes off 50 µs after the deadline, which is
//! what the kernel gives to `poll`, so that timers that are due soon after each
//! other share an iteration. A watch without
//! interest stays in the set, where the kernel may report its error or hang-up
//! once: that costs a turn that does nothing, too.
//!
//! # Platforms and features
//!
//! Linux. The platform is one private module.
//!
//! | feature | default | |
//! |---|---|---|
//! | `log` | yes | warnings reach the `log` crate where no `tracing` subscriber is set |

#![deny(unsafe_code)]

mod builder;
mod deadlines;
mod drain;
mod draining;
mod driver;
mod error;
mod handles;
mod id_map;
mod interest;
mod reactor;
mod report;
mod stale;
mod state;
mod stats;
mod sys;
#[cfg(test)]
mod tests;
mod timers;
mod turn;
mod watchdog;

pub use crate::builder::Builder;
pub use crate::draining::{DrainStep, Draining};
pub use crate::driver::{Attachment, DEFAULT_BUDGET, Driver};
pub use crate::error::{AttachError, Leftover, NotDrained, TurnError};
pub use crate::reactor::Reactor;
pub use crate::stats::Stats;
pub use crate::turn::Turn;
