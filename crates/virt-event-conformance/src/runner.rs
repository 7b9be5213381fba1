//! The parent's side: one child process for each case.

use std::env;
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use crate::child::{NOT_APPLICABLE, PASSED, task_variable};
use crate::process::{self, Finished};
use crate::{Case, Factory, Mutant};

/// One implementation, by name.
#[derive(Clone, Copy, Debug)]
pub struct Implementation {
    /// How the table calls it.
    pub name: &'static str,
    /// Makes a subject of it.
    pub factory: Factory,
}

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a case waits for one thing that must happen.
    pub patience: Duration,
    /// After how long the child is killed: a [`Outcome::Hang`].
    pub deadline: Duration,
}

impl Limits {
    /// For an implementation that is expected to pass: a busy machine must not
    /// fail it.
    pub const STRICT: Self = Self {
        patience: Duration::from_secs(10),
        deadline: Duration::from_secs(40),
    };

    /// For a case that is known to fail, and for mutants: nothing is gained by
    /// waiting.
    pub const DOOMED: Self = Self {
        patience: Duration::from_millis(400),
        deadline: Duration::from_secs(8),
    };
}

/// How a case went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It behaves as the contract says.
    Pass,
    /// It does not; the message of the failed check, or how the process ended.
    Fail(String),
    /// The deadline came first.
    Hang,
    /// The case needs what the subject has not; the reason.
    NotApplicable(String),
    /// Several attempts differed.
    Unstable(Vec<Outcome>),
}

impl Outcome {
    /// The outcome in a word, as in the table.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail(_) => "fail",
            Self::Hang => "hang",
            Self::NotApplicable(_) => "n/a",
            Self::Unstable(_) => "unstable",
        }
    }

    /// Whether a mutant with this outcome was caught.
    pub fn is_caught(&self) -> bool {
        matches!(self, Self::Fail(_) | Self::Hang)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self {
            Self::Pass | Self::Hang => Ok(()),
            Self::Fail(message) | Self::NotApplicable(message) => write!(f, ": {message}"),
            Self::Unstable(attempts) => {
                for attempt in attempts {
                    write!(f, "; {attempt}")?;
                }
                Ok(())
            }
        }
    }
}

/// Puts an implementation through a case, in a child process.
///
/// The calling thread must live until this returns, which it does unless it is
/// killed: the child dies with it.
pub fn run_case(implementation: &Implementation, case: &Case, limits: Limits) -> Outcome {
    run(implementation, case, false, limits)
}

/// Puts the mutant of a case, made out of an implementation, through the case.
/// `None` if no mutant can exist.
pub fn run_mutant(implementation: &Implementation, case: &Case, limits: Limits) -> Option<Outcome> {
    match case.mutant {
        Mutant::Broken { .. } => Some(run(implementation, case, true, limits)),
        Mutant::Impossible(_) => None,
    }
}

/// As [`run_case`], several times; [`Outcome::Unstable`] if the attempts
/// differ in more than their messages.
pub fn run_attempts(
    implementation: &Implementation,
    case: &Case,
    limits: Limits,
    attempts: usize,
) -> Outcome {
    let mut outcomes = Vec::new();
    for _ in 0..attempts.max(1) {
        let outcome = run_case(implementation, case, limits);
        let settled = matches!(outcome, Outcome::NotApplicable(_));
        outcomes.push(outcome);
        if settled {
            break;
        }
    }
    if outcomes.iter().all(|it| it.word() == outcomes[0].word()) {
        outcomes.swap_remove(0)
    } else {
        Outcome::Unstable(outcomes)
    }
}

fn run(implementation: &Implementation, case: &Case, broken: bool, limits: Limits) -> Outcome {
    let finished = env::current_exe().and_then(|program| {
        let mut command = Command::new(program);
        let (name, task) = task_variable(implementation, case, broken, limits);
        command.env(name, task);
        // The message says which check has failed. To find the lines of all
        // its callers takes longer than the case, and may end as a hang.
        command.env("RUST_BACKTRACE", "0");
        process::run(command, limits.deadline)
    });
    match finished {
        Ok(finished) => outcome(finished),
        Err(error) => Outcome::Fail(format!("the child process could not be run: {error}")),
    }
}

fn outcome(finished: Finished) -> Outcome {
    let Some(status) = finished.status else {
        return Outcome::Hang;
    };
    let last = finished.stdout.lines().last().unwrap_or_default();
    if status.success() && last == PASSED {
        return Outcome::Pass;
    }
    if let (true, Some(reason)) = (status.success(), last.strip_prefix(NOT_APPLICABLE)) {
        return Outcome::NotApplicable(reason.to_owned());
    }
    // The panic hook says where, and what; without it there is what.
    let said = match finished.stderr.trim() {
        "" => finished.stdout.trim(),
        said => said,
    };
    let ended = how_it_ended(status);
    Outcome::Fail(match (ended, said) {
        (None, "") => "the process exited before the case was over".to_owned(),
        (None, said) => said.to_owned(),
        (Some(ended), "") => ended,
        (Some(ended), said) => format!("{said}\n{ended}"),
    })
}

/// `None` for the exit of a failed check, which has said what is wrong.
fn how_it_ended(status: ExitStatus) -> Option<String> {
    if let Some(signal) = status.signal() {
        return Some(format!("killed by {}", signal_name(signal)));
    }
    match status.code() {
        Some(101) => None,
        Some(0) => Some("exited with status 0 before the case was over".to_owned()),
        _ => Some(status.to_string()),
    }
}

fn signal_name(signal: i32) -> String {
    use rustix::process::Signal;
    let names = [
        (Signal::ABORT, "SIGABRT"),
        (Signal::ALARM, "SIGALRM"),
        (Signal::BUS, "SIGBUS"),
        (Signal::FPE, "SIGFPE"),
        (Signal::ILL, "SIGILL"),
        (Signal::INT, "SIGINT"),
        (Signal::KILL, "SIGKILL"),
        (Signal::PIPE, "SIGPIPE"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::SYS, "SIGSYS"),
        (Signal::TERM, "SIGTERM"),
        (Signal::TRAP, "SIGTRAP"),
    ];
    names
        .iter()
        .find(|(known, _)| known.as_raw() == signal)
        .map_or_else(
            || format!("signal {signal}"),
            |(_, name)| (*name).to_owned(),
        )
}
