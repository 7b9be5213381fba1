//! A forked child that runs part of a case.

#![expect(unsafe_code, reason = "fork and _exit have no safe wrapper")]

use std::any::Any;
use std::ffi::c_int;
use std::fs::File;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, waitpid};

use crate::fixtures::{patience, pipe};

unsafe extern "C" {
    fn fork() -> c_int;
    safe fn _exit(status: c_int) -> !;
}

/// Forks, runs `body` in the child, and waits for the child to end.
///
/// The caller must be the only thread of the process. The child ends without
/// running destructors, so that nothing of the parent's is freed in it by the
/// test itself.
///
/// # Panics
///
/// - If `body` panics, with its message, or if the child does not end.
pub(super) fn in_child(body: impl FnOnce()) {
    let (reader, writer) = pipe();
    // SAFETY: the caller is the only thread, so that the child may do what the
    // parent may.
    match unsafe { fork() } {
        ..0 => panic!("fork: {}", std::io::Error::last_os_error()),
        0 => {
            let Err(panic) = catch_unwind(AssertUnwindSafe(body)) else {
                _exit(0);
            };
            // A pipe has room for it, and a child has nobody to tell of an error.
            let _ = rustix::io::write(&writer, message(&*panic).as_bytes());
            _exit(1);
        }
        child => {
            drop(writer);
            let status = wait_for(Pid::from_raw(child).expect("it is positive"));
            let mut text = String::new();
            // The child is gone, so that this ends.
            File::from(reader)
                .read_to_string(&mut text)
                .expect("read from a pipe");
            assert!(text.is_empty(), "in the child: {text}");
            assert_eq!(status.exit_status(), Some(0), "the child's {status:?}");
        }
    }
}

fn wait_for(child: Pid) -> WaitStatus {
    let began = Instant::now();
    loop {
        match waitpid(Some(child), WaitOptions::NOHANG).expect("waitpid") {
            Some((_, status)) => return status,
            None if began.elapsed() < patience() => {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            None => break,
        }
    }
    kill_process(child, Signal::KILL).expect("the child is not reaped yet");
    waitpid(Some(child), WaitOptions::empty()).expect("waitpid");
    panic!("a child hung after fork");
}

fn message(panic: &(dyn Any + Send)) -> &str {
    if let Some(text) = panic.downcast_ref::<&str>() {
        text
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text
    } else {
        "a panic without a message"
    }
}
