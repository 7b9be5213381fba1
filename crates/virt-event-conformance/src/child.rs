//! The child's side of the runner: takes one case and says how it went.

use std::any::Any;
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::time::Duration;

use rustix::process::{
    Resource, Rlimit, Signal, getppid, set_parent_process_death_signal, setrlimit,
};

use crate::cases::case;
use crate::fixtures::set_patience;
use crate::{Capabilities, Case, Config, Exam, Implementation, Limits, Mutant};

/// Names what a child is to do: `PARENT PATIENCE right|broken CASE IMPLEMENTATION`.
const TASK: &str = "VIRT_EVENT_CONFORMANCE_TASK";

/// What a child prints last, before it exits with 0.
pub(crate) const PASSED: &str = "conformance: passed";

/// What a child prints, followed by the reason, when the case does not apply.
pub(crate) const NOT_APPLICABLE: &str = "conformance: not applicable: ";

/// Takes one case and exits, if this process was started to do that; returns
/// otherwise.
///
/// A program that uses [`run_case`](crate::run_case) calls this first in
/// `main`, because the runner starts the program itself once more for each
/// case.
pub fn child_main(implementations: &[Implementation]) {
    let Ok(task) = env::var(TASK) else { return };
    let Some(task) = Task::parse(&task, implementations) else {
        eprintln!("cannot carry out {TASK}={task}");
        process::exit(2);
    };
    task.carry_out()
}

/// The variable that makes a child take a case.
pub(crate) fn task_variable(
    implementation: &Implementation,
    case: &Case,
    broken: bool,
    limits: Limits,
) -> (&'static str, String) {
    let kind = if broken { "broken" } else { "right" };
    let task = format!(
        "{} {} {kind} {} {}",
        process::id(),
        limits.patience.as_millis(),
        case.name,
        implementation.name
    );
    (TASK, task)
}

struct Task {
    parent: i32,
    patience: Duration,
    broken: bool,
    case: &'static Case,
    implementation: Implementation,
}

impl Task {
    fn parse(task: &str, implementations: &[Implementation]) -> Option<Self> {
        let mut words = task.splitn(5, ' ');
        let parent = words.next()?.parse().ok()?;
        let patience = Duration::from_millis(words.next()?.parse().ok()?);
        let broken = words.next()? == "broken";
        let case = case(words.next()?)?;
        let name = words.next()?;
        let implementation = *implementations.iter().find(|it| it.name == name)?;
        Some(Self {
            parent,
            patience,
            broken,
            case,
            implementation,
        })
    }

    fn carry_out(&self) -> ! {
        self.isolate();
        set_patience(self.patience);
        let config = Config {
            counted: self.case.needs.contains(Capabilities::COUNTED),
            ..(self.case.config)()
        };
        let factory = self.implementation.factory;
        let subject = match self.case.mutant {
            Mutant::Broken { make, .. } if self.broken => make(factory, &config),
            _ => factory(&config),
        };
        let missing = self.case.needs - subject.capabilities();
        if !missing.is_empty() {
            println!("{NOT_APPLICABLE}it has not {missing:?}");
            process::exit(0);
        }
        let exam = Exam::new(subject);
        // After a failure nothing is dropped: the subject may be in any state.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (self.case.run)(&exam))) {
            failed(&*panic);
        }
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| exam.finish())) {
            failed(&*panic);
        }
        println!("{PASSED}");
        process::exit(0);
    }

    /// The child dies with its parent and leaves no core file.
    fn isolate(&self) {
        set_parent_process_death_signal(Some(Signal::KILL)).expect("PR_SET_PDEATHSIG");
        if getppid().is_none_or(|parent| parent.as_raw_nonzero().get() != self.parent) {
            // The parent died before that.
            process::exit(2);
        }
        let none = Rlimit {
            current: Some(0),
            maximum: Some(0),
        };
        setrlimit(Resource::Core, none).expect("RLIMIT_CORE");
    }
}

/// Says what the panic said, for cases that silence the panic hook, and exits.
fn failed(panic: &(dyn Any + Send)) -> ! {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without a message");
    println!("{text}");
    process::exit(101);
}
