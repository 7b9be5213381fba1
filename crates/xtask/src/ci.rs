//! Everything that continuous integration checks, in one command.

use std::process::{Command, Stdio};
use std::time::Instant;

use crate::cargo::cargo;
use crate::failure::Failure;
use crate::say::say;
use crate::step::Step;

/// What is published. Each is built by itself as well, because in the workspace
/// a crate may use a feature that only another one has switched on.
const PUBLISHED: &[&str] = &[
    "virt-event",
    "virt-event-reactor",
    "virt-event-libvirt",
    "virt-event-loop",
    "virt-event-mio",
    "virt-event-tokio",
    "virt-event-calloop",
    "virt-event-glib",
    "virt-event-monitor",
    "virt-event-conformance",
];

/// Runs every step and stops at the first that fails.
pub(crate) fn run() -> Result<(), Failure> {
    let start = Instant::now();
    let mut steps = steps();
    let licences = deny_is_installed();
    if licences {
        steps.push(Step::new(
            "licences",
            cargo(["deny", "check", "licenses", "bans"]),
        ));
    }
    let count = steps.len();
    for (index, step) in steps.into_iter().enumerate() {
        step.run(&format!("{}/{count}", index + 1))?;
    }
    say!(
        "ci: {count} steps passed in {:.0} s",
        start.elapsed().as_secs_f64()
    );
    if !licences {
        // Building cargo-deny takes longer than all the steps together, so it
        // is not installed for this; but nobody shall think that it ran.
        say!("ci: not checked: licences (deny.toml), because cargo-deny is not installed");
    }
    Ok(())
}

fn steps() -> Vec<Step> {
    let clippy = |of: &[&str]| {
        let mut command = cargo(["clippy", "--all-targets"]);
        command.args(of).args(["--", "-D", "warnings"]);
        command
    };
    // The reactor is the only crate with features, and has none only by
    // itself: the crates above it switch them on.
    let without = ["--no-default-features", "-p", "virt-event-reactor"];
    let mut doc = cargo(["doc", "--workspace", "--no-deps", "--all-features"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    let alone = PUBLISHED.iter().map(|name| {
        let check = cargo(["check", "--all-targets", "-p", name]);
        Step::new("a crate by itself", check)
    });
    let mut steps = vec![
        Step::new("formatting", cargo(["fmt", "--all", "--check"])),
        Step::new(
            "lints, all features",
            clippy(&["--workspace", "--all-features"]),
        ),
        Step::new("lints, no features", clippy(&without)),
        Step::new("docs", doc),
    ];
    steps.extend(alone);
    steps.push(Step::new(
        "instructions of the hot paths",
        cargo(["xtask", "instructions"]),
    ));
    steps.push(Step::new("tests", cargo(["test", "--workspace"])));
    steps
}

fn deny_is_installed() -> bool {
    let mut probe: Command = cargo(["deny", "--version"]);
    probe
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step;

    #[test]
    fn warnings_are_denied_everywhere() {
        let lines: Vec<_> = steps()
            .iter()
            .map(|step| step::line(&step.command))
            .collect();
        for part in ["clippy", "doc"] {
            let of_part = lines
                .iter()
                .filter(|line| line.contains(&format!("cargo {part}")));
            for line in of_part.clone() {
                assert!(line.contains("-D warnings"), "{line}");
            }
            assert!(of_part.count() > 0, "{part}");
        }
    }

    #[test]
    fn every_published_crate_is_built_by_itself() {
        let crates = crate::cargo::root().join("crates");
        let mut unpublished = Vec::new();
        for entry in std::fs::read_dir(crates).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let manifest = std::fs::read_to_string(path.join("Cargo.toml")).unwrap();
            if manifest.contains("publish = false") {
                unpublished.push(name);
            } else {
                assert!(PUBLISHED.contains(&name.as_str()), "{name}");
            }
        }
        unpublished.sort_unstable();
        assert_eq!(
            unpublished,
            ["bench", "charts", "hot-paths", "scaling", "xtask"]
        );
    }

    /// System calls and allocations are counted by tests of the workspace.
    #[test]
    fn instructions_are_counted() {
        let counting =
            |step: &Step| step::line(&step.command).ends_with("cargo xtask instructions");
        assert!(steps().iter().any(counting));
    }

    #[test]
    fn the_tests_come_last_and_whole() {
        let steps = steps();
        let last = steps.last().map(|step| step::line(&step.command));
        assert_eq!(last.as_deref(), Some("cargo test --workspace"));
    }
}
