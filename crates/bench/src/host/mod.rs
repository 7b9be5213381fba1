//! The loops as the workloads see them.

mod builtin;
mod calloop;
mod glib;
mod libvirt_default;
mod libvirt_glib;
pub(crate) mod libvirtaio;
mod mio;
mod tokio;

use std::num::NonZeroU32;

use anyhow::{Result, bail};

pub(crate) use self::builtin::Builtin;
pub(crate) use self::calloop::Calloop;
pub(crate) use self::glib::Glib;
pub(crate) use self::libvirt_default::LibvirtDefault;
pub(crate) use self::libvirt_glib::LibvirtGlib;
pub(crate) use self::mio::Mio;
pub(crate) use self::tokio::Tokio;
use crate::event_fd::EventFd;
use crate::libvirt::{self, Handler, READABLE};

/// Ends [`Host::run`]. Called from a callback only, on a thread that runs the
/// loop, for some peers have nothing that works from elsewhere.
pub(crate) type Stop = Box<dyn Fn() + Send + Sync>;

/// A loop that this thread runs. A new one goes into a file of its own and
/// into [`Contender`](crate::contender::Contender).
pub(crate) trait Host {
    /// Runs the loop, as a program that has it would, until [`Stop`] is
    /// called.
    fn run(&mut self) -> Result<()>;

    /// What ends `run`; good for any number of rounds.
    fn stop(&self) -> Stop;

    /// Watches `fd` by the loop's own kind of source, which libvirt knows
    /// nothing of. The handler takes all that `fd` holds, and may then kick it.
    ///
    /// # Errors
    ///
    /// - The loop has none, unless it says otherwise.
    fn watch(&mut self, _fd: &'static EventFd, _handler: &'static dyn Handler) -> Result<()> {
        bail!("this loop has no sources but libvirt's");
    }

    /// Sets how many iterations our reactor may have in a turn.
    ///
    /// # Errors
    ///
    /// - Our reactor does not run on this loop, unless it says otherwise.
    fn set_budget(&mut self, _iterations: NonZeroU32) -> Result<()> {
        bail!("this loop has no budget");
    }
}

/// A loop, and how a workload's watches get into it.
pub(crate) struct Entry {
    pub(crate) host: Box<dyn Host>,
    through: Through,
}

#[derive(Clone, Copy)]
enum Through {
    Libvirt,
    Host,
}

impl Entry {
    /// Through libvirt, which has `host` for its loop.
    pub(crate) fn by_libvirt(host: impl Host + 'static) -> Self {
        Self {
            host: Box::new(host),
            through: Through::Libvirt,
        }
    }

    /// By the sources of `host` itself.
    pub(crate) fn by_host(host: impl Host + 'static) -> Self {
        Self {
            host: Box::new(host),
            through: Through::Host,
        }
    }

    /// Watches `fd` for as long as the process lives.
    pub(crate) fn watch<H: Handler>(
        &mut self,
        fd: &'static EventFd,
        handler: &'static H,
    ) -> Result<()> {
        match self.through {
            Through::Libvirt => libvirt::add_handle(fd, READABLE, handler).map(drop),
            Through::Host => self.host.watch(fd, handler),
        }
    }
}
