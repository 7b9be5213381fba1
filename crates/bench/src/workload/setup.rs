//! How a workload gets onto a loop.

use std::num::NonZeroU32;

use anyhow::{Context, Result, bail};

use super::update_timeout::{Earlier, OnAndOff};
use super::{
    Rounds, Workload, active, add_remove, cross_thread, event_storm, fairness, memory, open_close,
    ping_pong, rpc, storm, timers, update_handle, update_timeout, zero_timer,
};
use crate::host::Entry;

/// Where a workload is set up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place<'a> {
    /// What leads to the libvirtd of this process, where it has one.
    pub(crate) uri: Option<&'a str>,
}

impl Place<'_> {
    fn uri(&self) -> Result<&str> {
        self.uri.context("it needs a libvirtd, and got no URI")
    }
}

impl Workload {
    /// Sets it up by the bare system calls, or without a loop.
    pub(crate) fn on_floor(self, place: Place<'_>) -> Result<Box<dyn Rounds>> {
        Ok(match self {
            Self::PingPong { idle } => Box::new(ping_pong::Floor::new(idle)?),
            Self::Active { watches } => Box::new(active::Floor::new(watches)?),
            Self::CrossThread => Box::new(cross_thread::Floor::new()?),
            Self::UpdateHandle => Box::new(update_handle::Floor::new()?),
            Self::UpdateHandleBusy => Box::new(update_handle::Floor::busy()?),
            Self::AddRemove { registered } => Box::new(add_remove::Floor::new(registered)?),
            Self::UpdateTimeout => Box::new(update_timeout::Floor::new(OnAndOff::default())?),
            Self::UpdateTimeoutEarlier => Box::new(update_timeout::Floor::new(Earlier::default())?),
            Self::ZeroTimer => Box::new(zero_timer::Floor::new()?),
            Self::Rpc { beside } => Box::new(rpc::WithoutLoop::new(place.uri()?, beside)?),
            Self::OpenClose => Box::new(open_close::WithoutLoop::new(place.uri()?)?),
            Self::PingPongBudget { .. } | Self::Fairness | Self::FairnessBudget { .. } => {
                bail!("the floor is not a loop that could be shared")
            }
            Self::Timers { .. }
            | Self::Storm { .. }
            | Self::EventStorm { .. }
            | Self::Memory { .. } => bail!("the floor is not a loop that libvirt has"),
        })
    }

    /// Sets it up without a loop, but with a lock around what a loop keeps.
    pub(crate) fn on_shared_floor(self) -> Result<Box<dyn Rounds>> {
        Ok(match self {
            Self::PingPong { idle } => Box::new(ping_pong::SharedFloor::new(idle)?),
            Self::UpdateHandle => Box::new(update_handle::SharedFloor::new()?),
            other => bail!("{other} is not for a floor with a lock"),
        })
    }

    /// Sets it up on a loop.
    pub(crate) fn on_loop(self, mut entry: Entry, place: Place<'_>) -> Result<Box<dyn Rounds>> {
        if let Some(budget) = self.budget() {
            let iterations = NonZeroU32::new(budget).context("a budget is not 0")?;
            entry.host.set_budget(iterations)?;
        }
        Ok(match self {
            Self::PingPong { idle } => Box::new(ping_pong::OnLoop::new(entry, idle)?),
            Self::PingPongBudget { .. } => Box::new(ping_pong::OnLoop::new(entry, 0)?),
            Self::Active { watches } => Box::new(active::OnLoop::new(entry, watches)?),
            Self::CrossThread => Box::new(cross_thread::OnLoop::new(entry)?),
            Self::Fairness | Self::FairnessBudget { .. } => Box::new(fairness::OnLoop::new(entry)?),
            Self::UpdateHandle => Box::new(update_handle::OnLibvirt::new(entry)?),
            Self::UpdateHandleBusy => Box::new(update_handle::OnLibvirt::busy(entry)?),
            Self::AddRemove { registered } => {
                Box::new(add_remove::OnLibvirt::new(entry, registered)?)
            }
            Self::UpdateTimeout => {
                Box::new(update_timeout::OnLibvirt::new(entry, OnAndOff::default())?)
            }
            Self::UpdateTimeoutEarlier => {
                Box::new(update_timeout::OnLibvirt::new(entry, Earlier::default())?)
            }
            Self::Timers { phases } => Box::new(timers::OnLibvirt::new(entry, phases)?),
            Self::ZeroTimer => Box::new(zero_timer::OnLibvirt::new(entry)?),
            Self::Storm { subscriber } => Box::new(storm::OnLibvirt::new(entry, subscriber)?),
            Self::Rpc { beside } => Box::new(rpc::OnLibvirt::new(entry, place.uri()?, beside)?),
            Self::OpenClose => Box::new(open_close::OnLibvirt::new(entry, place.uri()?)?),
            Self::EventStorm { connections } => Box::new(event_storm::OnLibvirt::new(
                entry,
                place.uri()?,
                connections,
            )?),
            Self::Memory { of } => Box::new(memory::OnLibvirt::new(entry, of)?),
        })
    }
}
