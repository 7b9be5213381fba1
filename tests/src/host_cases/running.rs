//! A host loop on a thread of its own.

use std::fs;
use std::panic::resume_unwind;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::Duration;

use rustix::process::Pid;
use virt_event_conformance::fixtures::wait_until;
use virt_event_examples::Failure;
use virt_event_examples::host_loop::{HostLoop, Stopper};
use virt_event_reactor::Reactor;

use super::{Host, Program};

/// A loop that runs on a thread of its own. To be stopped; a case that fails
/// leaves it to the end of the process.
pub(super) struct Running {
    thread: JoinHandle<()>,
    stop: Stopper,
    tid: Pid,
}

impl Running {
    /// Runs a loop that drives `reactor`, and drops it when it is stopped.
    pub(super) fn start(host: &'static dyn Host, reactor: &Arc<Reactor>) -> Self {
        Self::start_and_then(host, reactor, |_| {})
    }

    /// As [`start`](Self::start), with something to do before it is dropped, on
    /// its thread.
    pub(super) fn start_and_then(
        host: &'static dyn Host,
        reactor: &Arc<Reactor>,
        then: impl FnOnce(&mut dyn HostLoop) + Send + 'static,
    ) -> Self {
        let reactor = Arc::clone(reactor);
        Self::run(move || host.attach(&reactor), then)
    }

    /// Runs what `make` makes, on its thread.
    pub(super) fn run(
        make: impl FnOnce() -> Result<Box<dyn HostLoop>, Failure> + Send + 'static,
        then: impl FnOnce(&mut dyn HostLoop) + Send + 'static,
    ) -> Self {
        let (running, ()) = Self::spawn(move || {
            let mut host_loop = make().expect("a loop that drives the reactor");
            let stop = host_loop.stopper();
            let body = move || {
                host_loop
                    .run()
                    .expect("a loop that runs until it is stopped");
                then(&mut *host_loop);
            };
            (stop, (), body)
        });
        running
    }

    /// Runs a program's own loop, after `prepare` has put on it what there is
    /// to be. Its outcome comes back at once.
    pub(super) fn program<R: Send + 'static>(
        host: &'static dyn Host,
        prepare: impl FnOnce(&mut dyn Program) -> R + Send + 'static,
    ) -> (Self, R) {
        Self::spawn(move || {
            let mut program = host.program();
            let prepared = prepare(&mut *program);
            let stop = program.stopper();
            let body = move || program.run().expect("a loop that runs until it is stopped");
            (stop, prepared, body)
        })
    }

    /// `setup` says, on the new thread, how the loop is stopped, and what to do
    /// there.
    pub(super) fn spawn<R: Send + 'static, B: FnOnce()>(
        setup: impl FnOnce() -> (Stopper, R, B) + Send + 'static,
    ) -> (Self, R) {
        let (sender, receiver) = mpsc::channel();
        let thread = thread::spawn(move || {
            let (stop, more, body) = setup();
            sender
                .send((stop, more, rustix::thread::gettid()))
                .expect("the case waits for it");
            body();
        });
        match receiver.recv() {
            Ok((stop, more, tid)) => (Self { thread, stop, tid }, more),
            Err(_) => resume_unwind(thread.join().expect_err("it has not set up its loop")),
        }
    }

    pub(super) fn thread_id(&self) -> ThreadId {
        self.thread.thread().id()
    }

    /// Has the loop stop, and waits until its thread has ended.
    pub(super) fn stop(self) {
        self.stop_soon();
        self.join();
    }

    pub(super) fn stop_soon(&self) {
        (self.stop)();
    }

    pub(super) fn join(self) {
        wait_until("the end of a stopped loop", || self.thread.is_finished());
        if let Err(panic) = self.thread.join() {
            resume_unwind(panic);
        }
    }

    /// Waits until the thread sleeps in the kernel.
    pub(super) fn wait_until_asleep(&self) {
        wait_until("the loop to sleep", || self.state() == Some('S'));
    }

    /// The letter of proc(5).
    fn state(&self) -> Option<char> {
        let stat = proc(self.tid, "stat");
        let (_, after_name) = stat.rsplit_once(')')?;
        after_name.trim_start().chars().next()
    }

    /// For how long it has been on a processor.
    pub(super) fn cpu_time(&self) -> Duration {
        cpu_time(self.tid)
    }
}

/// For how long a thread of this process has been on a processor.
pub(super) fn cpu_time(thread: Pid) -> Duration {
    let schedstat = proc(thread, "schedstat");
    let nanos = schedstat.split(' ').next().map(str::parse);
    Duration::from_nanos(nanos.expect("a word").expect("nanoseconds"))
}

fn proc(thread: Pid, file: &str) -> String {
    let path = format!("/proc/self/task/{}/{file}", thread.as_raw_nonzero());
    fs::read_to_string(path).expect("a live thread")
}
