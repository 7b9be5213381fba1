//! What is measured.
//!
//! Each kind of workload has a file, which holds the work twice: by the bare
//! system calls (the floor) and on a loop. The floor does what a program would
//! write that had this one thing to do; where the thing is a connection, it is
//! a client without a loop. A loop is entered through libvirt's functions or,
//! where it is there for comparison, by its own sources. Not every loop can do
//! everything: see [`Workload::is_for`].

mod active;
mod add_remove;
mod connection;
mod cross_thread;
mod event_storm;
mod fairness;
mod list;
mod memory;
mod nature;
mod open_close;
mod ping_pong;
mod rpc;
mod selection;
mod setup;
mod storm;
mod timers;
mod update_handle;
mod update_timeout;
mod zero_timer;

use std::fmt;

use anyhow::Result;

pub(crate) use self::memory::Kept;
pub(crate) use self::nature::Daemons;
pub(crate) use self::rpc::Beside;
pub(crate) use self::selection::Selection;
pub(crate) use self::setup::Place;
pub(crate) use self::storm::Subscriber;
pub(crate) use self::timers::Phases;
use crate::sample::Sample;

/// A workload that is set up on a loop, in the process of that loop.
pub(crate) trait Rounds {
    /// Does the operation so many times (at least once) and says what all of
    /// them cost.
    fn round(&mut self, operations: u64) -> Result<Sample>;
}

/// A workload and its size, or its variety.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workload {
    /// A callback reads an eventfd and kicks it again, beside `idle` watches
    /// that are never ready. One operation is one event.
    PingPong {
        /// Idle watches, each of a descriptor of its own.
        idle: u32,
    },
    /// The same without idle watches, where a turn of our reactor may have so
    /// many iterations.
    PingPongBudget {
        /// Iterations, not 0.
        budget: u32,
    },
    /// So many watches that all kick themselves. One operation is one event.
    Active {
        /// Watches, each of a descriptor of its own.
        watches: u32,
    },
    /// Another thread kicks an eventfd and waits until a callback has answered.
    /// One operation is one kick with its answer.
    CrossThread,
    /// A source of the host's own and a watch of libvirt's, both always ready.
    /// One operation is one turn of the former.
    Fairness,
    /// The same where a turn of our reactor may have so many iterations.
    FairnessBudget {
        /// Iterations, not 0.
        budget: u32,
    },
    /// Another thread switches the interest of a watch on and off while the
    /// loop sleeps. One operation is one `virEventUpdateHandle`.
    UpdateHandle,
    /// The same while the loop is busy with a watch that kicks itself. The
    /// processor time is that of the other thread alone.
    UpdateHandleBusy,
    /// A callback adds and removes a watch, beside `registered` others. One
    /// operation is one `virEventAddHandle`, its `virEventRemoveHandle`, and
    /// the loop's free.
    AddRemove {
        /// Idle watches, each of a descriptor of its own.
        registered: u32,
    },
    /// Another thread switches a timer between 10 s and disabled while the
    /// loop sleeps. One operation is one `virEventUpdateTimeout`.
    UpdateTimeout,
    /// The same with a deadline that moves earlier each time, so that a loop
    /// cannot leave the kernel alone.
    UpdateTimeoutEarlier,
    /// 10,000 timers of 100 ms. One operation is one call of one of them.
    Timers {
        /// When each is due, beside the others.
        phases: Phases,
    },
    /// A timer of 0 ms and nothing else. One operation is one iteration.
    ZeroTimer,
    /// A domain is paused and let go on while the loop rests; then the loop
    /// turns until the subscriber has heard of it. One operation is one event,
    /// without what caused it.
    Storm {
        /// Who hears of it.
        subscriber: Subscriber,
    },
    /// Other threads call a libvirtd while the loop waits. One operation is one
    /// call with its answer.
    Rpc {
        /// What there is besides, or how many call.
        beside: Beside,
    },
    /// Another thread opens a connection to a libvirtd and closes it. One
    /// operation is both.
    OpenClose,
    /// Another thread lets a libvirtd pause a domain and let it go on, and
    /// connections that have subscribed hear of it. One operation is one event
    /// on one of them, with its part of what caused it.
    EventStorm {
        /// Connections that have subscribed.
        connections: u32,
    },
    /// Watches or timers are added, 10,000 of them. One operation is one of
    /// them; what counts is the memory that it keeps.
    Memory {
        /// Of what.
        of: Kept,
    },
}

impl Workload {
    /// The name without the size or variety.
    pub(crate) fn family(self) -> &'static str {
        match self {
            Self::PingPong { .. } => "ping-pong",
            Self::PingPongBudget { .. } => "ping-pong-budget",
            Self::Active { .. } => "active",
            Self::CrossThread => "cross-thread",
            Self::Fairness => "fairness",
            Self::FairnessBudget { .. } => "fairness-budget",
            Self::UpdateHandle => "update-handle",
            Self::UpdateHandleBusy => "update-handle-busy",
            Self::AddRemove { .. } => "add-remove",
            Self::UpdateTimeout => "update-timeout",
            Self::UpdateTimeoutEarlier => "update-timeout-earlier",
            Self::Timers { .. } => "timers",
            Self::ZeroTimer => "zero-timer",
            Self::Storm { .. } => "storm",
            Self::Rpc { .. } => "rpc",
            Self::OpenClose => "open-close",
            Self::EventStorm { .. } => "event-storm",
            Self::Memory { .. } => "memory",
        }
    }

    /// What tells it from the others of its family.
    fn variety(self) -> Option<String> {
        match self {
            Self::PingPong { idle: size }
            | Self::Active { watches: size }
            | Self::AddRemove { registered: size }
            | Self::PingPongBudget { budget: size }
            | Self::FairnessBudget { budget: size }
            | Self::EventStorm { connections: size } => Some(size.to_string()),
            Self::Storm { subscriber } => Some(subscriber.to_string()),
            Self::Timers { phases } => Some(phases.to_string()),
            Self::Rpc { beside } => Some(beside.to_string()),
            Self::Memory { of } => Some(of.to_string()),
            Self::CrossThread
            | Self::Fairness
            | Self::UpdateHandle
            | Self::UpdateHandleBusy
            | Self::UpdateTimeout
            | Self::UpdateTimeoutEarlier
            | Self::ZeroTimer
            | Self::OpenClose => None,
        }
    }
}

/// `ping-pong/100`, `storm/raw`: the family, and the size or variety where it has
/// one.
impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.family())?;
        self.variety()
            .map_or(Ok(()), |variety| write!(f, "/{variety}"))
    }
}
