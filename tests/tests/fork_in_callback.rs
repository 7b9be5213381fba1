//! A callback that forks, and whose child returns from it (contract X3): the
//! child's turn fails there and then, and the parent misses nothing.

#![expect(unsafe_code, reason = "fork and _exit have no safe wrapper")]

use std::ffi::c_int;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, WaitOptions, waitpid};
use virt_event::{EventImpl, HandleCallback, HandleEvents, Period, TimeoutCallback};
use virt_event_conformance::fixtures::eventfd;
use virt_event_reactor::{Reactor, TurnError};

unsafe extern "C" {
    fn fork() -> c_int;
    safe fn _exit(status: c_int) -> !;
}

/// Does nothing but count that it was freed, and may bring about another free.
struct Freed {
    count: Arc<AtomicUsize>,
    then: Option<(Arc<Reactor>, Box<Freed>)>,
}

impl Drop for Freed {
    fn drop(&mut self) {
        self.count.fetch_add(1, Ordering::SeqCst);
        if let Some((reactor, next)) = self.then.take() {
            remove_one(&reactor, *next);
        }
    }
}

/// Leaves a callback with the loop that is to be freed.
fn remove_one(reactor: &Reactor, freed: Freed) {
    let callback = TimeoutCallback::with_state(freed, |_, _| {});
    let timer = reactor.add_timeout(Period::DISABLED, callback).unwrap();
    reactor.remove_timeout(timer).unwrap();
}

#[test]
fn the_child_stops_and_the_parent_misses_nothing() {
    let reactor = Reactor::new().unwrap();
    let child = Arc::new(AtomicBool::new(false));
    let calls = Arc::new(AtomicUsize::new(0));
    let frees = Arc::new(AtomicUsize::new(0));

    let descriptors = [eventfd(), eventfd()];
    for (index, fd) in descriptors.iter().enumerate() {
        fd.kick();
        let (child, calls) = (Arc::clone(&child), Arc::clone(&calls));
        let source = fd.duplicate();
        let callback = HandleCallback::new(move |_, _, _| {
            calls.fetch_add(1, Ordering::SeqCst);
            source.take();
            if index == 0 {
                // SAFETY: the child does nothing but return from here and leave
                // by `_exit`.
                match unsafe { fork() } {
                    0 => child.store(true, Ordering::SeqCst),
                    pid => {
                        let pid = Pid::from_raw(pid).expect("fork succeeds");
                        let (_, status) = waitpid(Some(pid), WaitOptions::empty())
                            .unwrap()
                            .expect("it waits until the child has ended");
                        assert_eq!(status.exit_status(), Some(0), "see the table below");
                    }
                }
            }
        });
        reactor
            .add_handle(fd.as_raw_fd(), HandleEvents::READABLE, callback)
            .unwrap();
    }
    // Two frees, the second of which is due only after the iteration that does
    // the first: a child that took the wake-up would leave it undone.
    let count = Arc::clone(&frees);
    let second = Box::new(Freed { count, then: None });
    let first = Freed {
        count: Arc::clone(&frees),
        then: Some((Arc::clone(&reactor), second)),
    };
    remove_one(&reactor, first);

    let (calls_before, result) = (calls.load(Ordering::SeqCst), reactor.turn(None));
    if child.load(Ordering::SeqCst) {
        let stopped = matches!(result, Err(TurnError::Forked));
        let calls = calls.load(Ordering::SeqCst) - calls_before;
        let frees = frees.load(Ordering::SeqCst);
        _exit(match (stopped, calls, frees) {
            (false, ..) => 1, // its turn went on
            (_, 3.., _) => 2, // it called another callback
            (.., 1..) => 3,   // it freed the parent's callbacks
            _ => 0,
        });
    }
    let _ = result.unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 2);

    while frees.load(Ordering::SeqCst) < 2 {
        let mut fds = [PollFd::new(&reactor, PollFlags::IN)];
        let limit = Duration::from_secs(20).try_into().unwrap();
        let woken = poll(&mut fds, Some(&limit)).unwrap();
        assert_eq!(woken, 1, "a free is due and the reactor is not readable");
        let _ = reactor.turn(Some(Duration::ZERO)).unwrap();
    }
}
