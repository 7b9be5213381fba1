//! The cases of the host loops: what they promise beside the exam of
//! [`crate::implementations`].
//!
//! Each case is put to every [`Host`], in a process of its own: some change
//! what is registered with libvirt, some fork, and a loop that loses a wake-up
//! hangs. It is put as well to [`Bare`], a host made for this purpose, once as
//! it should be, and once with each of the faults that the case names: with
//! those it must fail.
//!
//! | cases | file |
//! |---|---|
//! | the reactor and the program's own sources both have their turn | `fairness.rs` |
//! | attached before and after libvirt got the reactor | `installing.rs` |
//! | one host after the other, and the same one again | `handover.rs` |
//! | the host loop is dropped while everything is alive | `dropped.rs` |
//! | the six calls, from threads that know nothing of the host | `six_calls.rs` |
//! | a call while the host sleeps, many times | `asleep.rs` |
//! | a forked child drops the host loop | `forking.rs` |
//! | drains beside a host, and after it | `draining.rs` |
//! | callbacks that panic | `panicking.rs` |

mod asleep;
mod bare;
mod bell;
mod connection;
mod draining;
mod dropped;
mod fairness;
mod forked;
mod forking;
mod handover;
mod host;
mod hosts;
mod installing;
mod panicking;
mod running;
mod six_calls;
mod tally;

use std::time::Duration;

use libtest_mimic::Trial;
use virt_event_conformance::fixtures::set_patience;
use virt_event_examples::host_loop::LoopKind;

pub use self::bare::{Bare, Fault};
pub use self::host::{Detach, Host, Own, Panics, Program};
use crate::process_cases::runner;
use crate::slower::slower;

/// How long a case waits for something that must happen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// The same for a broken host, of which nothing is expected.
const IMPATIENCE: Duration = Duration::from_millis(500);

/// One question about a host loop.
pub struct HostCase {
    /// Begins with the id of the contract's clause, if there is one for it.
    pub name: &'static str,
    /// Panics if the host fails. Expects a fresh process, of one thread.
    pub run: fn(&'static dyn Host),
    /// The proofs that it can fail: [`Bare`] with any of these must.
    pub faults: &'static [Fault],
}

/// All cases.
pub fn cases() -> impl Iterator<Item = &'static HostCase> {
    TABLES.iter().copied().flatten()
}

const TABLES: &[&[HostCase]] = &[
    fairness::CASES,
    installing::CASES,
    handover::CASES,
    dropped::CASES,
    six_calls::CASES,
    asleep::CASES,
    forking::CASES,
    draining::CASES,
    panicking::CASES,
];

/// `host_case!(function, faults…)`.
macro_rules! host_case {
    ($run:ident, $($fault:ident),+) => {
        $crate::host_cases::HostCase {
            name: stringify!($run),
            run: $run,
            faults: &[$($crate::host_cases::Fault::$fault),+],
        }
    };
}
use host_case;

/// The hosts that must pass: the five, and the one that the mutants are made
/// of, because a mutant of something broken would prove nothing.
fn hosts() -> impl Iterator<Item = &'static dyn Host> {
    let five = LoopKind::ALL.iter().map(|kind| kind as &dyn Host);
    five.chain([&Bare::RIGHT as &dyn Host])
}

/// Takes one case and exits, if this process was started to do that; returns
/// otherwise. First of all in `main`.
pub fn child_main() {
    runner::take_task(|name, broken| {
        let (case, host) = name.split_once("::")?;
        let case = cases().find(|known| known.name == case)?;
        let host: &'static dyn Host = if broken {
            set_patience(IMPATIENCE);
            Bare::broken(case.faults.iter().copied().find(|it| it.name() == host)?)
        } else {
            set_patience(PATIENCE * slower());
            hosts().find(|known| known.name() == host)?
        };
        Some(move || (case.run)(host))
    });
}

/// The tests: each case on each host, and that each of its mutants fails it.
pub fn trials() -> Vec<Trial> {
    cases()
        .flat_map(|case| {
            let right =
                hosts().map(|host| runner::right(format!("{}::{}", case.name, host.name())));
            let wrong = case.faults.iter().map(|fault| {
                runner::wrong(format!("{}::{}", case.name, fault.name()), fault.what())
            });
            right.chain(wrong).collect::<Vec<_>>()
        })
        .collect()
}
