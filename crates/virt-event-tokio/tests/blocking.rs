//! A callback that blocks must not freeze a multi-thread runtime.

use std::mem;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc as tokio_mpsc};
use virt_event_tokio::{Reactor, attach_on};

mod support;

use support::{Count, LIMIT, add_timer, block_until, millis, multi_thread};

/// One worker, and the driver is the only task that is ready when it wakes:
/// the worst case. While the callback blocks, timers, sockets and the task that
/// the callback woke go on; they are what unblocks it.
#[test]
fn others_go_on_while_a_callback_blocks() {
    for workers in [1, 2] {
        let runtime = multi_thread(workers);
        let reactor = Reactor::new().unwrap();
        let driver = attach_on(&reactor, runtime.handle()).unwrap();

        let woken = Arc::new(Notify::new());
        let (release, held) = mpsc::channel();
        let wakes = Arc::clone(&woken);
        let served = runtime.spawn(async move {
            woken.notified().await;
            tokio::time::sleep(Duration::from_millis(5)).await;
            let (reads, writes) = tokio::net::UnixStream::pair().unwrap();
            let writer = tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(5)).await;
                writes.try_write(b"x").unwrap();
                writes
            });
            reads.readable().await.unwrap();
            writer.await.unwrap();
            release.send(()).unwrap();
        });

        let (report, reports) = mpsc::channel();
        let mut first = true;
        add_timer(&reactor, millis(20), move || {
            if mem::take(&mut first) {
                wakes.notify_one();
                report.send(held.recv_timeout(LIMIT)).unwrap();
            }
        });
        let freed = reports.recv_timeout(LIMIT * 2).unwrap();
        assert!(freed.is_ok(), "{workers} workers: the runtime was frozen");
        runtime.block_on(served).unwrap();
        assert!(driver.is_attached());
    }
}

/// Which would panic in a task.
#[test]
fn a_callback_may_use_what_blocks_on_the_runtime() {
    let runtime = multi_thread(1);
    let reactor = Reactor::new().unwrap();
    let _driver = attach_on(&reactor, runtime.handle()).unwrap();
    let (sender, mut receiver) = tokio_mpsc::channel(1);
    let done = Count::default();
    let counter = done.clone();
    add_timer(&reactor, millis(1), move || {
        for _ in 0..3 {
            let _ = sender.blocking_send(());
        }
        Handle::current().block_on(tokio::time::sleep(Duration::from_millis(1)));
        counter.add();
    });
    runtime.block_on(async {
        for _ in 0..6 {
            let received = tokio::time::timeout(LIMIT, receiver.recv()).await;
            received.unwrap().unwrap();
        }
    });
    block_until(|| done.get() >= 1);
}

/// The runtime goes while the callback blocks.
#[test]
fn a_runtime_may_be_dropped_while_a_callback_blocks() {
    let runtime = multi_thread(1);
    let reactor = Reactor::new().unwrap();
    let driver = attach_on(&reactor, runtime.handle()).unwrap();
    let (begun, begins) = mpsc::channel();
    let (release, held) = mpsc::channel::<()>();
    add_timer(&reactor, millis(1), move || {
        let _ = begun.send(());
        let _ = held.recv();
    });
    begins.recv_timeout(LIMIT).unwrap();
    let drops = thread::spawn(move || drop(runtime));
    drop(release);
    drops.join().unwrap();
    block_until(|| !driver.is_attached());
    let next = multi_thread(1);
    attach_on(&reactor, next.handle()).unwrap();
    begins.recv_timeout(LIMIT).unwrap();
}
