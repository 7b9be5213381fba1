//! Every kind of event that a real guest and a real daemon can produce: it is
//! caused, and what arrives is compared.
//!
//! A guest of ours is a boot sector, so the test is its operating system: it
//! sends [`Poke`](virt_event_tests::rig::Poke)s for the guest's hardware. Each
//! case has a daemon of its own and says which kinds it shows; the last case
//! compares that with the table in the monitor's documentation.

mod agent;
mod balloon;
mod blocks;
mod case;
mod clock;
mod control;
mod graphics;
mod life;
mod memory;
mod objects;
mod pci;
mod plugging;
mod scene;
mod sleep;
mod table;
mod virtio;

use std::process::ExitCode;
use std::thread;

use libtest_mimic::{Arguments, Trial};

use crate::case::Case;

/// All of them.
const CASES: &[Case] = &[
    life::CASE,
    sleep::CASE,
    clock::CASE,
    memory::MODULE,
    memory::DEVICE,
    memory::FAILURE,
    balloon::CASE,
    plugging::DISK,
    plugging::CDROM,
    blocks::JOBS,
    blocks::THRESHOLD,
    blocks::ERROR,
    graphics::CASE,
    agent::CASE,
    control::CASE,
    objects::POOLS,
    objects::NETWORKS,
    objects::SECRETS,
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Much of the time goes into waiting for daemons and guests to start.
    let processors = thread::available_parallelism().map_or(1, usize::from);
    arguments.test_threads.get_or_insert(2 * processors);
    let table = Trial::test("the_table_in_the_docs_says_who_shows_what", || {
        table::compare(CASES);
        Ok(())
    });
    let trials = CASES.iter().map(|case| {
        Trial::test(case.name, || {
            case.play();
            Ok(())
        })
    });
    libtest_mimic::run(&arguments, trials.chain([table]).collect()).exit_code()
}
