//! A forked child drops the host loop and the driver, and the parent notices
//! none of it (contract X3).

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::{AsRawFd, RawFd};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use virt_event::{EventImpl, HandleCallback, HandleEvents, Period, TimeoutCallback, TimerId};
use virt_event_conformance::fixtures::{EventFd, epoll_members, eventfd, patience};
use virt_event_reactor::Reactor;

use super::forked::in_child;
use super::{Detach, Host, HostCase, Program, host_case};

pub(super) const CASES: &[HostCase] = &[
    host_case!(x03_host_dropped_in_a_forked_child, RemovesInChild),
    host_case!(
        x03_host_detached_and_dropped_in_a_forked_child,
        RemovesInChild
    ),
];

fn x03_host_dropped_in_a_forked_child(host: &'static dyn Host) {
    fork_and(host, |_| {});
}

fn x03_host_detached_and_dropped_in_a_forked_child(host: &'static dyn Host) {
    fork_and(host, |detach| detach());
}

/// `first` is what the child does before it drops the loop.
fn fork_and(host: &'static dyn Host, first: fn(&Detach)) {
    let reactor = Reactor::new().expect("a reactor");
    let mut program = Some(host.program());
    let just_made = program.as_mut().expect("just made");
    let detach = just_made.attach(&reactor).expect("a driver");
    let witness = Witness::new(&reactor, &**just_made);
    // A loop that ran once has registered all that it ever will.
    witness.source.kick();
    run(&mut program);
    let before = epoll_sets(&reactor);

    in_child(|| {
        first(&detach);
        drop(program.take());
        drop(detach);
    });

    assert_eq!(
        epoll_sets(&reactor),
        before,
        "the epoll sets after and before a forked child dropped the loop"
    );
    let limit = Limit::start();
    for _ in 0..3 {
        let (calls, ticks) = (witness.calls(), witness.ticks());
        witness.source.kick();
        run(&mut program);
        assert_eq!(witness.calls(), calls + 1, "calls of the watch");
        reactor.update_timeout(witness.timer, Period::millis(1));
        run(&mut program);
        assert_eq!(witness.ticks(), ticks + 1, "calls of the timer");
    }
    limit.end();
}

fn run(program: &mut Option<Box<dyn Program>>) {
    let program = program.as_mut().expect("the parent's is the parent's");
    program.run().expect("a loop that runs until it is stopped");
}

/// A watch and a timer, each of which stops the loop when it is called.
struct Witness {
    source: EventFd,
    timer: TimerId,
    counts: Arc<[AtomicU64; 2]>,
}

impl Witness {
    fn new(reactor: &Arc<Reactor>, program: &dyn Program) -> Self {
        let counts: Arc<[AtomicU64; 2]> = Arc::default();
        let source = eventfd();
        let (stop, takes, calls) = (program.stopper(), source.duplicate(), Arc::clone(&counts));
        let callback = HandleCallback::new(move |_, _, _| {
            takes.take();
            calls[0].fetch_add(1, Ordering::Relaxed);
            stop();
        });
        reactor
            .add_handle(source.as_raw_fd(), HandleEvents::READABLE, callback)
            .expect("a watch");
        let (stop, ticks) = (program.stopper(), Arc::clone(&counts));
        let driven = Arc::downgrade(reactor);
        let callback = TimeoutCallback::new(move |timer| {
            let reactor = driven.upgrade().expect("a reactor that is driven");
            reactor.update_timeout(timer, Period::DISABLED);
            ticks[1].fetch_add(1, Ordering::Relaxed);
            stop();
        });
        let timer = reactor.add_timeout(Period::DISABLED, callback);
        Self {
            source,
            timer: timer.expect("a timer"),
            counts,
        }
    }

    fn calls(&self) -> u64 {
        self.counts[0].load(Ordering::Relaxed)
    }

    fn ticks(&self) -> u64 {
        self.counts[1].load(Ordering::Relaxed)
    }
}

/// Every epoll set of the process, with what is ours in it: everything in the
/// reactor's, and of a host's what is itself an epoll set, the reactor. What the
/// host has there of its own is the host's business. (A calloop loop takes it
/// out, in the parent as well.)
fn epoll_sets(reactor: &Reactor) -> BTreeMap<RawFd, Vec<(RawFd, u32)>> {
    let entries = fs::read_dir("/proc/self/fd").expect("read /proc/self/fd");
    let numbers: Vec<RawFd> = entries
        .filter_map(|entry| entry.expect("an entry").file_name().to_str()?.parse().ok())
        .collect();
    let mut sets = BTreeMap::new();
    for set in numbers.into_iter().filter(|fd| is_epoll_set(*fd)) {
        let mut members = epoll_members(set);
        if set != reactor.as_raw_fd() {
            members.retain(|(fd, _)| is_epoll_set(*fd));
        }
        members.sort_unstable();
        sets.insert(set, members);
    }
    assert!(
        sets.len() > 1,
        "the reactor has a set, and so has its driver"
    );
    sets
}

fn is_epoll_set(fd: RawFd) -> bool {
    // The one that reads the directory is gone by now.
    let target = fs::read_link(format!("/proc/self/fd/{fd}"));
    target.is_ok_and(|target| target.as_os_str() == "anon_inode:[eventpoll]")
}

/// Ends the process if the loop on this thread does not come back. Only after
/// the fork: there must be no other thread then.
struct Limit {
    over: mpsc::Sender<()>,
    thread: thread::JoinHandle<()>,
}

impl Limit {
    fn start() -> Self {
        let (over, waits) = mpsc::channel();
        let thread = thread::spawn(move || {
            if waits.recv_timeout(patience()) == Err(RecvTimeoutError::Timeout) {
                eprintln!("the parent's loop is not served any more");
                process::exit(101);
            }
        });
        Self { over, thread }
    }

    fn end(self) {
        drop(self.over);
        self.thread.join().expect("it does not panic");
    }
}
