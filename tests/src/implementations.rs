//! What is put through the exam: one implementation for each loop of ours, and
//! the peers.

mod builtin;
mod calloop;
mod glib;
mod hosted;
mod libvirt_default;
mod libvirt_glib;
mod mio;
mod tokio;

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
    factory: hosted::make::<builtin::Builtin>,
};

/// The reactor driven by a `mio::Poll`.
pub const MIO: Implementation = Implementation {
    name: "mio",
    factory: hosted::make::<mio::Mio>,
};

/// The reactor driven by a task of tokio's.
pub const TOKIO: Implementation = Implementation {
    name: "tokio",
    factory: hosted::make::<tokio::Tokio>,
};

/// The reactor driven by an event source of calloop's.
pub const CALLOOP: Implementation = Implementation {
    name: "calloop",
    factory: hosted::make::<calloop::Calloop>,
};

/// The reactor driven by a source of GLib's.
pub const GLIB: Implementation = Implementation {
    name: "glib",
    factory: hosted::make::<glib::Glib>,
};

/// libvirt's own default loop, through libvirt's public C functions.
pub const LIBVIRT_DEFAULT: Implementation = Implementation {
    name: "libvirt-default",
    factory: libvirt_default::make,
};

/// libvirt-glib, on GLib's default main context.
pub const LIBVIRT_GLIB: Implementation = Implementation {
    name: "libvirt-glib",
    factory: libvirt_glib::make,
};

/// Every implementation, in the order of the table.
pub const EXAMINED: &[Examined] = &[
    own(BUILTIN),
    own(MIO),
    own(TOKIO),
    own(CALLOOP),
    own(GLIB),
    peer(LIBVIRT_DEFAULT),
    peer(LIBVIRT_GLIB),
];

const fn own(implementation: Implementation) -> Examined {
    Examined {
        implementation,
        standing: Standing::Own,
    }
}

const fn peer(implementation: Implementation) -> Examined {
    Examined {
        implementation,
        standing: Standing::Peer,
    }
}

/// Every implementation, for `child_main`.
pub fn implementations() -> Vec<Implementation> {
    EXAMINED.iter().map(|it| it.implementation).collect()
}
