//! Putting everything through the exam at once.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use virt_event_conformance::{Case, Limits, Mutant, Outcome, run_attempts, run_mutant};

use crate::expected::{gap, judge};
use crate::implementations::{BUILTIN, Examined, Standing};
use crate::slower::slower;

/// How often a peer takes each case, to find out what is unstable.
const PEER_ATTEMPTS: usize = 2;

/// Puts one implementation through one case, as often and as patiently as its
/// standing calls for.
///
/// # Errors
///
/// - The outcome is not what is expected, in words.
pub fn examine(examined: &Examined, case: &Case) -> (Outcome, Result<&'static str, String>) {
    let limits = match gap(examined.implementation.name, case.name) {
        None => Limits {
            patience: Limits::STRICT.patience * slower(),
            deadline: Limits::STRICT.deadline * slower(),
        },
        Some(_) => Limits::DOOMED,
    };
    let attempts = match examined.standing {
        Standing::Own => 1,
        Standing::Peer => PEER_ATTEMPTS,
    };
    let outcome = run_attempts(&examined.implementation, case, limits, attempts);
    let judged = judge(examined, case, &outcome);
    (outcome, judged)
}

/// Puts the mutant of a case through it.
///
/// # Errors
///
/// - It was not caught, in words.
pub fn try_mutant(case: &Case) -> Result<String, String> {
    let Mutant::Broken { fault, .. } = case.mutant else {
        return Ok(String::new());
    };
    match run_mutant(&BUILTIN, case, Limits::DOOMED) {
        Some(outcome) if outcome.is_caught() => Ok(outcome.to_string()),
        Some(outcome) => Err(format!("it survives ({outcome}) although {fault}")),
        None => Err("the mutant was not made".to_owned()),
    }
}

/// Runs jobs on this many threads for each processor. The results are in the
/// order of the jobs.
pub fn in_parallel<T: Send>(
    threads: usize,
    jobs: usize,
    job: impl Fn(usize) -> T + Sync,
) -> Vec<T> {
    let threads = threads * thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let next = AtomicUsize::new(0);
    let results: Vec<Mutex<Option<T>>> = (0..jobs).map(|_| Mutex::new(None)).collect();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(result) = results.get(at) else { break };
                    *result.lock().expect("a job that does not panic") = Some(job(at));
                }
            });
        }
    });
    results
        .into_iter()
        .map(|result| {
            result
                .into_inner()
                .ok()
                .flatten()
                .expect("every job was done")
        })
        .collect()
}
