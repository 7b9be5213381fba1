//! The programs of the system that the fixture runs.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use super::RigError;

/// One program, and where it comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Program {
    name: &'static str,
    package: &'static str,
}

pub(super) const LIBVIRTD: Program = Program {
    name: "libvirtd",
    package: "libvirt-daemon",
};
pub(super) const VIRT_ADMIN: Program = Program {
    name: "virt-admin",
    package: "libvirt-clients",
};
pub(super) const QEMU: Program = Program {
    name: "qemu-system-x86_64",
    package: "qemu-system-x86",
};
pub(super) const ASSEMBLER: Program = Program {
    name: "as",
    package: "binutils",
};
pub(super) const LINKER: Program = Program {
    name: "ld",
    package: "binutils",
};
pub(super) const UNSHARE: Program = Program {
    name: "unshare",
    package: "util-linux",
};

impl Program {
    /// Where it is.
    pub(super) fn path(self) -> Result<PathBuf, RigError> {
        env::split_paths(&search_path())
            .map(|directory| directory.join(self.name))
            .find(|path| path.is_file())
            .ok_or(RigError::Missing {
                program: self.name,
                package: self.package,
            })
    }
}

/// The PATH of this process and of what it starts. Not every user has the
/// directories of the system's daemons on it.
pub(super) fn search_path() -> OsString {
    let own = env::var_os("PATH").unwrap_or_default();
    let daemons = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    // A directory with a colon in its name cannot come out of a PATH.
    env::join_paths(env::split_paths(&own).chain(daemons)).unwrap_or(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_the_remedy() {
        let program = Program {
            name: "virt-event-no-such-program",
            package: "virt-event-no-such-package",
        };
        let message = program.path().unwrap_err().to_string();
        assert!(
            message.contains("`virt-event-no-such-program`"),
            "{message}"
        );
        assert!(message.contains("virt-event-no-such-package"), "{message}");
        assert!(message.contains("cargo xtask setup"), "{message}");
    }

    #[test]
    fn all_are_here() {
        for program in [LIBVIRTD, VIRT_ADMIN, QEMU, ASSEMBLER, LINKER, UNSHARE] {
            program.path().unwrap();
        }
    }
}
