//! Why the fixture could not do what it was asked.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why the fixture could not do what it was asked.
///
/// `Debug` is the message too, because that is what a failed test prints.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum RigError {
    /// The machine lacks a program. It is to be installed; no test is skipped.
    #[error(
        "`{program}` is not on this machine: run `cargo xtask setup`, or install the Debian package {package}"
    )]
    Missing {
        /// What was looked for.
        program: &'static str,
        /// What it is in.
        package: &'static str,
    },
    /// A condition did not come true in time. Either the test's expectation is
    /// wrong, or something hangs.
    #[error("waited {seconds} s for this in vain: {what}")]
    Late {
        /// The condition.
        what: String,
        /// The patience that it had.
        seconds: u64,
    },
    /// The system refused something, such as to write a file.
    #[error("cannot {what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A program failed. What it printed says why.
    #[error("{what}; it printed:\n{printed}")]
    Failed {
        /// Which one, and how it ended.
        what: String,
        /// The end of what it printed.
        printed: String,
    },
    /// There is no such process, or it has ended: the test is not where it
    /// thinks it is.
    #[error("{0} does not run")]
    NotRunning(String),
    /// The supervisor did not do as it was told, which is a fault of the
    /// fixture.
    #[error("the supervisor {program}: {fault}", program = program.display())]
    Supervisor {
        /// Where it is.
        program: PathBuf,
        /// What it did.
        fault: String,
    },
    /// libvirt said no.
    #[error("libvirt cannot {what}: {source}")]
    Libvirt {
        /// What it was asked.
        what: String,
        /// Its answer.
        source: virt::error::Error,
    },
}

impl RigError {
    /// For `map_err`.
    pub(super) fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::System { what, source }
    }
}

impl fmt::Debug for RigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
