//! The workloads that there are.

use super::{Beside, Kept, Phases, Subscriber, Workload};
use crate::contender::Contender;

impl Workload {
    /// All of them, in the order of the table; those of one group together.
    pub(crate) const ALL: &'static [Self] = &[
        Self::PingPong { idle: 0 },
        Self::PingPong { idle: 10 },
        Self::PingPong { idle: 100 },
        Self::PingPong { idle: 1_000 },
        Self::PingPong { idle: 10_000 },
        Self::PingPongBudget { budget: 1 },
        Self::PingPongBudget { budget: 2 },
        Self::PingPongBudget { budget: 3 },
        Self::PingPongBudget { budget: 4 },
        Self::PingPongBudget { budget: 6 },
        Self::PingPongBudget { budget: 8 },
        Self::PingPongBudget { budget: 16 },
        Self::PingPongBudget { budget: 32 },
        Self::Active { watches: 64 },
        Self::CrossThread,
        Self::Fairness,
        Self::FairnessBudget { budget: 1 },
        Self::FairnessBudget { budget: 2 },
        Self::FairnessBudget { budget: 3 },
        Self::FairnessBudget { budget: 4 },
        Self::FairnessBudget { budget: 6 },
        Self::FairnessBudget { budget: 8 },
        Self::FairnessBudget { budget: 16 },
        Self::FairnessBudget { budget: 32 },
        Self::UpdateHandle,
        Self::UpdateHandleBusy,
        Self::AddRemove { registered: 0 },
        Self::AddRemove { registered: 1_000 },
        Self::AddRemove { registered: 10_000 },
        Self::UpdateTimeout,
        Self::UpdateTimeoutEarlier,
        Self::Timers {
            phases: Phases::Together,
        },
        Self::Timers {
            phases: Phases::Spread,
        },
        Self::ZeroTimer,
        Self::Rpc {
            beside: Beside::Nothing,
        },
        Self::Rpc {
            beside: Beside::Idle(500),
        },
        Self::Rpc {
            beside: Beside::Threads(4),
        },
        Self::OpenClose,
        Self::EventStorm { connections: 16 },
        Self::Storm {
            subscriber: Subscriber::Raw,
        },
        Self::Storm {
            subscriber: Subscriber::RawCopy,
        },
        Self::Storm {
            subscriber: Subscriber::Callback,
        },
        Self::Storm {
            subscriber: Subscriber::Any,
        },
        Self::Storm {
            subscriber: Subscriber::Stream,
        },
        Self::Memory { of: Kept::Watch },
        Self::Memory { of: Kept::Timer },
    ];

    /// Whether a quick run has it, where nothing else is asked for: one size or
    /// two of each kind, and what a minute has room for.
    pub(crate) fn is_quick(self) -> bool {
        match self {
            Self::PingPong { idle } => matches!(idle, 0 | 10_000),
            Self::AddRemove { registered } => registered == 10_000,
            Self::Timers { phases } => phases == Phases::Together,
            Self::Storm { subscriber } => {
                matches!(subscriber, Subscriber::RawCopy | Subscriber::Callback)
            }
            Self::Rpc { beside } => beside == Beside::Nothing,
            // Memory takes a process for each round.
            Self::PingPongBudget { .. }
            | Self::FairnessBudget { .. }
            | Self::UpdateTimeoutEarlier
            | Self::Memory { .. } => false,
            _ => true,
        }
    }

    /// Whether a quick run has it on this loop, also where it is asked for:
    /// 10,000 timers in Python take longer than all the rest.
    pub(crate) fn is_quick_on(self, contender: Contender) -> bool {
        !(matches!(self, Self::Timers { .. }) && contender == Contender::Libvirtaio)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quick_run_has_some_of_each_kind() {
        for workload in Workload::ALL {
            let family = workload.family();
            let is_left_out = family.ends_with("-budget")
                || matches!(family, "update-timeout-earlier" | "memory");
            let of_family = |other: &&Workload| other.family() == family && other.is_quick();
            let is_there = Workload::ALL.iter().any(|other| of_family(&other));
            assert_ne!(is_there, is_left_out, "{workload}");
        }
    }

    #[test]
    fn a_quick_run_has_what_its_ratios_are_taken_from() {
        for workload in Workload::ALL.iter().filter(|w| w.is_quick()) {
            assert!(workload.reference().is_quick(), "{workload}");
        }
    }
}
