//! The view of the system that the daemon and the driver get.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use rustix::process::geteuid;

use super::RigError;
use super::program::{SETPRIV, UNSHARE};

/// Lets root do as if user namespaces were forbidden.
const FORBIDDEN: &str = "VIRT_EVENT_RIG_NO_NAMESPACES";

/// The user, and the group, that has nothing.
const NOBODY: u32 = 65534;

/// How a program is kept from being root. libvirt run by root works on the
/// system's own directories, whatever its configuration says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// An ordinary user is not root.
    AsItIs,
    /// In a user namespace, root is user 1000, and still owns its files.
    Namespace,
    /// In a container that forbids namespaces, root becomes somebody else, to
    /// whom the directory is given.
    Nobody,
}

impl Way {
    /// The one for this process.
    pub(super) fn here() -> Self {
        static HERE: OnceLock<Way> = OnceLock::new();
        *HERE.get_or_init(|| {
            if !geteuid().is_root() {
                Self::AsItIs
            } else if env::var_os(FORBIDDEN).is_none() && may_have_a_namespace() {
                Self::Namespace
            } else {
                Self::Nobody
            }
        })
    }

    /// The command line that runs `program` without privileges.
    pub(super) fn command(
        self,
        program: &Path,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Vec<OsString>, RigError> {
        // Both run the program in their own place, so the pid stays.
        let mut command: Vec<OsString> = match self {
            Self::AsItIs => Vec::new(),
            Self::Namespace => {
                let mut words = vec![UNSHARE.path()?.into()];
                words.extend(NAMESPACE.map(OsString::from));
                words
            }
            Self::Nobody => vec![
                SETPRIV.path()?.into(),
                format!("--reuid={NOBODY}").into(),
                format!("--regid={NOBODY}").into(),
                "--clear-groups".into(),
            ],
        };
        command.push(program.into());
        command.extend(arguments);
        Ok(command)
    }

    /// Who such a command is to the rest of the system.
    pub(super) fn user(self) -> u32 {
        match self {
            Self::AsItIs | Self::Namespace => geteuid().as_raw(),
            Self::Nobody => NOBODY,
        }
    }

    /// Gives `path` to such a command.
    pub(super) fn give(self, path: &Path) -> Result<(), RigError> {
        match self {
            Self::AsItIs | Self::Namespace => Ok(()),
            Self::Nobody => chown(path, Some(NOBODY), Some(NOBODY))
                .map_err(RigError::system(format!("give {} away", path.display()))),
        }
    }

    /// Gives it a directory with everything in it: before the command runs. What
    /// this process writes afterwards, the command can only read.
    pub(super) fn give_all(self, directory: &Path) -> Result<(), RigError> {
        if self != Self::Nobody {
            return Ok(());
        }
        let look = RigError::system(format!("look into {}", directory.display()));
        let entries = directory
            .read_dir()
            .and_then(Iterator::collect::<io::Result<Vec<_>>>)
            .map_err(look)?;
        for entry in entries {
            let path = entry.path();
            // Links lead elsewhere.
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.give_all(&path)?,
                Ok(kind) if kind.is_file() => self.give(&path)?,
                _ => {}
            }
        }
        self.give(directory)
    }
}

const NAMESPACE: [&str; 3] = ["--user", "--map-user=1000", "--map-group=1000"];

fn may_have_a_namespace() -> bool {
    let Ok(unshare) = UNSHARE.path() else {
        return false;
    };
    let tried = Command::new(unshare)
        .args(NAMESPACE)
        .arg("true")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    tried.is_ok_and(|status| status.success())
}
