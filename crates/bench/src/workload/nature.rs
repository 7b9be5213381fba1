//! What a workload needs, and what of it counts.

use std::time::Duration;

use super::{Beside, Subscriber, Workload, add_remove, memory, timers};
use crate::contender::Contender;
use crate::sample::Quantity;

/// How many libvirtd there are for the children of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Daemons {
    /// To start one takes longer than all its rounds.
    OneForAll,
    /// Its children would be in each other's way: hear of each other's events, or
    /// have thousands of connections between them.
    OneEach,
}

impl Workload {
    /// The workloads whose rounds this one's are interleaved with have the same
    /// name here. Only figures of one group are compared.
    pub(crate) fn group(self) -> String {
        match self {
            // So many daemons and connections at a time are enough.
            Self::Rpc { .. } => self.to_string(),
            _ => self.reference().family().to_owned(),
        }
    }

    /// The workload that this one's ratios to other loops are taken from: those
    /// have no budget that could be set.
    pub(crate) fn reference(self) -> Self {
        match self {
            Self::PingPongBudget { .. } => Self::PingPong { idle: 0 },
            Self::FairnessBudget { .. } => Self::Fairness,
            other => other,
        }
    }

    /// Whether it can be done on this loop, and means something there.
    pub(crate) fn is_for(self, contender: Contender) -> bool {
        match contender {
            Contender::Libvirtaio => return self.is_for_libvirtaio(),
            Contender::FloorShared => {
                return matches!(self, Self::PingPong { .. } | Self::UpdateHandle);
            }
            _ => {}
        }
        match self {
            Self::PingPong { .. } | Self::Active { .. } | Self::CrossThread => true,
            Self::Fairness => contender.shares_a_thread(),
            Self::PingPongBudget { .. } => contender.has_budget(),
            Self::FairnessBudget { .. } => contender.has_budget() && contender.shares_a_thread(),
            Self::UpdateHandle
            | Self::UpdateHandleBusy
            | Self::AddRemove { .. }
            | Self::UpdateTimeout
            | Self::UpdateTimeoutEarlier
            | Self::ZeroTimer
            | Self::Rpc { .. }
            | Self::OpenClose => !contender.is_native(),
            // What a loop keeps is its own affair, and the kernel has no loop.
            Self::Timers { .. } | Self::EventStorm { .. } | Self::Memory { .. } => {
                !contender.is_native() && contender != Contender::Floor
            }
            // It is not about loops: any would do.
            Self::Storm { .. } => contender == Contender::Builtin,
        }
    }

    /// What no other thread than the loop's takes part in: libvirtaio's six
    /// functions work on that one alone. A thread may kick a descriptor, though.
    fn is_for_libvirtaio(self) -> bool {
        matches!(
            self,
            Self::PingPong { .. }
                | Self::Active { .. }
                | Self::CrossThread
                | Self::AddRemove { .. }
                | Self::Timers { .. }
                | Self::ZeroTimer
                | Self::Memory { .. }
        )
    }

    /// What its cost is measured in. Processor time says little where threads
    /// wait for each other.
    pub(crate) fn quantity(self) -> Quantity {
        match self {
            Self::CrossThread | Self::EventStorm { .. } => Quantity::WallTime,
            Self::Memory { .. } => Quantity::Memory,
            _ => Quantity::CpuTime,
        }
    }

    /// Whether what one wants to know is how many operations there are in a
    /// second.
    pub(crate) fn is_a_rate(self) -> bool {
        matches!(self, Self::ZeroTimer | Self::EventStorm { .. })
    }

    /// Whether its threads have to share a processor. Otherwise it is the
    /// scheduler that decides about the figure: a wake-up on another processor
    /// takes several times as long as one on the same.
    pub(crate) fn needs_one_processor(self) -> bool {
        let read_on_a_thread = Self::Storm {
            subscriber: Subscriber::Stream,
        };
        self == Self::CrossThread || self == read_on_a_thread
    }

