//! The cases of the host loops, each on each of them and in a process of its
//! own, and for each the proof that it can fail.

use std::process::ExitCode;
use std::thread;

use virt_event_tests::host_cases;

fn main() -> ExitCode {
    host_cases::child_main();
    let mut arguments = libtest_mimic::Arguments::from_args();
    // About half of the time is spent waiting for mutants to do nothing.
    let processors = thread::available_parallelism().map_or(1, usize::from);
    arguments.test_threads.get_or_insert(2 * processors);
    libtest_mimic::run(&arguments, host_cases::trials()).exit_code()
}
