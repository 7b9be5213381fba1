//! A forked child: the one unsafe file here.

#![expect(unsafe_code, reason = "fork and _exit have no safe wrapper")]

use std::ffi::c_int;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::process::{Pid, WaitOptions, waitpid};

unsafe extern "C" {
    fn fork() -> c_int;
    safe fn _exit(status: c_int) -> !;
}

/// Forks, runs `body` in the child, which ends then without running
/// destructors, and waits for that. The runner ends a child that hangs, and
/// its parent.
///
/// The caller must be the only thread of the process.
///
/// # Panics
///
/// - If `body` panics.
pub(super) fn in_child(body: impl FnOnce()) {
    // SAFETY: the caller is the only thread, so that the child may do what the
    // parent may.
    let child = match unsafe { fork() } {
        ..0 => panic!("fork: {}", io::Error::last_os_error()),
        0 => match catch_unwind(AssertUnwindSafe(body)) {
            Ok(()) => _exit(0),
            Err(_) => _exit(1),
        },
        child => Pid::from_raw(child),
    };
    let (_, status) = waitpid(child, WaitOptions::empty())
        .expect("waitpid")
        .expect("it waits");
    assert_eq!(status.exit_status(), Some(0), "the child's {status:?}");
}
