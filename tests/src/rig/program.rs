//! The programs of the system that the fixture runs.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use super::RigError;
use super::directory::Directory;
use super::unprivileged::Way;

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
pub(super) const VIRSH: Program = Program {
    name: "virsh",
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
pub(super) const SETPRIV: Program = Program {
    name: "setpriv",
    package: "util-linux",
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

    /// Runs one of libvirt's clients on the daemon behind `uri`, and returns
    /// what it prints.
    pub(super) fn ask(
        self,
        directory: &Directory,
        uri: &str,
        arguments: &[&str],
    ) -> Result<String, RigError> {
        let words = ["--connect", uri]
            .into_iter()
            .chain(arguments.iter().copied());
        // The administrator's socket is only for whom the daemon runs as.
        let command = Way::here().command(&self.path()?, words.map(OsString::from))?;
        let output = Command::new(&command[0])
            .args(&command[1..])
            .env_clear()
            .envs(directory.environment())
            .output()
            .map_err(RigError::system(format!("run {}", self.name)))?;
        if !output.status.success() {
            return Err(RigError::Failed {
                what: format!(
                    "{} {} ended with {}",
                    self.name,
                    arguments.join(" "),
                    output.status
                ),
                printed: String::from_utf8_lossy(&output.stderr).into_owned(),
            });
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
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
        // As a failed test prints it.
        let message = format!("{:?}", program.path().unwrap_err());
        assert!(
            message.contains("`virt-event-no-such-program`"),
            "{message}"
        );
        assert!(message.contains("virt-event-no-such-package"), "{message}");
        assert!(message.contains("cargo xtask setup"), "{message}");
    }

    #[test]
    fn all_are_here() {
        for program in [
            LIBVIRTD, VIRT_ADMIN, VIRSH, QEMU, ASSEMBLER, LINKER, SETPRIV, UNSHARE,
        ] {
            program.path().unwrap();
        }
    }
}
