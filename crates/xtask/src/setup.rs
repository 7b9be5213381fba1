//! Installs the system packages that are missing.

use std::env;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, ExitStatus, Stdio};

use crate::dpkg::Installed;
use crate::failure::Failure;
use crate::package::{self, Package, Purpose};
use crate::say::say;
use crate::step;

/// How apt-get(8) exits on any error.
const APT_GET_FAILED: i32 = 100;

/// Makes sure that the packages for `purposes` are there, and returns how many
/// that is. Says nothing if all are there; otherwise says what it is about to
/// install before it does. Writes to stderr only: stdout belongs to what runs
/// afterwards.
pub(crate) fn ensure(purposes: &[Purpose]) -> Result<usize, Failure> {
    let packages = package::needed(purposes);
    if !(on_path("dpkg-query") && on_path("apt-get")) {
        return elsewhere(&packages);
    }
    let missing = missing(&packages)?;
    if missing.is_empty() {
        return Ok(packages.len());
    }

    say!("setup: these packages are missing:");
    for package in &missing {
        say!("  {:<26} {}", package.debian, package.reason);
    }
    let privilege = Privilege::find();
    let names: Vec<_> = missing.iter().map(|package| package.debian).collect();
    install(&privilege, &names, status)?;
    if let Some(package) = self::missing(&packages)?.first() {
        return Err(Failure::new(format!(
            "apt-get succeeded, but {} is still missing",
            package.debian
        )));
    }
    say!("setup: done");
    Ok(packages.len())
}

/// Installs the packages `names`; `run` runs one command to its end.
fn install(
    privilege: &Privilege,
    names: &[&str],
    mut run: impl FnMut(Command) -> Result<ExitStatus, Failure>,
) -> Result<(), Failure> {
    let update = ["update"];
    let mut install = vec![
        "install",
        "--yes",
        "--no-install-recommends",
        // Another apt may be running, as on a machine that has just booted.
        "-o",
        "DPkg::Lock::Timeout=120",
    ];
    install.extend(names);
    // The lists of a fresh machine are empty, so that one needs both.
    let by_hand = format!(
        "as root run:\n  apt-get update\n  apt-get {}",
        install.join(" ")
    );
    if let Privilege::None = privilege {
        return Err(Failure::new(format!(
            "not root, and there is no sudo; {by_hand}"
        )));
    }
    say!("setup: this runs the commands");
    say!("  {}", step::line(&privilege.apt_get(&update)));
    say!("  {}", step::line(&privilege.apt_get(&install)));

    let mut succeeds = |arguments: &[&str]| {
        let status = run(privilege.apt_get(arguments))?;
        // apt-get fails with 100 and sudo hands that on, so that anything else
        // is sudo's own. It would only ask for the password again.
        if let Privilege::Sudo = privilege {
            if !status.success() && status.code() != Some(APT_GET_FAILED) {
                return Err(Failure::new(format!("sudo failed ({status}); {by_hand}")));
            }
        }
        Ok(status.success())
    };
    // Mirrors fail now and then, hence the second attempt. If that fails as
    // well, the lists on disk may still do; if not, `install` says so.
    if !succeeds(&update)? && !succeeds(&update)? {
        say!("setup: apt-get update failed twice; going on with the old package lists");
    }
    if !succeeds(&install)? {
        return Err(Failure::new("apt-get could not install the packages"));
    }
    Ok(())
}

fn missing(packages: &[Package]) -> Result<Vec<Package>, Failure> {
    let installed = Installed::query()?;
    Ok(packages
        .iter()
        .copied()
        .filter(|package| !installed.has(package.satisfied_by))
        .collect())
}

/// Other systems than Debian: look for what the packages contain, and leave
/// the installing to the user.
fn elsewhere(packages: &[Package]) -> Result<usize, Failure> {
    let missing: Vec<_> = packages
        .iter()
        .filter(|package| !probe(package.probe))
        .collect();
    if missing.is_empty() {
        return Ok(packages.len());
    }
    let mut message = String::from(
        "this system has no apt-get, so please install these yourself and run the command again:\n",
    );
    for package in &missing {
        message.push_str(&format!(
            "  {} (Fedora: {}): {}\n",
            package.debian, package.fedora, package.reason
        ));
    }
    let fedora: Vec<_> = missing.iter().map(|package| package.fedora).collect();
    message.push_str(&format!("On Fedora: sudo dnf install {}", fedora.join(" ")));
    Err(Failure::new(message))
}

