//! The loops that are registered with libvirt, as the workloads see them.

mod builtin;
mod libvirt_default;

use anyhow::Result;

pub(crate) use self::builtin::Builtin;
pub(crate) use self::libvirt_default::LibvirtDefault;

/// Ends [`Host::run`]. Called from a callback only, on the thread that runs
/// the loop, for some peers have nothing that works from elsewhere.
pub(crate) type Stop = Box<dyn Fn() + Send + Sync>;

/// A loop that is registered with libvirt in this process and that this thread
/// runs. A new one goes into a file of its own and into
/// [`Contender`](crate::contender::Contender).
pub(crate) trait Host {
    /// Runs the loop, as a program that has it would, until [`Stop`] is
    /// called.
    fn run(&mut self) -> Result<()>;

    /// What ends `run`; good for any number of rounds.
    fn stop(&self) -> Stop;
}
