//! A child that is forked while a thread of its parent registers a loop
//! (contract X3): it must not wait for a thread that it does not have.

#![expect(unsafe_code, reason = "fork and _exit have no safe wrapper")]

use std::ffi::c_int;
use std::sync::{Barrier, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use virt_event::Error;
use virt_event_loop::EventLoop;

unsafe extern "C" {
    fn fork() -> c_int;
    safe fn _exit(status: c_int) -> !;
}

#[test]
fn the_child_does_not_wait_for_the_parents_registration() {
    let (inside, release) = (Barrier::new(2), Barrier::new(2));
    thread::scope(|scope| {
        let registering = scope.spawn(|| {
            virt_event::register_foreign_with(|| {
                inside.wait();
                release.wait();
                Ok::<(), Error>(())
            })
        });
        inside.wait();
        // SAFETY: the child allocates a little, calls what is tested, and
        // leaves by `_exit`.
        let child = match unsafe { fork() } {
            0 => {
                let refused = EventLoop::install().is_err() && virt_event::installed().is_none();
                _exit(c_int::from(!refused));
            }
            child => Pid::from_raw(child).expect("fork succeeds"),
        };
        let status = wait(child);
        release.wait();
        registering.join().unwrap().unwrap();
        assert_eq!(status, Some(0), "it hung, or was not refused");
    });
}

/// The exit status of a child; `None` if it did not end in time.
fn wait(child: Pid) -> Option<i32> {
    let (sender, ended) = mpsc::channel();
    let waiter = thread::spawn(move || {
        let status = waitpid(Some(child), WaitOptions::empty());
        let _ = sender.send(());
        status
    });
    let began = Instant::now();
    let in_time = ended.recv_timeout(Duration::from_secs(20)).is_ok();
    if !in_time {
        kill_process(child, Signal::KILL).expect("it is not reaped yet");
    }
    let status = waiter.join().unwrap().unwrap();
    assert!(in_time, "hung for {:?}", began.elapsed());
    status.and_then(|(_, status)| status.exit_status())
}
