//! Broken subjects for the cases in `cases/threads.rs`.

mod crowd;
mod exit;
mod fork;
mod late;

use crate::mutants::broken;
use crate::{Config, Factory, Subject};

/// Nobody wakes the loop for other threads' calls.
pub(crate) fn deferred(factory: Factory, config: &Config) -> Box<dyn Subject> {
    broken(factory, config, late::Deferred::new())
}

/// Adds register parked entries, and updates are lost, before the first turn.
pub(crate) fn gated_until_first_turn(factory: Factory, config: &Config) -> Box<dyn Subject> {
    broken(factory, config, late::Gated::until_first_turn())
}

/// Adds register parked entries, and updates are lost, without a driver.
pub(crate) fn gated_without_driver(factory: Factory, config: &Config) -> Box<dyn Subject> {
    broken(factory, config, late::Gated::without_driver())
}

/// A lock is held while a callback runs.
pub(crate) fn locked(factory: Factory, config: &Config) -> Box<dyn Subject> {
    broken(factory, config, late::Locked::new())
}

/// Frees get lost.
pub(crate) fn leaking(factory: Factory, config: &Config) -> Box<dyn Subject> {
    broken(factory, config, crowd::Leaking::new())
}

/// The remover frees.
pub(crate) fn frees_in_place(factory: Factory, config: &Config) -> Box<dyn Subject> {
    broken(factory, config, crowd::FreesInPlace::new())
}

/// Removals never fail.
pub(crate) fn every_removal_succeeds(factory: Factory, config: &Config) -> Box<dyn Subject> {
    broken(factory, config, crowd::EveryRemovalSucceeds)
}

/// Forgets that it was forked.
pub(crate) fn inherited(factory: Factory, config: &Config) -> Box<dyn Subject> {
    broken(factory, config, fork::Inherited::new(true))
}

/// As [`inherited`], except that a child's detach stays there.
pub(crate) fn inherited_set(factory: Factory, config: &Config) -> Box<dyn Subject> {
    broken(factory, config, fork::Inherited::new(false))
}

/// A descriptor without `O_CLOEXEC`.
pub(crate) fn open_on_exec(factory: Factory, config: &Config) -> Box<dyn Subject> {
    broken(factory, config, fork::OpenOnExec::new())
}

/// A thread-local with a destructor.
pub(crate) fn departing(factory: Factory, config: &Config) -> Box<dyn Subject> {
    broken(factory, config, exit::Departing)
}