fn probe(command: &[&str]) -> bool {
    let [program, arguments @ ..] = command else {
        return false;
    };
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Runs `command`, with what it prints on our stderr.
fn status(mut command: Command) -> Result<ExitStatus, Failure> {
    let failure = |error: io::Error, command: &Command| {
        Failure::new(format!("cannot run `{}`: {error}", step::line(command)))
    };
    let stderr = io::stderr()
        .as_fd()
        .try_clone_to_owned()
        .map_err(|error| failure(error, &command))?;
    command
        .stdout(Stdio::from(stderr))
        .status()
        .map_err(|error| failure(error, &command))
}

/// How we may become root.
enum Privilege {
    Root,
    Sudo,
    None,
}

impl Privilege {
    fn find() -> Self {
        // The owner of /proc/self is the effective user.
        if fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0) {
            Self::Root
        } else if on_path("sudo") {
            Self::Sudo
        } else {
            Self::None
        }
    }

    /// `apt-get` with `arguments`, never asking a question. The setting goes
    /// through env(1) because sudo drops the caller's environment.
    fn apt_get(&self, arguments: &[&str]) -> Command {
        let mut command = match self {
            Self::Sudo => {
                let mut command = Command::new("sudo");
                command.arg("env");
                command
            }
            Self::Root | Self::None => Command::new("env"),
        };
        command
            .args(["DEBIAN_FRONTEND=noninteractive", "apt-get"])
            .args(arguments);
        command
    }
}

fn on_path(program: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| {
        env::split_paths(&path).any(|directory| directory.join(program).is_file())
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    /// What `install` says and how many commands it ran, where each of them
    /// exits with `code`.
    fn installed(privilege: &Privilege, code: i32) -> (Option<String>, u32) {
        let mut runs = 0;
        let result = install(privilege, &["libthing-dev"], |_| {
            runs += 1;
            Ok(ExitStatus::from_raw(code << 8))
        });
        (result.err().map(|failure| failure.to_string()), runs)
    }

    #[test]
    fn sudo_that_fails_is_named_and_asked_once() {
        let (message, runs) = installed(&Privilege::Sudo, 1);
        let message = message.unwrap();
        assert_eq!(runs, 1);
        assert!(
            message.starts_with("sudo failed (exit status: 1)"),
            "{message}"
        );
        assert!(message.contains("apt-get update\n"), "{message}");
    }

    #[test]
    fn apt_get_that_fails_under_sudo_is_not_taken_for_sudo() {
        for privilege in [Privilege::Sudo, Privilege::Root] {
            let (message, runs) = installed(&privilege, APT_GET_FAILED);
            assert_eq!(runs, 3, "update, update again, install");
            assert_eq!(message.unwrap(), "apt-get could not install the packages");
        }
        assert_eq!(installed(&Privilege::Sudo, 0), (None, 2));
    }

    #[test]
    fn who_cannot_become_root_is_told_both_commands() {
        let (message, runs) = installed(&Privilege::None, 0);
        let message = message.unwrap();
        assert_eq!(runs, 0);
        let update = message.find("\n  apt-get update\n").unwrap();
        let install = message.find("\n  apt-get install ").unwrap();
        assert!(update < install, "{message}");
        assert!(message.ends_with(" libthing-dev"), "{message}");
    }

    #[test]
    fn sudo_is_used_only_where_it_is_needed() {
        assert_eq!(
            step::line(&Privilege::Root.apt_get(&["update"])),
            "env DEBIAN_FRONTEND=noninteractive apt-get update"
        );
        assert_eq!(
            step::line(&Privilege::Sudo.apt_get(&["update"])),
            "sudo env DEBIAN_FRONTEND=noninteractive apt-get update"
        );
    }

    #[test]
    fn another_system_is_told_the_names_of_what_it_lacks() {
        let package = Package {
            debian: "libthing-dev",
            satisfied_by: "libthing-dev",
            fedora: "thing-devel",
            probe: &["false"],
            purposes: &[Purpose::Build],
            reason: "for this test",
        };
        let message = elsewhere(&[package]).unwrap_err().to_string();
        assert!(message.contains("libthing-dev"), "{message}");
        assert!(message.contains("dnf install thing-devel"), "{message}");

        let present = Package {
            probe: &["true"],
            ..package
        };
        assert_eq!(elsewhere(&[present]).ok(), Some(1));
    }

    #[test]
    fn a_program_that_does_not_exist_is_a_failed_probe() {
        assert!(!probe(&["virt-event-no-such-program"]));
        assert!(!on_path("virt-event-no-such-program"));
        assert!(on_path("sh"));
    }
}
