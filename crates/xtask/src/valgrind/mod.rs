//! The tests that reach libvirt, under valgrind's memcheck.

mod all;
mod exceptions;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cargo::{cargo, root};
use crate::failure::Failure;
use crate::say::say;
use crate::step::Step;

/// Something to run under memcheck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Target {
    package: &'static str,
    kind: Kind,
    name: &'static str,
    /// What it is started with. For tests, `--test-threads=1`: memcheck runs
    /// one thread at a time anyway, and what it prints then follows the name of
    /// the test that caused it.
    arguments: &'static [&'static str],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// An integration test, `tests/NAME.rs` of the package.
    Test,
    /// A program of the package.
    Program,
}

/// What crosses the border to libvirt. A new test that does belongs here.
const TARGETS: &[Target] = &[
    Target {
        package: "virt-event-examples",
        kind: Kind::Program,
        name: "lifecycle",
        arguments: &[],
    },
    // The loop in every way that it can be driven.
    Target {
        package: "virt-event-tests",
        kind: Kind::Test,
        name: "builtin_on_libvirt",
        arguments: &["--test-threads=1"],
    },
    Target {
        package: "virt-event-tests",
        kind: Kind::Test,
        name: "default_impl",
        arguments: &["--test-threads=1"],
    },
    // The adapters with unsafe code.
    Target {
        package: "virt-event-glib",
        kind: Kind::Test,
        name: "attach",
        arguments: &["--test-threads=1"],
    },
    Target {
        package: "virt-event-glib",
        kind: Kind::Test,
        name: "default_context",
        arguments: &["--test-threads=1"],
    },
    Target {
        package: "virt-event-glib",
        kind: Kind::Test,
        name: "application",
        arguments: &["--test-threads=1"],
    },
    Target {
        package: "virt-event-glib",
        kind: Kind::Test,
        name: "install",
        arguments: &["--test-threads=1"],
    },
    Target {
        package: "virt-event-tokio",
        kind: Kind::Test,
        name: "install",
        arguments: &["--test-threads=1"],
    },
    // Subscriptions: what libvirt calls, and what crosses to it and back.
    Target {
        package: "virt-event-monitor",
        kind: Kind::Test,
        name: "in_process",
        arguments: &["--test-threads=2"],
    },
    Target {
        package: "virt-event-tests",
        kind: Kind::Test,
        name: "monitor_close",
        arguments: &["--test-threads=1"],
    },
    Target {
        package: "virt-event-tests",
        kind: Kind::Test,
        name: "monitor_regressions",
        arguments: &["--test-threads=1"],
    },
    Target {
        package: "virt-event-tests",
        kind: Kind::Test,
        name: "monitor_nested",
        arguments: &["--test-threads=1"],
    },
    Target {
        package: "virt-event-tests",
        kind: Kind::Test,
        name: "stream_watch",
        arguments: &["--test-threads=1"],
    },
    // The C boundary, a process for each case. The mutants break it on purpose.
    Target {
        package: "virt-event-tests",
        kind: Kind::Test,
        name: "process_cases",
        arguments: &["--test-threads=2", "--skip=mutant"],
    },
    // The example programs in every way that they can end.
    Target {
        package: "virt-event-examples",
        kind: Kind::Test,
        name: "lifecycle",
        arguments: &["--test-threads=1"],
    },
    // Subscriptions to every kind, refused ones, and a connection that is given
    // up while it opens.
    Target {
        package: "virt-event-examples",
        kind: Kind::Test,
        name: "events",
        arguments: &[
            "--test-threads=1",
            "kind",
            "a_domain_is_found",
            "a_connection",
        ],
    },
];

/// How much longer a test's deadlines are: memcheck takes about thirty times as
/// long for what computes, but most of it waits.
const SLOWER: &str = "10";

/// How many random cases of a property there are, where 256 are usual.
const RANDOM_CASES: &str = "16";

/// Runs `names`, or all targets if there are none; with `--all`, not only the
/// targets but every test of the workspace.
pub(crate) fn run(names: &[String]) -> Result<(), Failure> {
    if names.iter().any(|name| name == "--all") {
        let names: Vec<_> = names.iter().filter(|name| *name != "--all").collect();
        return all::run(&names);
    }
    let targets = selected(names)?;
    let mut steps = Vec::new();
    for target in &targets {
        let executable = match target.kind {
            Kind::Test => built_test(target)?,
            Kind::Program => built_program(target)?,
        };
        let mut command = memcheck(&executable, true);
        command.args(target.arguments);
        steps.push(Step::new(target.name, command));
    }
    let count = steps.len();
    for (index, step) in steps.into_iter().enumerate() {
        step.run(&format!("{}/{count}", index + 1))?;
    }
    say!("valgrind: {count} programs without an error or a definite leak");
    Ok(())
}

