//! The exam: every case for every implementation of ours, every case for the
//! peers against the list of what they do, and every mutant.

use std::process::ExitCode;
use std::thread;

use libtest_mimic::{Arguments, Completion, Trial};
use virt_event_conformance::cases::cases;
use virt_event_conformance::{Case, Mutant, Outcome, child_main};
use virt_event_tests::exam::{examine, try_mutant};
use virt_event_tests::implementations::{EXAMINED, Examined, implementations};

fn main() -> ExitCode {
    child_main(&implementations());
    let mut arguments = Arguments::from_args();
    // Much of the time goes into waiting for what does not happen.
    let processors = thread::available_parallelism().map_or(1, usize::from);
    arguments.test_threads.get_or_insert(2 * processors);
    let mut trials = Vec::new();
    for examined in EXAMINED {
        trials.extend(cases().map(|case| trial(examined, case)));
    }
    trials.extend(cases().filter_map(mutant_trial));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(examined: &'static Examined, case: &'static Case) -> Trial {
    let name = format!("{}::{}", examined.implementation.name, case.name);
    Trial::ignorable_test(name, move || {
        let (outcome, judged) = examine(examined, case);
        judged?;
        Ok(match outcome {
            Outcome::NotApplicable(reason) => Completion::ignored_with(reason),
            _ => Completion::Completed,
        })
    })
}

fn mutant_trial(case: &'static Case) -> Option<Trial> {
    let Mutant::Broken { .. } = case.mutant else {
        return None;
    };
    Some(Trial::test(format!("mutant::{}", case.name), move || {
        try_mutant(case)?;
        Ok(())
    }))
}
