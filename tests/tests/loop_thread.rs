//! X4 and L5 where only the built-in loop can be asked: the helper thread
//! joins when it is stopped, and one thread at a time drives.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use virt_event::{EventImpl, Period, TimeoutCallback};
use virt_event_loop::{AttachError, EventLoop, Reactor, TurnError};

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn x04_stop_joins_the_thread_and_gives_the_loop_back() {
    let reactor = Reactor::new().unwrap();
    let thread = EventLoop::attach(&reactor).unwrap().spawn().unwrap();
    let (callback, ran) = noting_callback();
    let timer = reactor.add_timeout(Period::millis(1), callback).unwrap();
    wait_until("a callback", || ran.was_called());
    let event_loop = thread.stop().unwrap();
    // The kernel takes a moment to forget a thread that was joined.
    wait_until("the end of the thread", || !tasks().contains(ran.task()));
    let calls = ran.calls();
    reactor.remove_timeout(timer).unwrap();
    event_loop.drain(PATIENCE).unwrap();
    assert_eq!(ran.calls(), calls, "calls after stop");
}

#[test]
fn x04_a_running_callback_completes_before_stop_returns() {
    let reactor = Reactor::new().unwrap();
    let thread = EventLoop::attach(&reactor).unwrap().spawn().unwrap();
    let stages = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
    let inside = Arc::clone(&stages);
    let callback = TimeoutCallback::new(move |_| {
        inside[0].store(true, Ordering::Release);
        let end = Instant::now() + Duration::from_millis(50);
        while Instant::now() < end {
            thread::yield_now();
        }
        inside[1].store(true, Ordering::Release);
    });
    reactor.add_timeout(Period::millis(1), callback).unwrap();
    wait_until("the callback", || stages[0].load(Ordering::Acquire));
    let event_loop = thread.stop().unwrap();
    assert!(
        stages[1].load(Ordering::Acquire),
        "stop returned while a callback ran"
    );
    drop(event_loop);
}

#[test]
fn x04_dropping_the_guard_joins_the_thread_and_detaches() {
    let reactor = Reactor::new().unwrap();
    let thread = EventLoop::attach(&reactor).unwrap().spawn().unwrap();
    let (callback, ran) = noting_callback();
    reactor.add_timeout(Period::millis(1), callback).unwrap();
    wait_until("a callback", || ran.was_called());
    drop(thread);
    wait_until("the end of the thread", || !tasks().contains(ran.task()));
    // Nobody drives any more, and nothing is lost.
    let calls = ran.calls();
    let event_loop = EventLoop::attach(&reactor).unwrap();
    let began = Instant::now();
    while ran.calls() == calls {
        assert!(began.elapsed() < PATIENCE, "the timer is lost");
        event_loop.run_once(Some(PATIENCE)).unwrap();
    }
}

#[test]
fn x04_stop_ends_a_thread_that_sleeps() {
    let reactor = Reactor::new().unwrap();
    for _ in 0..50 {
        // Before, while, or after it falls asleep.
        let thread = EventLoop::attach(&reactor).unwrap().spawn().unwrap();
        drop(thread.stop().unwrap());
    }
}

#[test]
fn l05_of_many_attaches_at_once_one_succeeds() {
    const THREADS: usize = 8;
    let reactor = Reactor::new().unwrap();
    for _ in 0..50 {
        let start = Barrier::new(THREADS);
        let over = Barrier::new(THREADS);
        let attached = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    start.wait();
                    let outcome = EventLoop::attach(&reactor);
                    match &outcome {
                        Ok(_) => {
                            attached.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) => assert!(matches!(error, AttachError::AlreadyAttached)),
                    }
                    // Whoever has won keeps it until all have tried.
                    over.wait();
                    drop(outcome);
                });
            }
        });
        assert_eq!(attached.into_inner(), 1, "attaches that succeeded");
    }
}

#[test]
fn l05_two_threads_that_run_one_loop_get_one_error() {
    let reactor = Reactor::new().unwrap();
    let event_loop = EventLoop::attach(&reactor).unwrap();
    let (callback, ran) = noting_callback();
    reactor
        .add_timeout(Period::EVERY_ITERATION, callback)
        .unwrap();
    let handle = event_loop.handle();
    let errors = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| match event_loop.run() {
                Ok(()) => {}
                Err(TurnError::Busy) => {
                    errors.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => panic!("{error}"),
            });
        }
        wait_until("the second thread to be refused", || {
            errors.load(Ordering::Relaxed) > 0
        });
        let calls = ran.calls();
        wait_until("the first thread to go on", || ran.calls() > calls);
        handle.stop();
    });
    assert_eq!(errors.into_inner(), 1, "threads that were refused");
}

/// What a callback has noted.
#[derive(Default)]
struct Ran {
    calls: AtomicUsize,
    /// The kernel's number of the thread of the first call.
    task: OnceLock<String>,
}

impl Ran {
    fn calls(&self) -> usize {
        self.calls.load(Ordering::Acquire)
    }

    fn was_called(&self) -> bool {
        self.calls() > 0
    }

    fn task(&self) -> &String {
        self.task.get().expect("it was called")
    }
}

fn noting_callback() -> (TimeoutCallback, Arc<Ran>) {
    let ran = Arc::new(Ran::default());
    let noted = Arc::clone(&ran);
    let callback = TimeoutCallback::new(move |_| {
        noted.task.get_or_init(|| {
            let link = fs::read_link("/proc/thread-self").unwrap();
            link.file_name().unwrap().to_string_lossy().into_owned()
        });
        noted.calls.fetch_add(1, Ordering::Release);
    });
    (callback, ran)
}

/// The kernel's numbers of the threads of this process.
fn tasks() -> Vec<String> {
    fs::read_dir("/proc/self/task")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect()
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::yield_now();
    }
}
