//! The whole stack on real hosts: a libvirtd, guests under QEMU, many
//! connections, and the failures that break such programs.
//!
//! Each scene is played on each loop that it names, in a process of its own,
//! since libvirt takes one loop for each process. `cargo xtask test` plays a
//! short form. The long form, with the counts that a release is judged by, is
//! behind `cargo xtask test --long`.

#[path = "../shared/census.rs"]
mod census;
mod client;
mod crowd;
mod embedded;
mod faults;
mod flow;
mod fork;
mod guests;
mod handover;
mod keepalive;
mod modal;
mod remote;
mod scene;
mod soak;
mod stage;

use std::process::ExitCode;
use std::thread;

use libtest_mimic::Arguments;
use virt_event_tests::process_cases::runner;

use crate::scene::Scene;

/// All of them.
const SCENES: &[&[Scene]] = &[
    remote::SCENES,
    keepalive::SCENES,
    crowd::SCENES,
    handover::SCENES,
    fork::SCENES,
    modal::SCENES,
    faults::SCENES,
    guests::SCENES,
    embedded::SCENES,
    soak::SCENES,
];

fn main() -> ExitCode {
    runner::take_task(|task, _| scene::find(SCENES, task));
    let mut arguments = Arguments::from_args();
    // Most of the time goes into waiting for hosts.
    let processors = thread::available_parallelism().map_or(1, usize::from);
    arguments.test_threads.get_or_insert(4 * processors);
    libtest_mimic::run(&arguments, scene::trials(SCENES)).exit_code()
}
