//! X4: a process may end at any moment, whatever its loop is doing.
//!
//! Each test starts this program once more, many times, and looks at how it
//! ends: a destructor that runs too late would crash it or keep it from ending.

use std::env;
use std::mem;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::process::{self, Child, Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use virt_event::{Error, EventImpl, HandleCallback, HandleEvents, Period, TimeoutCallback};
use virt_event_loop::{EventLoop, Reactor};

/// Names the scene that a child plays.
const SCENE: &str = "VIRT_EVENT_EXIT_SCENE";

/// How the end of a scene is told from the end of a child that played none.
const PLAYED: i32 = 42;

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn x04_exit_while_a_loop_thread_turns() {
    play("x04_exit_while_a_loop_thread_turns", || {
        let busy = Busy::start(&Reactor::new().unwrap());
        busy.wait();
        process::exit(PLAYED)
    });
}

#[test]
fn x04_exit_with_an_installed_reactor() {
    play("x04_exit_with_an_installed_reactor", || {
        let reactor = Reactor::new().unwrap();
        virt_event::install_with(Arc::clone(&reactor), || Ok::<(), Error>(())).unwrap();
        let busy = Busy::start(&reactor);
        // A guard that nobody drops, and the last handle on the reactor but
        // the slot's and the loop's.
        mem::forget(virt_event::add_timeout(Period::millis(1), || {}).unwrap());
        drop(reactor);
        busy.wait();
        process::exit(PLAYED)
    });
}

#[test]
fn x04_exit_of_the_loops_own_thread() {
    play("x04_exit_of_the_loops_own_thread", || {
        let busy = Busy::start(&Reactor::new().unwrap());
        busy.wait();
        let end = TimeoutCallback::new(|_| process::exit(PLAYED));
        busy.reactor.add_timeout(Period::millis(1), end).unwrap();
        thread::sleep(PATIENCE);
        process::exit(1)
    });
}

#[test]
fn x04_exit_while_another_thread_drains() {
    play("x04_exit_while_another_thread_drains", || {
        let reactor = Reactor::new().unwrap();
        let zero = TimeoutCallback::new(|_| {});
        reactor.add_timeout(Period::EVERY_ITERATION, zero).unwrap();
        let draining = Arc::clone(&reactor);
        thread::spawn(move || draining.drain(PATIENCE));
        wait_until("the drain to turn", || reactor.stats().turns > 50);
        process::exit(PLAYED)
    });
}

/// A loop on its thread with plenty to do, and another thread that gives it
/// more.
struct Busy {
    reactor: Arc<Reactor>,
    called: Arc<AtomicBool>,
}

impl Busy {
    fn start(reactor: &Arc<Reactor>) -> Self {
        let thread = EventLoop::attach(reactor).unwrap().spawn().unwrap();
        // It runs up to the end, and is not joined.
        mem::forget(thread);
        let called = Arc::new(AtomicBool::new(false));
        let noted = Arc::clone(&called);
        let zero = TimeoutCallback::new(move |_| noted.store(true, Ordering::Release));
        reactor.add_timeout(Period::EVERY_ITERATION, zero).unwrap();
        let caller = Arc::clone(reactor);
        thread::spawn(move || {
            let (_peer, socket) = UnixStream::pair().unwrap();
            loop {
                let callback = HandleCallback::new(|_, _, _| {});
                let watch = caller
                    .add_handle(socket.as_raw_fd(), HandleEvents::WRITABLE, callback)
                    .unwrap();
                caller.update_handle(watch, HandleEvents::empty());
                caller.remove_handle(watch).unwrap();
            }
        });
        Self {
            reactor: Arc::clone(reactor),
            called,
        }
    }

    fn wait(&self) {
        wait_until("the loop to be busy", || {
            self.called.load(Ordering::Acquire)
        });
    }
}

/// In the child, plays the scene, which ends the process; otherwise starts
/// children that do, and looks at how they end.
fn play(test: &str, scene: impl FnOnce()) {
    if env::var(SCENE).is_ok_and(|name| name == test) {
        scene();
    }
    for attempt in 0..20 {
        let child = Command::new(env::current_exe().unwrap())
            .args(["--exact", test])
            .env(SCENE, test)
            .stdout(process::Stdio::null())
            .spawn()
            .unwrap();
        let status = wait_for(child);
        assert_eq!(status.code(), Some(PLAYED), "attempt {attempt}: {status}");
    }
}

fn wait_for(mut child: Child) -> ExitStatus {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if began.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("the process does not end");
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::yield_now();
    }
}
