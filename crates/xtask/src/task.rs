//! What the command line asks for.

use std::ffi::OsString;

/// What `cargo xtask help` prints.
pub(crate) const HELP: &str = "\
Usage: cargo xtask COMMAND [ARGUMENTS]

  setup                install the Debian packages that are missing
  demo [ARGUMENTS]     setup, then the example `lifecycle`: real events of
                       libvirt; `--loop builtin|mio|tokio|calloop|glib`,
                       `--uri URI`
  test [ARGUMENTS]     setup, then `cargo test --workspace ARGUMENTS`; with
                       `--long` also the tests that take minutes
  conformance          setup, then every case of the contract on every
                       implementation; writes docs/conformance.md
  bench [ARGUMENTS]    setup, then the benchmarks, optimised; `--json FILE`
                       writes the figures down
  charts               draw docs/performance.json, which is such a file, and
                       put its figures into the pages that show them
  scaling [ARGUMENTS]  setup, then the tables of docs/scaling.md, optimised
  instructions [--write]
                       setup, then the instructions of the hot paths against
                       their budgets; `--write` takes new ones
  valgrind [NAME...]   setup, then the tests that reach libvirt under memcheck,
                       all of them or those named; with `--all` every test
                       there is, which takes an hour
  soak                 setup, then everything at once for ten minutes on each
                       of two loops; draws docs/soak.svg
  ci                   setup, then formatting, lints, docs, each published
                       crate by itself, instructions and tests
  help                 print this
";

/// One command with what follows it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Help,
    Setup,
    Demo(Vec<OsString>),
    Test(Vec<OsString>),
    Conformance(Vec<OsString>),
    Bench(Vec<OsString>),
    Charts,
    Scaling(Vec<OsString>),
    Instructions(Vec<String>),
    Valgrind(Vec<String>),
    Soak,
    Ci,
}

impl Task {
    /// Reads the arguments after the program's name.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        let mut arguments = arguments.into_iter();
        let Some(command) = arguments.next() else {
            return Err(format!("a command is missing\n\n{HELP}"));
        };
        let rest: Vec<OsString> = arguments.collect();
        match command.to_str() {
            Some("help" | "--help" | "-h") => Ok(Self::Help),
            Some("setup") => alone("setup", &rest, Self::Setup),
            Some("charts") => alone("charts", &rest, Self::Charts),
            Some("soak") => alone("soak", &rest, Self::Soak),
            Some("ci") => alone("ci", &rest, Self::Ci),
            Some("demo") => Ok(Self::Demo(rest)),
            Some("test") => Ok(Self::Test(rest)),
            Some("conformance") => Ok(Self::Conformance(rest)),
            Some("bench") => Ok(Self::Bench(rest)),
            Some("scaling") => Ok(Self::Scaling(rest)),
            Some("instructions") => Ok(Self::Instructions(words(&rest))),
            Some("valgrind") => Ok(Self::Valgrind(words(&rest))),
            _ => Err(format!(
                "unknown command `{}`\n\n{HELP}",
                command.to_string_lossy()
            )),
        }
    }
}

fn words(rest: &[OsString]) -> Vec<String> {
    rest.iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect()
}

fn alone(name: &str, rest: &[OsString], task: Task) -> Result<Task, String> {
    match rest.first() {
        None => Ok(task),
        Some(extra) => Err(format!(
            "`{name}` takes no arguments, but got `{}`",
            extra.to_string_lossy()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Task, String> {
        Task::parse(arguments.iter().map(OsString::from))
    }

    #[test]
    fn arguments_after_demo_are_passed_on() {
        assert_eq!(
            parse(&["demo", "--loop", "builtin"]),
            Ok(Task::Demo(vec!["--loop".into(), "builtin".into()]))
        );
        // Also `--help`, which is then the example's.
        assert_eq!(
            parse(&["demo", "--help"]),
            Ok(Task::Demo(vec!["--help".into()]))
        );
    }

    #[test]
    fn commands_without_arguments_refuse_them() {
        assert_eq!(parse(&["setup"]), Ok(Task::Setup));
        assert_eq!(parse(&["ci"]), Ok(Task::Ci));
        let message = parse(&["ci", "--fast"]).unwrap_err();
        assert!(message.contains("--fast"), "{message}");
    }

    #[test]
    fn a_wrong_command_is_named_with_the_help() {
        let message = parse(&["tset"]).unwrap_err();
        assert!(message.contains("`tset`"), "{message}");
        assert!(message.contains("cargo xtask COMMAND"), "{message}");
        assert!(parse(&[]).unwrap_err().contains("missing"));
    }

    #[test]
    fn help_names_every_command() {
        for word in [
            "setup",
            "demo",
            "test",
            "conformance",
            "bench",
            "charts",
            "scaling",
            "instructions",
            "valgrind",
            "soak",
            "ci",
            "help",
        ] {
            assert!(
                HELP.lines().any(|line| line.trim_start().starts_with(word)),
                "{word}"
            );
        }
        assert_eq!(parse(&["--help"]), Ok(Task::Help));
    }
}
