//! What a program does all the time, one thing after the other, so that
//! callgrind can count the instructions of each. Noise cannot touch these, and
//! `cargo xtask instructions` holds them against `budgets.txt`.
//!
//! Each [path] prepares itself, warms up, and calls [`counted`] once. The
//! instructions of that call, with all that it calls, are the path's. By itself
//! the program prints the paths and how many operations each has counted.
//!
//! Kernel time is not in these counts: `tests/tests/system_calls.rs` counts the
//! calls.

mod path;

use std::io::{self, Write};
use std::process::ExitCode;

use crate::path::PATHS;

fn main() -> ExitCode {
    let mut stdout = io::stdout().lock();
    for path in PATHS {
        let operations = (path.run)();
        if writeln!(stdout, "{} {operations}", path.name).is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Does `act` so many times. Callgrind tells the calls of this function apart
/// by who made them, which is a path.
#[inline(never)]
fn counted(times: u64, act: &mut dyn FnMut()) {
    for _ in 0..times {
        act();
    }
}
