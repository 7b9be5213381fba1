//! `xtask setup` against a pretended system: a PATH that holds scripts instead
//! of Debian's tools.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

#[test]
fn nothing_is_run_when_all_is_there() {
    let system = System::debian("complete", "exit 1");
    let output = system.setup();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(system.log(), "");
}

#[test]
fn what_is_missing_is_named_and_installed() {
    let system = System::debian(
        "missing",
        "[ \"$1\" = update ] || printf 'installed\\tlibvirt-dev\\t\\n' >>state",
    );
    system.remove("libvirt-dev");
    let output = system.setup();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let message = stderr(&output);
    let named = message.find("libvirt itself").unwrap();
    let ran = message.find("apt-get ran").unwrap();
    assert!(named < ran, "the user hears of it first: {message}");
    assert_eq!(
        system.log(),
        "update\n\
         install --yes --no-install-recommends -o DPkg::Lock::Timeout=120 libvirt-dev\n"
    );
    // What runs after setup may be read by a program.
    assert!(output.stdout.is_empty());
}

#[test]
fn an_update_that_fails_is_tried_again() {
    let system = System::debian(
        "retry",
        "if [ \"$1\" = update ]; then [ -e second ] || { : >second; exit 100; }; \
         else printf 'installed\\tvalgrind\\t\\n' >>state; fi",
    );
    system.remove("valgrind");
    let output = system.setup();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(system.log().starts_with("update\nupdate\ninstall"));
}

#[test]
fn an_installation_that_fails_ends_the_command() {
    let system = System::debian("broken", "exit 100");
    system.remove("libvirt-dev");
    let output = system.setup();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("could not install"));
}

#[test]
fn an_installation_that_did_nothing_is_noticed() {
    let system = System::debian("idle", "exit 0");
    system.remove("libvirt-dev");
    let output = system.setup();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("libvirt-dev is still missing"));
}

#[test]
fn another_system_is_told_what_to_install() {
    let system = System::new("fedora");
    let output = system.setup();
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert!(
        message.contains("libvirt-dev (Fedora: libvirt-devel)"),
        "{message}"
    );
    assert!(message.contains("dnf install"), "{message}");

    // Once it is all there, we are content, whoever installed it.
    for program in [
        "pkg-config",
        "cc",
        "true",
        "sh",
        "strace",
        "virt-admin",
        "qemu-system-x86_64",
        "as",
        "valgrind",
    ] {
        system.script(program, "exit 0");
    }
    assert_eq!(system.setup().status.code(), Some(0));
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A directory with a `bin` for PATH. Scripts run in the directory.
///
/// One at a time: a child that another test is about to start may have
/// inherited a script that is being written here, and the kernel refuses to run
/// a file that somebody can write to.
struct System(
    PathBuf,
    #[expect(dead_code, reason = "held until dropped")] MutexGuard<'static, ()>,
);

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

impl System {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        fs::create_dir_all(path.join("bin")).unwrap();
        symlink("/usr/bin/env", path.join("bin/env")).unwrap();
        Self(path, alone)
    }

    /// With `dpkg-query`, which prints the file `state`, and `apt-get`, which
    /// keeps a log and then does `apt_get`.
    fn debian(name: &str, apt_get: &str) -> Self {
        let system = Self::new(name);
        let mut state = String::from("installed\tpkgconf\tpkg-config (= 1.8.1-1)\n");
        for package in [
            "libvirt-dev",
            "libglib2.0-dev",
            "strace",
            "libvirt-glib-1.0-0",
            "libvirt-daemon",
            "libvirt-daemon-driver-qemu",
            "libvirt-clients",
            "qemu-system-x86",
            "binutils",
            "valgrind",
        ] {
            state.push_str(&format!("installed\t{package}\t\n"));
        }
        state.push_str("installed\tclang\tc-compiler\ninstalled\tlibc6-dev\tlibc-dev (= 2)\n");
        fs::write(system.0.join("state"), state).unwrap();
        system.script(
            "dpkg-query",
            "while IFS= read -r line; do echo \"$line\"; done <state",
        );
        system.script(
            "apt-get",
            &format!("echo 'apt-get ran'; echo \"$*\" >>log; {apt_get}"),
        );
        system.script("sudo", "exec \"$@\"");
        system
    }

    fn script(&self, name: &str, body: &str) {
        let path = self.0.join("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn remove(&self, package: &str) {
        let path = self.0.join("state");
        let state = fs::read_to_string(&path).unwrap();
        let line = format!("installed\t{package}\t\n");
        fs::write(&path, state.replace(&line, "")).unwrap();
    }

    fn setup(&self) -> Output {
        Command::new(env!("CARGO_BIN_EXE_xtask"))
            .arg("setup")
            .current_dir(&self.0)
            .env("PATH", self.0.join("bin"))
            .output()
            .unwrap()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.0.join("log")).unwrap_or_default()
    }
}

impl Drop for System {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
