//! The cases as tests that `cargo test` and nextest understand.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::cases::cases;
use crate::{Implementation, Limits, Mutant, Outcome, child_main, run_case, run_mutant};

/// Generates the `main` of a test target (`harness = false`) that puts an
/// implementation through every case, one test and one child process each.
///
/// The arguments are a name and a [`Factory`](crate::Factory); the
/// [crate's documentation](crate#how-to-take-it) has an example. Filters, `--list` and
/// the other options of the usual harness work, and so does nextest. A case
/// that needs a capability which the subject does not claim is reported as
/// ignored, with the reason.
#[macro_export]
macro_rules! conformance_main {
    ($name:expr, $factory:expr $(,)?) => {
        fn main() -> ::std::process::ExitCode {
            $crate::harness_main($crate::Implementation {
                name: $name,
                factory: $factory,
            })
        }
    };
}

/// What [`conformance_main!`](crate::conformance_main) calls.
pub fn harness_main(implementation: Implementation) -> ExitCode {
    child_main(&[implementation]);
    let arguments = Arguments::from_args();
    libtest_mimic::run(&arguments, trials(implementation)).exit_code()
}

/// One test for each case, for a `main` that has other tests beside them. The
/// program must call [`child_main`] first.
pub fn trials(implementation: Implementation) -> Vec<Trial> {
    cases()
        .map(|case| {
            Trial::ignorable_test(case.name, move || {
                verdict(run_case(&implementation, case, Limits::STRICT))
            })
        })
        .collect()
}

/// One test for each mutant that is made out of an implementation: it must
/// fail its case. The implementation itself ought to be right. The program must
/// call [`child_main`] first.
pub fn mutant_trials(implementation: Implementation) -> Vec<Trial> {
    cases()
        .filter_map(|case| match case.mutant {
            Mutant::Broken { fault, .. } => Some((case, fault)),
            Mutant::Impossible(_) => None,
        })
        .map(|(case, fault)| {
            Trial::ignorable_test(format!("mutant::{}", case.name), move || {
                match run_mutant(&implementation, case, Limits::DOOMED) {
                    None | Some(Outcome::Fail(_) | Outcome::Hang) => Ok(Completion::Completed),
                    Some(Outcome::NotApplicable(reason)) => Ok(Completion::ignored_with(reason)),
                    Some(outcome) => {
                        Err(format!("it survives ({outcome}) although {fault}").into())
                    }
                }
            })
        })
        .collect()
}

fn verdict(outcome: Outcome) -> Result<Completion, Failed> {
    match outcome {
        Outcome::Pass => Ok(Completion::Completed),
        Outcome::NotApplicable(reason) => Ok(Completion::ignored_with(reason)),
        Outcome::Hang => Err(format!("it was not over after {:?}", Limits::STRICT.deadline).into()),
        Outcome::Fail(_) | Outcome::Unstable(_) => Err(outcome.to_string().into()),
    }
}
