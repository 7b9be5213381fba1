//! Who is measured.

use std::fmt;

use anyhow::Result;
use clap::ValueEnum;

use crate::host::{Builtin, LibvirtDefault};
use crate::workload::{Rounds, Workload};

/// A loop, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Contender {
    /// The same work by the bare system calls: what the kernel itself costs
    Floor,
    /// Our reactor, driven by the built-in loop
    Builtin,
    /// The loop inside libvirt, which every program has
    LibvirtDefault,
}

impl Contender {
    pub(crate) const ALL: &'static [Self] = &[Self::Floor, Self::Builtin, Self::LibvirtDefault];

    /// What the command line, the table and the JSON call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Builtin => "builtin",
            Self::LibvirtDefault => "libvirt-default",
        }
    }

    /// Sets `workload` up on this loop, in this process. Once per process,
    /// because registering with libvirt is for its life.
    pub(crate) fn prepare(self, workload: Workload) -> Result<Box<dyn Rounds>> {
        match self {
            Self::Floor => workload.on_floor(),
            Self::Builtin => workload.on_libvirt(Box::new(Builtin::install()?)),
            Self::LibvirtDefault => workload.on_libvirt(Box::new(LibvirtDefault::register()?)),
        }
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_and_the_command_line_agree() {
        assert_eq!(Contender::ALL, Contender::value_variants());
        for contender in Contender::ALL {
            let value = contender.to_possible_value().unwrap();
            assert_eq!(value.get_name(), contender.name());
        }
    }
}
