//! Who is measured.

use std::fmt;

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::host::{
    Builtin, Calloop, Entry, Glib, LibvirtDefault, LibvirtGlib, Mio, Tokio, libvirtaio,
};
use crate::workload::{Place, Rounds, Workload};

/// A loop, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Contender {
    /// The same work by the bare system calls: what the kernel itself costs
    Floor,
    /// The floor with what ours owe to other threads and to who has to know
    /// what is slow: a lock around all but the wait and the call, and two looks
    /// at the coarse clock. And a change of interest as ours make it
    FloorShared,
    /// Our reactor, driven by the built-in loop
    Builtin,
    /// Our reactor on a mio poll
    Mio,
    /// Our reactor on tokio's current-thread runtime
    Tokio,
    /// Our reactor on a tokio runtime with two workers
    TokioMulti,
    /// Our reactor on a calloop event loop
    Calloop,
    /// Our reactor on GLib's main context
    Glib,
    /// A mio poll with `SourceFd`, without libvirt
    MioNative,
    /// tokio's current-thread runtime with `AsyncFd`, without libvirt
    TokioNative,
    /// A tokio runtime with two workers and `AsyncFd`, without libvirt
    TokioMultiNative,
    /// A calloop event loop with `Generic`, without libvirt
    CalloopNative,
    /// GLib's main context with its descriptor source, without libvirt
    GlibNative,
    /// The same with a source that may be dispatched inside itself, as ours may:
    /// GLib need not take it out of its set around each call
    GlibNativeRecursive,
    /// The loop inside libvirt, which every program has
    LibvirtDefault,
    /// libvirt-glib's loop, on GLib's main context
    LibvirtGlib,
    /// libvirtaio's loop, on Python's asyncio, with callbacks in Python
    Libvirtaio,
}

impl Contender {
    pub(crate) const ALL: &'static [Self] = &[
        Self::Floor,
        Self::FloorShared,
        Self::Builtin,
        Self::Mio,
        Self::Tokio,
        Self::TokioMulti,
        Self::Calloop,
        Self::Glib,
        Self::MioNative,
        Self::TokioNative,
        Self::TokioMultiNative,
        Self::CalloopNative,
        Self::GlibNative,
        Self::GlibNativeRecursive,
        Self::LibvirtDefault,
        Self::LibvirtGlib,
        Self::Libvirtaio,
    ];

    /// What the command line, the table and the JSON call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::FloorShared => "floor-shared",
            Self::Builtin => "builtin",
            Self::Mio => "mio",
            Self::Tokio => "tokio",
            Self::TokioMulti => "tokio-multi",
            Self::Calloop => "calloop",
            Self::Glib => "glib",
            Self::MioNative => "mio-native",
            Self::TokioNative => "tokio-native",
            Self::TokioMultiNative => "tokio-multi-native",
            Self::CalloopNative => "calloop-native",
            Self::GlibNative => "glib-native",
            Self::GlibNativeRecursive => "glib-native-recursive",
            Self::LibvirtDefault => "libvirt-default",
            Self::LibvirtGlib => "libvirt-glib",
            Self::Libvirtaio => "libvirtaio",
        }
    }

    /// The same host loop with its own sources, which is what this one is
    /// compared with. None where there is no host beneath.
    pub(crate) fn host(self) -> Option<Self> {
        match self {
            Self::Mio | Self::MioNative => Some(Self::MioNative),
            Self::Tokio | Self::TokioNative => Some(Self::TokioNative),
            Self::TokioMulti | Self::TokioMultiNative => Some(Self::TokioMultiNative),
            Self::Calloop | Self::CalloopNative => Some(Self::CalloopNative),
            Self::Glib | Self::GlibNative | Self::GlibNativeRecursive | Self::LibvirtGlib => {
                Some(Self::GlibNative)
            }
            Self::Floor
            | Self::FloorShared
            | Self::Builtin
            | Self::LibvirtDefault
            | Self::Libvirtaio => None,
        }
    }

    /// Whether our reactor is on it.
    #[cfg(test)]
    pub(crate) fn is_ours(self) -> bool {
        self == Self::Builtin || self.has_budget()
    }

    /// Whether it is a host loop with its own sources, and libvirt left out.
    pub(crate) fn is_native(self) -> bool {
        self.host() == Some(self) || self == Self::GlibNativeRecursive
    }

    /// Whether a source that is not libvirt's can be on it, and waits its turn
    /// there because there is one thread.
    pub(crate) fn shares_a_thread(self) -> bool {
        !matches!(
            self.host(),
            None | Some(Self::TokioMulti | Self::TokioMultiNative)
        )
    }

    /// Whether our reactor takes turns on it that have a budget.
    pub(crate) fn has_budget(self) -> bool {
        matches!(
            self,
            Self::Mio | Self::Tokio | Self::TokioMulti | Self::Calloop | Self::Glib
        )
    }

    /// Whether this machine has it.
    ///
    /// # Errors
    ///
    /// - It has not; the message says what is missing.
    pub(crate) fn is_there(self) -> Result<()> {
        match self {
            Self::LibvirtGlib => LibvirtGlib::is_there(),
            Self::Libvirtaio => libvirtaio::is_there(),
            _ => Ok(()),
        }
    }

    /// Sets `workload` up on this loop, in this process. Once per process,
    /// because registering with libvirt is for its life.
    pub(crate) fn prepare(self, workload: Workload, place: Place<'_>) -> Result<Box<dyn Rounds>> {
        let entry = match self {
            Self::Floor => return workload.on_floor(place),
            Self::FloorShared => return workload.on_shared_floor(),
            Self::Builtin => Entry::by_libvirt(Builtin::install()?),
            Self::Mio => Entry::by_libvirt(Mio::new()?.installed()?),
            Self::Tokio => Entry::by_libvirt(Tokio::current_thread()?.installed()?),
            Self::TokioMulti => Entry::by_libvirt(Tokio::multi_thread()?.installed()?),
            Self::Calloop => Entry::by_libvirt(Calloop::new()?.installed()?),
            Self::Glib => Entry::by_libvirt(Glib::new().installed()?),
            Self::MioNative => Entry::by_host(Mio::new()?),
            Self::TokioNative => Entry::by_host(Tokio::current_thread()?),
            Self::TokioMultiNative => Entry::by_host(Tokio::multi_thread()?),
            Self::CalloopNative => Entry::by_host(Calloop::new()?),
            Self::GlibNative => Entry::by_host(Glib::new()),
            Self::GlibNativeRecursive => Entry::by_host(Glib::new().recursive()),
            Self::LibvirtDefault => Entry::by_libvirt(LibvirtDefault::register()?),
            Self::LibvirtGlib => Entry::by_libvirt(LibvirtGlib::register()?),
            Self::Libvirtaio => bail!("this is not Python"),
        };
        workload.on_loop(entry, place)
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

    #[test]
    fn a_host_is_its_own_host() {
        for host in Contender::ALL.iter().filter_map(|c| c.host()) {
            assert!(host.is_native(), "{host}");
        }
        assert!(!Contender::Glib.is_native());
    }
}