    /// Which libvirtd its children need, if any.
    pub(crate) fn daemon(self) -> Option<Daemons> {
        match self {
            Self::Rpc {
                beside: Beside::Idle(_),
            }
            | Self::EventStorm { .. } => Some(Daemons::OneEach),
            Self::Rpc { .. } | Self::OpenClose => Some(Daemons::OneForAll),
            _ => None,
        }
    }

    /// Whether each round has to begin with a new child: memory that was given
    /// back is not taken from the system again.
    pub(crate) fn needs_a_fresh_process(self) -> bool {
        matches!(self, Self::Memory { .. })
    }

    /// Whether what counts is how often another source gets its turn.
    pub(crate) fn is_about_fairness(self) -> bool {
        self.reference() == Self::Fairness
    }

    /// The wall time that a round should take, where others take `usual`: many
    /// times what a tick of the scheduler, an interrupt or a cold start costs.
    pub(crate) fn round_time(self, usual: Duration) -> Duration {
        if self.daemon().is_some() {
            // To wake another process takes more than what is measured.
            usual.max(Duration::from_millis(20))
        } else {
            usual
        }
    }

    /// How many operations a round has at least, so that what its end costs does
    /// not count: a few batches.
    pub(crate) fn fewest_operations(self) -> u64 {
        match self {
            Self::AddRemove { .. } => add_remove::BATCH * 4,
            Self::Active { watches } => u64::from(watches) * 4,
            _ => 1,
        }
    }

    /// How many operations a round has, where it is not as many as fill a
    /// time. Fewer in a quick run.
    pub(crate) fn operations(self, quick: bool) -> Option<u64> {
        match self {
            Self::Storm { .. } => Some(if quick { 10_000 } else { 100_000 }),
            // Long enough to see the two of them, daemon and client, get ahead of
            // each other many times.
            Self::EventStorm { .. } => Some(if quick { 1_600 } else { 16_000 }),
            Self::Timers { .. } => Some(timers::COUNT * if quick { 1 } else { 3 }),
            Self::Memory { .. } => Some(memory::COUNT),
            _ => None,
        }
    }

    /// How many iterations a turn of our reactor may have, where this is set.
    pub(crate) fn budget(self) -> Option<u32> {
        match self {
            Self::PingPongBudget { budget } | Self::FairnessBudget { budget } => Some(budget),
            _ => None,
        }
    }

    /// How many descriptors it needs beyond those that any program has.
    pub(crate) fn descriptors(self) -> u32 {
        match self {
            Self::PingPong { idle: count } | Self::AddRemove { registered: count } => count,
            Self::Active { watches } => watches,
            Self::Memory { .. } => memory::COUNT as u32,
            // A connection has its socket and something to wake itself with.
            Self::EventStorm { connections }
            | Self::Rpc {
                beside: Beside::Idle(connections),
            } => connections * 2,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_stays_together_and_holds_what_it_is_compared_with() {
        let groups = Workload::ALL.chunk_by(|a, b| a.group() == b.group());
        let mut names = Vec::new();
        for group in groups {
            names.push(group[0].group());
            for workload in group {
                assert!(group.contains(&workload.reference()), "{workload}");
            }
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn what_one_loop_can_do_the_one_that_it_is_compared_with_can() {
        for workload in Workload::ALL {
            for contender in Contender::ALL.iter().filter(|c| workload.is_for(**c)) {
                let (reference, host) = (workload.reference(), contender.host());
                assert!(reference.is_for(*contender), "{workload} on {contender}");
                let compared =
                    matches!(reference.family(), "ping-pong" | "active" | "cross-thread")
                        || workload.is_about_fairness();
                assert!(
                    !compared || host.is_none_or(|host| reference.is_for(host)),
                    "{workload} on {contender}"
                );
            }
        }
    }

    #[test]
    fn all_of_ours_do_what_the_peers_do() {
        for workload in Workload::ALL {
            if workload.is_for(Contender::LibvirtDefault) {
                for contender in Contender::ALL.iter().filter(|c| c.is_ours()) {
                    assert!(workload.is_for(*contender), "{workload} on {contender}");
                }
            }
        }
    }
}