fn selected(names: &[String]) -> Result<Vec<Target>, Failure> {
    let known = |name: &&String| TARGETS.iter().any(|target| target.name == name.as_str());
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        let mut all: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        all.dedup();
        return Err(Failure::new(format!(
            "valgrind knows no target `{unknown}`; it has {}",
            all.join(", ")
        )));
    }
    let wanted = |target: &&Target| names.is_empty() || names.iter().any(|n| n == target.name);
    Ok(TARGETS.iter().filter(wanted).copied().collect())
}

fn memcheck(executable: &Path, looks_for_leaks: bool) -> Command {
    let leak_check = if looks_for_leaks { "full" } else { "no" };
    let mut command = Command::new("valgrind");
    command
        .current_dir(root())
        .args([
            "--tool=memcheck",
            "--quiet",
            "--error-exitcode=99",
            &format!("--leak-check={leak_check}"),
            "--show-leak-kinds=definite",
            "--errors-for-leak-kinds=definite",
            // Some tests run each case in a child process.
            "--trace-children=yes",
            // The system's programs, such as a libvirtd, are not what is tested,
            // nor are cargo and the compiler, which build the examples.
            "--trace-children-skip=/usr/bin/*,/usr/sbin/*,/bin/*,*/rig-supervisor,\
             */cargo,*/rustc",
            // Otherwise one busy thread keeps the others from running.
            "--fair-sched=yes",
            "--num-callers=30",
            "--suppressions=crates/xtask/valgrind.supp",
        ])
        .arg(executable)
        .env("VIRT_EVENT_SLOWER", SLOWER)
        .env("PROPTEST_CASES", RANDOM_CASES);
    command
}

fn built_test(target: &Target) -> Result<PathBuf, Failure> {
    let built = built_tests(&["-p", target.package, "--test", target.name])?;
    built.into_iter().next().ok_or_else(|| {
        Failure::new(format!(
            "cargo named no executable for the test `{}`",
            target.name
        ))
    })
}

/// Builds tests, and says where they are.
fn built_tests(which: &[&str]) -> Result<Vec<PathBuf>, Failure> {
    let mut build = cargo(["test", "--no-run"]);
    build.args(which);
    build.env("CARGO_TERM_COLOR", "never");
    build.env("CARGO_TERM_QUIET", "false");
    let output = build
        .stdin(Stdio::null())
        .stdout(Stdio::inherit())
        .output()
        .map_err(|error| Failure::new(format!("cannot run cargo: {error}")))?;
    let messages = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let which = which.join(" ");
        return Err(Failure::new(format!(
            "cannot build the tests of `{which}`:\n{messages}"
        )));
    }
    // A relative path counts from where cargo ran.
    Ok(executables(&messages)
        .map(|path| root().join(path))
        .collect())
}

/// The paths in cargo's lines `Executable tests/x.rs (target/debug/deps/x-…)`.
fn executables(messages: &str) -> impl Iterator<Item = PathBuf> {
    messages.lines().filter_map(|line| {
        let line = line.trim().strip_prefix("Executable ")?;
        let (_, path) = line.strip_suffix(')')?.split_once(" (")?;
        Some(PathBuf::from(path))
    })
}

fn built_program(target: &Target) -> Result<PathBuf, Failure> {
    let mut build = cargo(["build", "-p", target.package, "--bin", target.name]);
    let built = build.stdin(Stdio::null()).status();
    if !built.is_ok_and(|status| status.success()) {
        return Err(Failure::new(format!(
            "cannot build the program `{}`",
            target.name
        )));
    }
    // Programs of one workspace and one profile lie beside each other.
    std::env::current_exe()
        .ok()
        .and_then(|xtask| Some(xtask.parent()?.join(target.name)))
        .filter(|path| path.is_file())
        .ok_or_else(|| Failure::new(format!("cargo built `{}`, but not here", target.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executables_are_read_from_what_cargo_says() {
        let messages = "   Compiling virt-event-tests v0.1.0 (/src/tests)
    Finished `test` profile [unoptimized + debuginfo] target(s) in 0.02s
  Executable unittests src/lib.rs (target/debug/deps/virt_event-0a)
  Executable tests/lifecycle.rs (/srv/a (b)/debug/deps/lifecycle-1b2c)
";
        let paths: Vec<_> = executables(messages).collect();
        assert_eq!(
            paths,
            [
                PathBuf::from("target/debug/deps/virt_event-0a"),
                PathBuf::from("/srv/a (b)/debug/deps/lifecycle-1b2c"),
            ]
        );
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_known_ones() {
        assert_eq!(selected(&[]).map(|all| all.len()).ok(), Some(TARGETS.len()));
        let message = selected(&["nope".to_owned()]).unwrap_err().to_string();
        assert!(message.contains("`nope`"), "{message}");
        assert!(message.contains("lifecycle"), "{message}");
    }

    #[test]
    fn the_suppressions_are_where_the_command_says() {
        let command = memcheck(Path::new("/bin/true"), true);
        let supplied = command
            .get_args()
            .filter_map(|argument| argument.to_str()?.strip_prefix("--suppressions="))
            .next();
        assert!(supplied.is_some_and(|path| root().join(path).is_file()));
    }
}
