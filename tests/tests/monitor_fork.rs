//! A child that was forked and drops what came from a monitor leaves its parent
//! alone (contract X3).

#![expect(unsafe_code, reason = "fork and _exit have no safe wrapper")]

use std::ffi::c_int;
use std::sync::mpsc::channel;

use rustix::process::{Pid, WaitOptions, waitpid};
use virt::connect::Connect;
use virt_event_monitor::domain::{Lifecycle, Reboot};
use virt_event_monitor::{Error, Monitor};
use virt_event_tests::rig::{Daemon, patience, wait_until};
use virt_event_tests::running_loop;

unsafe extern "C" {
    fn fork() -> c_int;
    safe fn _exit(status: c_int) -> !;
}

/// Runs `body` in a child, which has to end with status 0.
fn in_child(body: impl FnOnce() -> bool) {
    // SAFETY: the child allocates and drops, but takes no lock that another
    // thread may have held, which is what is tested; the allocator of the C
    // library works after a fork.
    match unsafe { fork() } {
        0 => _exit(c_int::from(!body())),
        pid => {
            let pid = Pid::from_raw(pid).expect("a child");
            let mut status = None;
            wait_until("the child ends", || {
                status = waitpid(Some(pid), WaitOptions::NOHANG).expect("our child");
                status.is_some()
            })
            .unwrap();
            let status = status.expect("it has ended").1;
            assert_eq!(status.exit_status(), Some(0), "{status:?}");
        }
    }
}

#[test]
fn what_a_child_drops_is_still_the_parents() -> Result<(), Box<dyn std::error::Error>> {
    running_loop::ensure();
    let daemon = Daemon::start()?;
    let connection = Connect::open(Some(&daemon.test_uri()))?;
    let domain = connection.lookup_domain_by_name("test")?;
    let monitor = Monitor::new(&connection)?;
    let (sender, heard) = channel();
    let subscription = monitor
        .subscribe::<Lifecycle>()
        .callback(move |_| sender.send(()).unwrap())?;
    let other = monitor.subscribe::<Reboot>().callback(|_| {})?;
    let events = monitor.lifecycle()?;
    let waiting = monitor.on_close(|_| {});
    let closed = monitor.closed();
    domain.suspend()?;
    heard.recv_timeout(patience())?;

    // One value is dropped here and in the child, each its own copy.
    let mut all = Some((subscription, other, events, waiting, closed));
    in_child(|| {
        let refused = monitor.subscribe::<Reboot>().callback(|_| {});
        drop(all.take());
        matches!(refused, Err(Error::Forked))
    });
    let mut whole = Some(monitor);
    in_child(|| {
        drop(all.take());
        drop(whole.take());
        true
    });

    assert_eq!(whole.as_ref().and_then(Monitor::close_reason), None);
    domain.resume()?;
    heard.recv_timeout(patience())?;
    Ok(())
}
