//! The invocations of cargo.

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;
use crate::step;

/// `cargo` with the given arguments, in the root of the workspace.
pub(crate) fn cargo<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    // Cargo says which one it is; a second one on PATH may be another version.
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let manifest = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    // crates/xtask, two levels below it.
    manifest
        .ancestors()
        .nth(2)
        .map_or_else(|| manifest.clone(), Path::to_path_buf)
}

/// Runs `command` in the place of this process, so that signals and the exit
/// status are the command's own. Comes back only with an error.
pub(crate) fn replace_by(mut command: Command) -> Failure {
    let error = command.exec();
    Failure::new(format!("cannot run `{}`: {error}", step::line(&command)))
}

/// Runs `command` to its end.
pub(crate) fn run(mut command: Command) -> Result<(), Failure> {
    let line = step::line(&command);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::new(format!("`{line}` failed ({status})"))),
        Err(error) => Err(Failure::new(format!("cannot run `{line}`: {error}"))),
    }
}

pub(crate) fn demo(arguments: &[OsString]) -> Command {
    let mut command = cargo([
        "run",
        "-p",
        "virt-event-examples",
        "--bin",
        "lifecycle",
        "--",
    ]);
    command.args(arguments);
    command
}

/// The tests. `--long` before cargo's `--` is ours: it asks for the long forms.
pub(crate) fn test(arguments: &[OsString]) -> Command {
    let end = arguments.iter().position(|argument| argument == "--");
    let (before, after) = arguments.split_at(end.unwrap_or(arguments.len()));
    let mut command = cargo(["test"]);
    if !selects_packages(before) {
        command.arg("--workspace");
    }
    for argument in before {
        if argument == "--long" {
            command.env(LONG, "1");
        } else {
            command.arg(argument);
        }
    }
    command.args(after);
    command
}

/// The scene that goes on for ten minutes on each of its loops, one after the
/// other.
pub(crate) fn soak() -> Command {
    let mut command = cargo([
        "test",
        "-p",
        "virt-event-tests",
        "--test",
        "stack",
        "--",
        "soak",
        "--test-threads=1",
    ]);
    command.env(LONG, "1");
    command
}

/// Draws what [`soak`] has counted.
pub(crate) fn soak_chart() -> Command {
    let mut command = cargo(["run", "-p", "charts", "--", "soak"]);
    command.args(soak_counts());
    command
}

/// Where [`soak`] leaves its counts, a file for each loop.
pub(crate) fn soak_counts() -> impl Iterator<Item = PathBuf> {
    SOAKED
        .iter()
        .map(|name| target().join(format!("soak/{name}.csv")))
}

/// The loops of the scene.
const SOAKED: &[&str] = &["builtin", "tokio"];

/// Cargo's target directory, which holds this program.
fn target() -> PathBuf {
    env::current_exe()
        .ok()
        .and_then(|program| {
            let above = program.ancestors();
            let mut marked = above.filter(|directory| directory.join("CACHEDIR.TAG").is_file());
            marked.next().map(Path::to_path_buf)
        })
        .unwrap_or_else(|| root().join("target"))
}

/// The variable that the tests with a long form look at.
const LONG: &str = "VIRT_EVENT_LONG";

pub(crate) fn conformance(arguments: &[OsString]) -> Command {
    let mut command = cargo([
        "run",
        "-p",
        "virt-event-tests",
        "--bin",
        "conformance",
        "--",
        "--write",
    ]);
    command.args(arguments);
    command
}

/// The supervisor of daemons, built as a program that measures is, which has the
/// name of its package. With the program, so that both are built from the same
/// features.
pub(crate) fn supervisor(program: &str) -> Command {
    let packages = ["-p", program, "-p", "virt-event-tests"];
    let programs = ["--bin", program, "--bin", "rig-supervisor"];
    let mut command = cargo(["build", "--release"]);
    command.args(packages).args(programs);
    command
}

pub(crate) fn bench(arguments: &[OsString]) -> Command {
    let mut command = cargo(["run", "--release", "-p", "bench", "--"]);
    command.args(arguments);
    command
}

/// Draws what [`bench()`] has written down.
pub(crate) fn charts() -> Command {
    cargo(["run", "-p", "charts", "--", "performance"])
}

pub(crate) fn scaling(arguments: &[OsString]) -> Command {
    let mut command = cargo(["run", "--release", "-p", "scaling", "--"]);
    command.args(arguments);
    command
}

/// Whether the arguments for cargo say which packages they mean. A `--workspace`
/// of ours would override them, and cargo refuses two.
fn selects_packages(arguments: &[OsString]) -> bool {
    arguments
        .iter()
        .map(|argument| argument.to_string_lossy())
        .any(|argument| {
            argument == "--workspace"
                || argument == "--all"
                || argument == "--package"
                || argument.starts_with("--package=")
                || (argument.starts_with("-p") && !argument.starts_with("--"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(command: &Command) -> String {
        step::line(command)
    }

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn test_takes_the_workspace_unless_packages_are_named() {
        assert_eq!(typed(&test(&[])), "cargo test --workspace");
        assert_eq!(
            typed(&test(&words(&["-p", "xtask", "--", "--nocapture"]))),
            "cargo test -p xtask -- --nocapture"
        );
        assert_eq!(
            typed(&test(&words(&["--", "-p"]))),
            "cargo test --workspace -- -p"
        );
        assert_eq!(
            typed(&test(&words(&["--package=xtask"]))),
            "cargo test --package=xtask"
        );
        for all in ["--workspace", "--all"] {
            assert_eq!(
                typed(&test(&words(&["--release", all]))),
                format!("cargo test --release {all}")
            );
        }
    }

    #[test]
    fn long_is_a_variable_for_the_tests() {
        let command = test(&words(&[
            "--long",
            "-p",
            "virt-event-tests",
            "--",
            "--long",
        ]));
        assert_eq!(
            typed(&command),
            "VIRT_EVENT_LONG=1 cargo test -p virt-event-tests -- --long"
        );
    }

    #[test]
    fn a_soak_is_played_in_its_long_form_and_drawn() {
        let line = typed(&soak());
        assert!(line.starts_with("VIRT_EVENT_LONG=1 cargo test"), "{line}");
        let line = typed(&soak_chart());
        assert!(line.contains("-p charts -- soak "), "{line}");
        assert!(line.contains("/soak/tokio.csv"), "{line}");
    }

    #[test]
    fn arguments_reach_the_program_and_not_cargo() {
        let line = typed(&demo(&words(&["--uri", "test:///default"])));
        assert!(line.ends_with("-- --uri test:///default"), "{line}");
        let line = typed(&bench(&words(&["--rounds", "3"])));
        assert!(line.ends_with("-- --rounds 3"), "{line}");
    }

    #[test]
    fn the_root_holds_the_lock_file() {
        assert!(root().join("Cargo.lock").is_file());
    }
}
