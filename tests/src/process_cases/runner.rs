//! One child process for each case, and one for each mutant.

use std::env;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{self, Command};
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;
use rustix::process::{
    Pid, Resource, Rlimit, Signal, getppid, kill_process_group, set_parent_process_death_signal,
    setrlimit,
};
use virt_event_conformance::fixtures::pipe;

use super::{Mutant, ProcessCase, Real, case, cases};
use crate::slower::slower;

/// Names what a child is to do: `PARENT right|broken CASE`.
const TASK: &str = "VIRT_EVENT_PROCESS_CASE";

/// What a child prints last, before it exits with 0.
const PASSED: &str = "process case: passed";

/// Begins a line of a child's that is shown although its case passes.
const FIGURE: &str = "figure: ";

/// The status of a child whose case has failed.
const FAILED: i32 = 101;

/// The status of a child that did not get to its case.
const NOT_RUN: i32 = 2;

/// A case takes milliseconds; a busy machine may multiply that.
const DEADLINE: Duration = Duration::from_secs(60);

/// A mutant may hang as its way to fail.
const MUTANT_DEADLINE: Duration = Duration::from_secs(15);

/// How a case went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The installer keeps the clause.
    Pass,
    /// It does not; what the child wrote, and how it ended.
    Fail(String),
    /// The deadline came first; what the child had written by then.
    Hang(String),
    /// It could not be put to it, which proves nothing; the reason.
    NotRun(String),
}

/// Takes one case and exits, if this process was started to do that; returns
/// otherwise. First of all in `main`.
pub fn child_main() {
    take_task(|name, broken| {
        let case = case(name)?;
        Some(move || match case.mutant {
            Mutant::Broken { installer, .. } if broken => (case.run)(installer),
            _ => (case.run)(&Real),
        })
    });
}

/// As [`child_main`], for other cases: `find` gets a name, and whether the
/// broken one is wanted. A case fails by a panic.
pub fn take_task<R: FnOnce()>(find: impl FnOnce(&str, bool) -> Option<R>) {
    let Ok(task) = env::var(TASK) else { return };
    let mut words = task.split(' ');
    let parent = words.next().and_then(|word| word.parse::<i32>().ok());
    let broken = words.next() == Some("broken");
    let Some(run) = words.next().and_then(|name| find(name, broken)) else {
        eprintln!("cannot carry out {TASK}={task}");
        process::exit(NOT_RUN);
    };
    isolate(parent);
    if catch_unwind(AssertUnwindSafe(run)).is_err() {
        process::exit(FAILED);
    }
    println!("{PASSED}");
    process::exit(0);
}

/// Prints what a case has measured. Other output is shown only if it fails.
pub fn figure(text: &str) {
    println!("{FIGURE}{text}");
}

/// The tests: each case, and for each case that its mutant fails it.
pub fn trials() -> Vec<Trial> {
    cases()
        .flat_map(|case| [Some(right(case.name)), mutant(case)])
        .flatten()
        .collect()
}

/// The test that this case passes.
pub fn right(name: impl Into<String>) -> Trial {
    right_within(name, DEADLINE)
}

/// The same for a case that takes longer.
pub fn right_within(name: impl Into<String>, deadline: Duration) -> Trial {
    let name = name.into();
    Trial::test(name.clone(), move || match run(&name, false, deadline) {
        Outcome::Pass => Ok(()),
        Outcome::Fail(said) | Outcome::NotRun(said) => Err(Failed::from(said)),
        Outcome::Hang(said) => Err(Failed::from(format!(
            "it was not over after {deadline:?}\n{said}"
        ))),
    })
}

/// The test that the mutant of this case, which `fault`, fails it.
pub fn wrong(name: impl Into<String>, fault: &'static str) -> Trial {
    let name = name.into();
    let title = format!("mutant_of::{name}");
    Trial::test(title, move || match run(&name, true, MUTANT_DEADLINE) {
        Outcome::Fail(_) | Outcome::Hang(_) => Ok(()),
        outcome => Err(Failed::from(format!(
            "not caught: one that {fault}: {outcome:?}"
        ))),
    })
}

fn mutant(case: &'static ProcessCase) -> Option<Trial> {
    match case.mutant {
        Mutant::Broken { fault, .. } => Some(wrong(case.name, fault)),
        Mutant::Impossible(_) => None,
    }
}

fn run(name: &str, broken: bool, deadline: Duration) -> Outcome {
    let kind = if broken { "broken" } else { "right" };
    let task = format!("{} {kind} {name}", process::id());
    match run_child(&task, deadline) {
        Ok(outcome) => outcome,
        Err(error) => Outcome::NotRun(format!("the child process could not be run: {error}")),
    }
}

fn run_child(task: &str, deadline: Duration) -> std::io::Result<Outcome> {
    use std::os::unix::process::CommandExt;

    // A file instead of a pipe: nothing needs to read while the child runs.
    let mut said = File::from(memfd_create("output", MemfdFlags::CLOEXEC)?);
    // The child holds the other end, as its standard input, until it ends. (A
    // pidfd would say the same, but valgrind does not know that.)
    let (end, held) = pipe();
    let mut child = Command::new(env::current_exe()?)
        .env(TASK, task)
        // Finding the lines of every mutant's panic takes longer than the rest.
        .env("RUST_BACKTRACE", "0")
        .stdin(held)
        .stdout(said.try_clone()?)
        .stderr(said.try_clone()?)
        .process_group(0)
        .spawn()?;
    let in_time = is_closed_within(&end, deadline * slower());
    // The child is not reaped yet, so its number names no other group. An
    // error means that the group is gone.
    let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
    let status = child.wait()?;
    let in_time = in_time?;
    let mut text = String::new();
    said.rewind()?;
    said.read_to_string(&mut text)?;
    if !in_time {
        return Ok(Outcome::Hang(text));
    }
    if status.success() && text.lines().last() == Some(PASSED) {
        let name = task.rsplit(' ').next().unwrap_or_default();
        for figure in text.lines().filter_map(|line| line.strip_prefix(FIGURE)) {
            println!("{name}: {figure}");
        }
        return Ok(Outcome::Pass);
    }
    let said = format!("{}\n{status}", text.trim_end());
    // Other ends than a failed check or a signal are not the case's doing.
    match status.code() {
        None | Some(FAILED) => Ok(Outcome::Fail(said)),
        Some(_) => Ok(Outcome::NotRun(said)),
    }
}

fn is_closed_within(end: &OwnedFd, deadline: Duration) -> std::io::Result<bool> {
    let began = std::time::Instant::now();
    loop {
        let left = deadline.saturating_sub(began.elapsed());
        let left = Timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: left.subsec_nanos().into(),
        };
        match poll(&mut [PollFd::new(end, PollFlags::IN)], Some(&left)) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The child dies with its parent and leaves no core file.
fn isolate(parent: Option<i32>) {
    set_parent_process_death_signal(Some(Signal::KILL)).expect("PR_SET_PDEATHSIG");
    if getppid().map(|pid| pid.as_raw_nonzero().get()) != parent {
        // The parent died before that.
        process::exit(NOT_RUN);
    }
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none).expect("RLIMIT_CORE");
}
