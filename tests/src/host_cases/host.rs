//! What the cases ask of a host loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use virt_event_examples::Failure;
use virt_event_examples::host_loop::{HostLoop, LoopKind, Stopper};
use virt_event_reactor::Reactor;

use super::hosts;

/// A kind of loop.
pub trait Host: Sync {
    /// How the tests call it.
    fn name(&self) -> &'static str;

    /// Makes one libvirt's.
    ///
    /// # Errors
    ///
    /// - As the adapter's.
    fn install(&self) -> Result<Box<dyn HostLoop>, Failure>;

    /// Makes one that drives `reactor`.
    ///
    /// # Errors
    ///
    /// - As the adapter's.
    fn attach(&self, reactor: &Arc<Reactor>) -> Result<Box<dyn HostLoop>, Failure>;

    /// Makes one for a program that has more to do than that.
    fn program(&self) -> Box<dyn Program>;

    /// What it does with panics.
    fn panics(&self) -> Panics;
}

/// What becomes of a callback's panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Panics {
    /// It comes out of [`HostLoop::run`], which may be called again.
    ComeOut,
    /// The host goes on.
    AreCaught,
}

/// A loop with which a program does more than [`HostLoop`] knows of.
pub trait Program {
    /// Has it drive `reactor`, beside drivers that were detached.
    ///
    /// # Errors
    ///
    /// - As the adapter's.
    fn attach(&mut self, reactor: &Arc<Reactor>) -> Result<Detach, Failure>;

    /// Adds sources of the program's own. `reactor` is for a loop that has
    /// nothing but ours.
    fn add_sources(&mut self, reactor: &Arc<Reactor>) -> Vec<Own>;

    /// Runs on this thread until the stopper is called, also when the driver
    /// is detached meanwhile.
    ///
    /// # Errors
    ///
    /// - The host fails.
    fn run(&mut self) -> Result<(), Failure>;

    /// What ends [`run`](Self::run), from any thread. To be asked for after the
    /// last `attach`.
    fn stopper(&self) -> Stopper;
}

/// Detaches a driver, from any thread.
pub type Detach = Box<dyn Fn() + Send + Sync>;

/// A source of the program's own, at the rank of ours.
#[derive(Clone)]
pub struct Own {
    /// Which.
    pub what: &'static str,
    /// How often it was served.
    pub served: Arc<AtomicU64>,
    /// Whether it has a pace of its own; otherwise it is always ready, or again
    /// as soon as it was served.
    pub paced: bool,
}

impl Own {
    /// One that is always ready.
    pub fn always_ready(what: &'static str) -> Self {
        Self {
            what,
            served: Arc::default(),
            paced: false,
        }
    }

    /// One that is ready every millisecond or so.
    pub fn paced(what: &'static str) -> Self {
        Self {
            paced: true,
            ..Self::always_ready(what)
        }
    }

    /// It has its turn.
    pub fn serve(&self) {
        self.served.fetch_add(1, Ordering::Relaxed);
    }
}

impl Host for LoopKind {
    fn name(&self) -> &'static str {
        (*self).name()
    }

    fn install(&self) -> Result<Box<dyn HostLoop>, Failure> {
        (*self).install()
    }

    fn attach(&self, reactor: &Arc<Reactor>) -> Result<Box<dyn HostLoop>, Failure> {
        (*self).attach(reactor)
    }

    fn program(&self) -> Box<dyn Program> {
        match self {
            Self::Builtin => Box::new(hosts::Builtin::default()),
            Self::Mio => Box::new(hosts::Mio::new()),
            Self::Tokio => Box::new(hosts::Tokio::new()),
            Self::Calloop => Box::new(hosts::Calloop::new()),
            Self::Glib => Box::new(hosts::Glib::new()),
            other => panic!("no program for {other:?} yet"),
        }
    }

    fn panics(&self) -> Panics {
        match self {
            Self::Tokio | Self::Calloop | Self::Glib => Panics::AreCaught,
            _ => Panics::ComeOut,
        }
    }
}
