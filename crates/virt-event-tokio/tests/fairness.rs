//! The driver among other tasks, and woken by other threads.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use virt_event::{EventImpl, HandleEvents, Period};
use virt_event_tokio::{Drive, Reactor, attach, attach_on};

mod support;

use support::{
    Count, LIMIT, add_counter, add_stream, add_timer, block_until, current_thread, millis,
    multi_thread, runtimes,
};

/// What is always ready keeps nobody out: not a timer of tokio's, not a task
/// that waits for IO, not one that yields.
fn others_run_beside(add: impl Fn(&Arc<Reactor>) -> (Count, Option<UnixStream>)) {
    for (_, runtime) in runtimes() {
        for spawned_by_hand in [false, true] {
            let reactor = Reactor::new().unwrap();
            let (count, _peer) = add(&reactor);
            runtime.block_on(async {
                let driver = if spawned_by_hand {
                    let drive = Drive::new(&reactor).unwrap();
                    let driver = drive.driver().clone();
                    tokio::spawn(drive);
                    driver
                } else {
                    attach(&reactor).unwrap()
                };
                count.grows(10).await;
                let before = count.get();
                let limited = tokio::time::timeout(LIMIT, async {
                    for _ in 0..20 {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    for _ in 0..100 {
                        tokio::task::yield_now().await;
                    }
                    echoes(100).await;
                });
                limited.await.expect("the others were starved");
                assert!(count.get() > before, "it went on meanwhile");
                driver.detach();
            });
        }
    }
}

#[test]
fn others_run_beside_a_zero_timer() {
    others_run_beside(|reactor| {
        let (_, count) = add_counter(reactor, Period::EVERY_ITERATION);
        (count, None)
    });
}

#[test]
fn others_run_beside_a_descriptor_that_is_always_ready() {
    others_run_beside(|reactor| {
        let count = Count::default();
        let counter = count.clone();
        let (_, peer) = add_stream(reactor, HandleEvents::WRITABLE, move |_| counter.add());
        (count, Some(peer))
    });
}

/// A thread and a task, round and round.
async fn echoes(rounds: usize) {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    let theirs = tokio::net::UnixStream::from_std(theirs).unwrap();
    let asks = thread::spawn(move || {
        for _ in 0..rounds {
            let mut byte = [0];
            ours.write_all(&byte).unwrap();
            ours.read_exact(&mut byte).unwrap();
        }
    });
    for _ in 0..rounds {
        loop {
            theirs.readable().await.unwrap();
            if theirs.try_read(&mut [0]).is_ok() {
                break;
            }
        }
        theirs.try_write(&[0]).unwrap();
    }
    asks.join().unwrap();
}

/// What libvirt does twice for each RPC.
#[test]
fn a_change_from_another_thread_takes_effect_while_the_runtime_sleeps() {
    for runtime in [current_thread(), multi_thread(2)] {
        let reactor = Reactor::new().unwrap();
        let (seen, sees) = mpsc::channel();
        // There is always something to read.
        let (give, takes) = mpsc::channel();
        let mut given = None;
        let weak = Arc::downgrade(&reactor);
        let (watch, mut peer) = add_stream(&reactor, HandleEvents::empty(), move |_| {
            let watch = *given.get_or_insert_with(|| takes.recv().unwrap());
            let reactor = weak.upgrade().unwrap();
            reactor.update_handle(watch, HandleEvents::empty());
            seen.send(()).unwrap();
        });
        give.send(watch).unwrap();
        peer.write_all(b"x").unwrap();
        attach_on(&reactor, runtime.handle()).unwrap();
        let stop = run_in_background(runtime);
        for round in 0..3000 {
            reactor.update_handle(watch, HandleEvents::READABLE);
            sees.recv_timeout(LIMIT)
                .unwrap_or_else(|_| panic!("the wake-up of round {round} was lost"));
        }
        drop(stop);
    }
}

#[test]
fn timers_and_frees_from_another_thread_are_served_while_the_runtime_sleeps() {
    for runtime in [current_thread(), multi_thread(2)] {
        let reactor = Reactor::new().unwrap();
        attach_on(&reactor, runtime.handle()).unwrap();
        let stop = run_in_background(runtime);
        for _ in 0..500 {
            let (fired, fires) = mpsc::channel();
            let timer = add_timer(&reactor, Period::EVERY_ITERATION, move || {
                let _ = fired.send(());
            });
            fires.recv_timeout(LIMIT).expect("it never fired");
            reactor.update_timeout(timer, Period::DISABLED);
            reactor.remove_timeout(timer).unwrap();
            // Ends when the callback is freed.
            let begin = Instant::now();
            while fires.recv_timeout(Duration::from_millis(1)) != Err(DISCONNECTED) {
                assert!(begin.elapsed() < LIMIT, "it was not freed");
            }
        }
        drop(stop);
    }
}

const DISCONNECTED: mpsc::RecvTimeoutError = mpsc::RecvTimeoutError::Disconnected;

/// Runs a runtime on a thread until the guard is dropped.
fn run_in_background(runtime: Runtime) -> impl Drop {
    struct Stop(
        Option<tokio::sync::oneshot::Sender<()>>,
        Option<thread::JoinHandle<()>>,
    );
    impl Drop for Stop {
        fn drop(&mut self) {
            drop(self.0.take());
            if let Some(thread) = self.1.take() {
                let _ = thread.join();
            }
        }
    }
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let thread = thread::spawn(move || {
        let _ = runtime.block_on(stopped);
    });
    Stop(Some(stop), Some(thread))
}

/// A turn that is not wanted is not taken.
#[test]
fn a_driver_without_work_sleeps() {
    let runtime = multi_thread(2);
    let reactor = Reactor::new().unwrap();
    let driver = attach_on(&reactor, runtime.handle()).unwrap();
    let (_, count) = add_counter(&reactor, millis(20));
    block_until(|| count.get() >= 5);
    let (calls, turns) = (count.get(), driver.stats().turns);
    block_until(|| count.get() >= calls + 10);
    let (turns, calls) = (driver.stats().turns - turns, count.get() - calls);
    // One for each call, and one that finds nothing.
    assert!(turns <= 2 * calls + 5, "{turns} turns for {calls} calls");
}

#[test]
fn a_wake_makes_a_turn() {
    let runtime = multi_thread(1);
    let reactor = Reactor::new().unwrap();
    let driver = attach_on(&reactor, runtime.handle()).unwrap();
    for _ in 0..20 {
        let before = driver.stats().turns;
        driver.wake();
        block_until(|| driver.stats().turns > before);
    }
}
