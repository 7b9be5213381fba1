//! The cases of registration (contract R) and of the C boundary (F).
//!
//! They change what is registered with libvirt, which happens once in the life
//! of a process, so each is run in a process of its own. A case is put to an
//! [`Installer`]: the real one must pass it, and the broken one that the case
//! names must not.
//!
//! Some cases decide what happens inside libvirt's functions. The program that
//! mounts them therefore defines those functions itself, in front of
//! libvirt's: see [`interpose`].

mod bent;
mod broken;
mod broken_outward;
mod c;
mod c_boundary;
mod c_types;
mod declarations;
mod domain_events;
mod foreign;
mod foreign_loops;
mod installer;
pub mod interpose;
mod last_error;
mod outward;
mod panics;
mod registration;
pub mod runner;
mod test_loop;
mod test_loop_turn;

pub use self::installer::{Installer, Real};
pub use self::test_loop::TestLoop;

/// One question about registration or the C boundary.
pub struct ProcessCase {
    /// Begins with the id of the contract's clause.
    pub name: &'static str,
    /// Panics if the installer breaks the clause. Expects a fresh process.
    pub run: fn(&dyn Installer),
    /// The proof that the case can fail.
    pub mutant: Mutant,
}

/// A deliberately broken installer.
#[derive(Clone, Copy)]
pub enum Mutant {
    /// One that must fail the case.
    Broken {
        /// What is wrong with it, in a few words.
        fault: &'static str,
        /// It.
        installer: &'static dyn Installer,
    },
    /// Why none can be made for this case.
    Impossible(&'static str),
}

/// All cases.
pub fn cases() -> impl Iterator<Item = &'static ProcessCase> {
    TABLES.iter().copied().flatten()
}

/// The case of this name.
pub fn case(name: &str) -> Option<&'static ProcessCase> {
    cases().find(|case| case.name == name)
}

const TABLES: &[&[ProcessCase]] = &[
    registration::CASES,
    foreign_loops::CASES,
    domain_events::CASES,
    c_boundary::CASES,
    panics::CASES,
    outward::CASES,
    declarations::CASES,
    last_error::CASES,
];

/// `process_case!(function, "what is wrong with the mutant", the mutant)`.
macro_rules! process_case {
    ($run:ident, $fault:expr, $installer:expr) => {
        $crate::process_cases::ProcessCase {
            name: stringify!($run),
            run: $run,
            mutant: $crate::process_cases::Mutant::Broken {
                fault: $fault,
                installer: &$installer,
            },
        }
    };
}
use process_case;
