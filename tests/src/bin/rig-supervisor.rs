//! Keeps a daemon and its guests from outliving the test that uses them. The
//! fixture in `virt_event_tests::rig` starts it.

use std::process::ExitCode;

fn main() -> ExitCode {
    virt_event_tests::rig::supervise()
}
