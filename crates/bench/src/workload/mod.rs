//! What is measured.
//!
//! Each kind of workload has a file, which holds the work twice: by the bare
//! system calls (the floor) and through libvirt's functions (every loop). The
//! floor does what a program would write that had this one thing to do.

mod add_remove;
mod ping_pong;
mod update_handle;
mod update_timeout;

use std::fmt;
use std::str::FromStr;

use anyhow::Result;

use self::update_timeout::{Earlier, OnAndOff};
use crate::host::Host;
use crate::sample::Sample;

/// A workload that is set up on a loop, in the process of that loop.
pub(crate) trait Rounds {
    /// Does the operation so many times (at least once) and says what all of
    /// them cost.
    fn round(&mut self, operations: u64) -> Result<Sample>;
}

/// A workload and its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workload {
    /// A callback reads an eventfd and kicks it again, beside `idle` watches
    /// that are never ready. One operation is one event.
    PingPong {
        /// Idle watches, each of a descriptor of its own.
        idle: u32,
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
}

impl Workload {
    /// All of them, in the order of the table; those of one family together.
    pub(crate) const ALL: &'static [Self] = &[
        Self::PingPong { idle: 0 },
        Self::PingPong { idle: 100 },
        Self::PingPong { idle: 1_000 },
        Self::PingPong { idle: 10_000 },
        Self::UpdateHandle,
        Self::AddRemove { registered: 0 },
        Self::AddRemove { registered: 10_000 },
        Self::UpdateTimeout,
        Self::UpdateTimeoutEarlier,
    ];

    /// The name without the size. The rounds of one family are interleaved,
    /// so that its members may be compared with each other.
    pub(crate) fn family(self) -> &'static str {
        match self {
            Self::PingPong { .. } => "ping-pong",
            Self::UpdateHandle => "update-handle",
            Self::AddRemove { .. } => "add-remove",
            Self::UpdateTimeout => "update-timeout",
            Self::UpdateTimeoutEarlier => "update-timeout-earlier",
        }
    }

    /// How many descriptors it needs beyond those that any program has.
    pub(crate) fn descriptors(self) -> u32 {
        self.size().unwrap_or(0)
    }

    /// Sets it up by the bare system calls.
    pub(crate) fn on_floor(self) -> Result<Box<dyn Rounds>> {
        Ok(match self {
            Self::PingPong { idle } => Box::new(ping_pong::Floor::new(idle)?),
            Self::UpdateHandle => Box::new(update_handle::Floor::new()?),
            Self::AddRemove { registered } => Box::new(add_remove::Floor::new(registered)?),
            Self::UpdateTimeout => Box::new(update_timeout::Floor::new(OnAndOff::default())?),
            Self::UpdateTimeoutEarlier => Box::new(update_timeout::Floor::new(Earlier::default())?),
        })
    }

    /// Sets it up on the loop that is registered with libvirt.
    pub(crate) fn on_libvirt(self, host: Box<dyn Host>) -> Result<Box<dyn Rounds>> {
        Ok(match self {
            Self::PingPong { idle } => Box::new(ping_pong::OnLibvirt::new(host, idle)?),
            Self::UpdateHandle => Box::new(update_handle::OnLibvirt::new(host)?),
            Self::AddRemove { registered } => {
                Box::new(add_remove::OnLibvirt::new(host, registered)?)
            }
            Self::UpdateTimeout => {
                Box::new(update_timeout::OnLibvirt::new(host, OnAndOff::default())?)
            }
            Self::UpdateTimeoutEarlier => {
                Box::new(update_timeout::OnLibvirt::new(host, Earlier::default())?)
            }
        })
    }

    fn size(self) -> Option<u32> {
        match self {
            Self::PingPong { idle: size } | Self::AddRemove { registered: size } => Some(size),
            Self::UpdateHandle | Self::UpdateTimeout | Self::UpdateTimeoutEarlier => None,
        }
    }
}

/// `ping-pong/100`: the family, and the size where it has one.
impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.family())?;
        self.size().map_or(Ok(()), |size| write!(f, "/{size}"))
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
                "not one of {}, nor a name without its number",
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
            assert!(selection.0.len() == 1 || workload.size().is_none());
        }
    }

    #[test]
    fn a_family_selects_all_sizes() {
        let selection: Selection = "ping-pong".parse().unwrap();
        assert_eq!(selection.0.len(), 4);
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = "pingpong".parse::<Selection>().unwrap_err();
        assert!(error.contains("ping-pong/10000"), "{error}");
    }

    #[test]
    fn families_stay_together() {
        let families = Workload::ALL.chunk_by(|a, b| a.family() == b.family());
        let mut names: Vec<_> = families.map(|family| family[0].family()).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
