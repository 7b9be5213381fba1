//! What is measured.
//!
//! Each kind of workload has a file, which holds the work twice: by the bare
//! system calls (the floor) and on a loop. The floor does what a program would
//! write that had this one thing to do. A loop is entered through libvirt's
//! functions or, where it is there for comparison, by its own sources. Not
//! every loop can do everything: see [`Workload::is_for`].

mod add_remove;
mod cross_thread;
mod fairness;
mod ping_pong;
mod storm;
mod update_handle;
mod update_timeout;

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use anyhow::{Context, Result, bail};

pub(crate) use self::storm::Subscriber;
use self::update_timeout::{Earlier, OnAndOff};
use crate::contender::Contender;
use crate::host::Entry;
use crate::sample::{Clock, Sample};

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
    /// A domain is paused and let go on while the loop rests; then the loop
    /// turns until the subscriber has heard of it. One operation is one event,
    /// without what caused it.
    Storm {
        /// Who hears of it.
        subscriber: Subscriber,
    },
}

impl Workload {
    /// All of them, in the order of the table; those of one group together.
    pub(crate) const ALL: &'static [Self] = &[
        Self::PingPong { idle: 0 },
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
        Self::AddRemove { registered: 0 },
        Self::AddRemove { registered: 10_000 },
        Self::UpdateTimeout,
        Self::UpdateTimeoutEarlier,
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
    ];

    /// The name without the size or variety.
    pub(crate) fn family(self) -> &'static str {
        match self {
            Self::PingPong { .. } => "ping-pong",
            Self::PingPongBudget { .. } => "ping-pong-budget",
            Self::CrossThread => "cross-thread",
            Self::Fairness => "fairness",
            Self::FairnessBudget { .. } => "fairness-budget",
            Self::UpdateHandle => "update-handle",
            Self::AddRemove { .. } => "add-remove",
            Self::UpdateTimeout => "update-timeout",
            Self::UpdateTimeoutEarlier => "update-timeout-earlier",
            Self::Storm { .. } => "storm",
        }
    }

    /// The family whose rounds this one's are interleaved with, so that their
    /// figures may be compared.
    pub(crate) fn group(self) -> &'static str {
        self.reference().family()
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
        match self {
            Self::PingPong { .. } | Self::CrossThread => true,
            Self::Fairness => contender.shares_a_thread(),
            Self::PingPongBudget { .. } => contender.has_budget(),
            Self::FairnessBudget { .. } => contender.has_budget() && contender.shares_a_thread(),
            Self::UpdateHandle
            | Self::AddRemove { .. }
            | Self::UpdateTimeout
            | Self::UpdateTimeoutEarlier => !contender.is_native(),
            // It is not about loops: any would do.
            Self::Storm { .. } => contender == Contender::Builtin,
        }
    }

    /// What its cost is measured in. Processor time says little where threads
    /// wait for each other.
    pub(crate) fn clock(self) -> Clock {
        match self {
            Self::CrossThread => Clock::Wall,
            _ => Clock::Cpu,
        }
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

    /// Whether what counts is how often another source gets its turn.
    pub(crate) fn is_about_fairness(self) -> bool {
        self.reference() == Self::Fairness
    }

    /// Whether it is so many events, and not as many as fill a round.
    pub(crate) fn is_a_storm(self) -> bool {
        matches!(self, Self::Storm { .. })
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
            _ => 0,
        }
    }

    /// Sets it up by the bare system calls.
    pub(crate) fn on_floor(self) -> Result<Box<dyn Rounds>> {
        Ok(match self {
            Self::PingPong { idle } => Box::new(ping_pong::Floor::new(idle)?),
            Self::CrossThread => Box::new(cross_thread::Floor::new()?),
            Self::UpdateHandle => Box::new(update_handle::Floor::new()?),
            Self::AddRemove { registered } => Box::new(add_remove::Floor::new(registered)?),
            Self::UpdateTimeout => Box::new(update_timeout::Floor::new(OnAndOff::default())?),
            Self::UpdateTimeoutEarlier => Box::new(update_timeout::Floor::new(Earlier::default())?),
            Self::PingPongBudget { .. } | Self::Fairness | Self::FairnessBudget { .. } => {
                bail!("the floor is not a loop that could be shared")
            }
            Self::Storm { .. } => bail!("the floor is not a loop that libvirt has"),
        })
    }

    /// Sets it up on a loop.
    pub(crate) fn on_loop(self, mut entry: Entry) -> Result<Box<dyn Rounds>> {
        if let Some(budget) = self.budget() {
            let iterations = NonZeroU32::new(budget).context("a budget is not 0")?;
            entry.host.set_budget(iterations)?;
        }
        Ok(match self {
            Self::PingPong { idle } => Box::new(ping_pong::OnLoop::new(entry, idle)?),
            Self::PingPongBudget { .. } => Box::new(ping_pong::OnLoop::new(entry, 0)?),
            Self::CrossThread => Box::new(cross_thread::OnLoop::new(entry)?),
            Self::Fairness | Self::FairnessBudget { .. } => Box::new(fairness::OnLoop::new(entry)?),
            Self::UpdateHandle => Box::new(update_handle::OnLibvirt::new(entry)?),
            Self::AddRemove { registered } => {
                Box::new(add_remove::OnLibvirt::new(entry, registered)?)
            }
            Self::UpdateTimeout => {
                Box::new(update_timeout::OnLibvirt::new(entry, OnAndOff::default())?)
            }
            Self::UpdateTimeoutEarlier => {
                Box::new(update_timeout::OnLibvirt::new(entry, Earlier::default())?)
            }
            Self::Storm { subscriber } => Box::new(storm::OnLibvirt::new(entry, subscriber)?),
        })
    }

    /// What tells it from the others of its family.
    fn variety(self) -> Option<String> {
        match self {
            Self::PingPong { idle: size }
            | Self::AddRemove { registered: size }
            | Self::PingPongBudget { budget: size }
            | Self::FairnessBudget { budget: size } => Some(size.to_string()),
            Self::Storm { subscriber } => Some(subscriber.to_string()),
            Self::CrossThread
            | Self::Fairness
            | Self::UpdateHandle
            | Self::UpdateTimeout
            | Self::UpdateTimeoutEarlier => None,
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

/// What `--workload` names: one workload, or all of a family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selection(pub(crate) Vec<Workload>);

impl FromStr for Selection {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let named = |workload: &Workload| workload.family() == name || workload.to_string() == name;
        let selected: Vec<_> = Workload::ALL.iter().copied().filter(named).collect();
        if selected.is_empty() {
            let names: Vec<_> = Workload::ALL.iter().map(Workload::to_string).collect();
            return Err(format!(
                "not one of {}, nor a name without what follows the slash",
                names.join(", ")
            ));
        }
        Ok(Self(selected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_selects_its_workload() {
        for workload in Workload::ALL {
            let selection: Selection = workload.to_string().parse().unwrap();
            assert!(selection.0.contains(workload));
            assert!(selection.0.len() == 1 || workload.variety().is_none());
        }
    }

    #[test]
    fn a_family_selects_all_sizes() {
        let selection: Selection = "ping-pong".parse().unwrap();
        assert_eq!(selection.0.len(), 4);
    }

    #[test]
    fn a_variety_is_a_name_of_its_own() {
        let subscriber = Subscriber::RawCopy;
        let selection = "storm/raw-copy".parse();
        assert_eq!(
            selection,
            Ok(Selection(vec![Workload::Storm { subscriber }]))
        );
        let all: Selection = "storm".parse().unwrap();
        assert!(all.0.iter().all(|workload| workload.is_a_storm()));
        assert_eq!(all.0.len(), 5);
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = "pingpong".parse::<Selection>().unwrap_err();
        assert!(error.contains("ping-pong/10000"), "{error}");
    }

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
                let compared = matches!(reference.family(), "ping-pong" | "cross-thread")
                    || workload.is_about_fairness();
                assert!(
                    !compared || host.is_none_or(|host| reference.is_for(host)),
                    "{workload} on {contender}"
                );
            }
        }
    }
}
