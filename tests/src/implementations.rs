//! What is put through the exam: one implementation for each loop of ours, and
//! the peers.

mod builtin;
mod libvirt_default;

use virt_event_conformance::Implementation;

/// One column of the table.
#[derive(Clone, Copy, Debug)]
pub struct Examined {
    /// What the runner needs.
    pub implementation: Implementation,
    /// What is expected of it.
    pub standing: Standing,
}

/// What is expected of an implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// One of ours: it passes every case that does not need what its host
    /// forbids.
    Own,
    /// Somebody else's: it passes what [`crate::expected`] does not list.
    Peer,
}

/// The reactor driven by the built-in loop, which the mutants are made of.
pub const BUILTIN: Implementation = Implementation {
    name: "builtin",
    factory: builtin::make,
};

/// libvirt's own default loop, through libvirt's public C functions.
pub const LIBVIRT_DEFAULT: Implementation = Implementation {
    name: "libvirt-default",
    factory: libvirt_default::make,
};

/// Every implementation, in the order of the table.
pub const EXAMINED: &[Examined] = &[
    Examined {
        implementation: BUILTIN,
        standing: Standing::Own,
    },
    Examined {
        implementation: LIBVIRT_DEFAULT,
        standing: Standing::Peer,
    },
];

/// Every implementation, for `child_main`.
pub fn implementations() -> Vec<Implementation> {
    EXAMINED.iter().map(|it| it.implementation).collect()
}
