//! Installs the system packages that are missing.

use std::env;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

use crate::dpkg::Installed;
use crate::failure::Failure;
use crate::package::{self, Package, Purpose};
use crate::step;

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

    eprintln!("setup: these packages are missing:");
    for package in &missing {
        eprintln!("  {:<12} {}", package.debian, package.reason);
    }
    let privilege = Privilege::find();
    let mut install = vec![
        "install",
        "--yes",
        "--no-install-recommends",
        // Another apt may be running, as on a machine that has just booted.
        "-o",
        "DPkg::Lock::Timeout=120",
    ];
    install.extend(missing.iter().map(|package| package.debian));
    if let Privilege::None = privilege {
        return Err(Failure::new(format!(
            "not root, and there is no sudo; as root run:\n  apt-get {}",
            install.join(" ")
        )));
    }
    let update = ["update"];
    eprintln!("setup: this runs the commands");
    eprintln!("  {}", step::line(&privilege.apt_get(&update)));
    eprintln!("  {}", step::line(&privilege.apt_get(&install)));

    // Mirrors fail now and then, hence the second attempt. If that fails as
    // well, the lists on disk may still do; if not, `install` says so.
    if !succeeds(&mut privilege.apt_get(&update))? && !succeeds(&mut privilege.apt_get(&update))? {
        eprintln!("setup: apt-get update failed twice; going on with the old package lists");
    }
    if !succeeds(&mut privilege.apt_get(&install))? {
        return Err(Failure::new("apt-get could not install the packages"));
    }
    let names = self::missing(&packages)?;
    if let Some(package) = names.first() {
        return Err(Failure::new(format!(
            "apt-get succeeded, but {} is still missing",
            package.debian
        )));
    }
    eprintln!("setup: done");
    Ok(packages.len())
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
fn succeeds(command: &mut Command) -> Result<bool, Failure> {
    let failure = |error: io::Error, command: &Command| {
        Failure::new(format!("cannot run `{}`: {error}", step::line(command)))
    };
    let stderr = io::stderr()
        .as_fd()
        .try_clone_to_owned()
        .map_err(|error| failure(error, command))?;
    let status = command
        .stdout(Stdio::from(stderr))
        .status()
        .map_err(|error| failure(error, command))?;
    Ok(status.success())
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
    use super::*;

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
            purpose: Purpose::Build,
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
