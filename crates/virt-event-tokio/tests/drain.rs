//! Winding down.

use std::panic;
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use virt_event::{EventImpl, HandleEvents, Period, TimeoutCallback};
use virt_event_loop::EventLoop;
use virt_event_reactor::TurnError;
use virt_event_tokio::{Driver, Leftover, Reactor, attach, attach_on};

mod support;

use support::{
    Count, LIMIT, add_counter, add_stream, add_timer, current_thread, millis, multi_thread,
    runtimes, until,
};

/// A timer that removes itself after `calls` calls.
fn add_ending(reactor: &Arc<Reactor>, period: Period, calls: u64) -> Count {
    let count = Count::default();
    let counter = count.clone();
    let (give, id) = mpsc::channel();
    let weak = Arc::downgrade(reactor);
    let timer = add_timer(reactor, period, move || {
        counter.add();
        if counter.get() == calls {
            let timer = id.recv().unwrap();
            weak.upgrade().unwrap().remove_timeout(timer).unwrap();
        }
    });
    give.send(timer).unwrap();
    count
}

/// A driver that drives no more, on a fresh reactor.
fn detached() -> Driver {
    let runtime = current_thread();
    let driver = attach_on(&Reactor::new().unwrap(), runtime.handle()).unwrap();
    drop(runtime);
    assert!(!driver.is_attached());
    driver
}

#[test]
fn it_drains_beside_a_driver_and_without_one() {
    for (name, runtime) in runtimes() {
        let reactor = Reactor::new().unwrap();
        runtime.block_on(async {
            let driver = attach(&reactor).unwrap();
            let count = add_ending(&reactor, millis(1), 5);
            driver.drain(LIMIT).await.unwrap();
            assert_eq!(count.get(), 5, "{name}");
            assert!(driver.is_attached());

            driver.detach();
            let count = add_ending(&reactor, millis(1), 5);
            driver.drain(LIMIT).await.unwrap();
            assert_eq!(count.get(), 5, "{name}");
        });
    }
}

/// What callbacks may do beside the driver, they may do beside a drain.
#[test]
fn callbacks_may_block_beside_a_drain_on_a_multi_thread_runtime() {
    let runtime = multi_thread(2);
    let reactor = Reactor::new().unwrap();
    let driver = attach_on(&reactor, runtime.handle()).unwrap();
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    runtime.spawn(async move { while receiver.recv().await.is_some() {} });
    let weak = Arc::downgrade(&reactor);
    let mut sent = 0;
    let callback = TimeoutCallback::new(move |timer| {
        // It panics where tokio does not allow it.
        sender.blocking_send(()).unwrap();
        sent += 1;
        if sent == 200 {
            weak.upgrade().unwrap().remove_timeout(timer).unwrap();
        }
    });
    reactor
        .add_timeout(Period::EVERY_ITERATION, callback)
        .unwrap();
    runtime.block_on(driver.drain(LIMIT)).unwrap();
}

#[test]
fn it_drains_on_another_runtime_when_the_drivers_is_gone() {
    let driver = detached();
    for (name, runtime) in runtimes() {
        let count = add_ending(driver.reactor(), Period::EVERY_ITERATION, 50);
        runtime.block_on(driver.drain(LIMIT)).unwrap();
        assert_eq!(count.get(), 50, "{name}");
    }
}

#[test]
fn it_drains_in_a_task_beside_the_driver_on_another_thread() {
    let runtime = multi_thread(2);
    let reactor = Reactor::new().unwrap();
    let driver = attach_on(&reactor, runtime.handle()).unwrap();
    for _ in 0..50 {
        let count = add_ending(&reactor, Period::EVERY_ITERATION, 20);
        let other = driver.clone();
        let drains = runtime.spawn(async move { other.drain(LIMIT).await });
        runtime.block_on(driver.drain(LIMIT)).unwrap();
        runtime.block_on(drains).unwrap().unwrap();
        assert_eq!(count.get(), 20);
    }
}

#[test]
fn it_awaits_the_callback_that_runs_on_another_thread() {
    let runtime = multi_thread(2);
    let reactor = Reactor::new().unwrap();
    let driver = attach_on(&reactor, runtime.handle()).unwrap();
    let (begun, begins) = mpsc::channel();
    let (release, held) = mpsc::channel::<()>();
    let timer = add_timer(&reactor, millis(1), move || {
        let _ = begun.send(());
        let _ = held.recv();
    });
    begins.recv_timeout(LIMIT).unwrap();
    reactor.remove_timeout(timer).unwrap();
    let other = current_thread();
    let left = other.block_on(driver.drain(Duration::from_millis(20)));
    assert_eq!(left.unwrap_err().pending_frees, 1);
    let releases = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        drop(release);
    });
    other.block_on(driver.drain(LIMIT)).unwrap();
    releases.join().unwrap();
}

#[test]
fn the_deadline_passes_and_what_is_left_is_told() {
    for (name, runtime) in runtimes() {
        let reactor = Reactor::new().unwrap();
        let (watch, _peer) = add_stream(&reactor, HandleEvents::READABLE, |_| {});
        let timer = add_timer(&reactor, Period::EVERY_ITERATION, || {});
        runtime.block_on(async {
            let driver = attach(&reactor).unwrap();
            for _ in 0..2 {
                let limit = Duration::from_millis(30);
                let begin = Instant::now();
                let left = driver.drain(limit).await.unwrap_err();
                assert!(begin.elapsed() >= limit, "{name}");
                assert!(left.cause.is_none(), "{name}: {left}");
                assert!(
                    matches!(
                        left.left[..],
                        [Leftover::Handle { watch: w, .. }, Leftover::Timeout { timer: t, .. }]
                            if w == watch && t == timer
                    ),
                    "{name}: {left}"
                );
                driver.detach();
            }
        });
    }
}

/// tokio's clock stands still, or jumps; the reactor's does neither.
#[tokio::test(start_paused = true)]
async fn a_paused_clock_neither_stops_it_nor_ends_it_early() {
    let reactor = Reactor::new().unwrap();
    let driver = attach(&reactor).unwrap();

    let count = add_ending(&reactor, millis(10), 5);
    driver.drain(LIMIT).await.unwrap();
    assert_eq!(count.get(), 5, "the reactor's timers go by real time");

    let (_, _) = add_counter(&reactor, millis(5));
    // This jumps to its end as soon as everybody waits.
    let jumps = tokio::spawn(tokio::time::sleep(Duration::from_secs(3600)));
    let limit = Duration::from_millis(50);
    let begin = Instant::now();
    driver.drain(limit).await.unwrap_err();
    let took = begin.elapsed();
    assert!(limit <= took && took < LIMIT, "{took:?}");
    jumps.await.unwrap();
}

#[test]
fn calling_it_off_loses_nothing() {
    for (name, runtime) in runtimes() {
        let reactor = Reactor::new().unwrap();
        runtime.block_on(async {
            let driver = attach(&reactor).unwrap();
            driver.detach();
            let count = add_ending(&reactor, millis(2), 30);
            let mut drained = false;
            let begin = Instant::now();
            let mut attempts = 0;
            while !drained && begin.elapsed() < LIMIT {
                attempts += 1;
                tokio::select! {
                    biased;
                    result = driver.drain(LIMIT) => { result.unwrap(); drained = true; }
                    () = tokio::time::sleep(Duration::from_millis(5)) => {}
                }
            }
            assert!(drained, "{name}");
            assert!(attempts > 1, "{name}");
            assert_eq!(count.get(), 30, "{name}");
        });
    }
}

#[test]
fn other_tasks_run_while_it_drains_a_zero_timer() {
    for (name, runtime) in runtimes() {
        let reactor = Reactor::new().unwrap();
        runtime.block_on(async {
            let driver = attach(&reactor).unwrap();
            driver.detach();
            let (timer, count) = add_counter(&reactor, Period::EVERY_ITERATION);
            let drains = driver.drain(LIMIT);
            let remover = async {
                count.grows(10).await;
                tokio::time::sleep(Duration::from_millis(5)).await;
                reactor.remove_timeout(timer).unwrap();
            };
            let (drained, ()) = tokio::join!(drains, remover);
            drained.unwrap_or_else(|left| panic!("{name}: {left}"));
        });
    }
}

#[test]
fn a_panicking_callback_does_not_end_it() {
    for (name, runtime) in runtimes() {
        let reactor = Reactor::new().unwrap();
        runtime.block_on(async {
            let driver = attach(&reactor).unwrap();
            driver.detach();
            let panics = add_timer(&reactor, Period::EVERY_ITERATION, || {
                panic::resume_unwind(Box::new(()));
            });
            let left = driver.drain(Duration::from_millis(20)).await.unwrap_err();
            assert_eq!(left.left.len(), 1, "{name}: {left}");
            let count = add_ending(&reactor, millis(1), 5);
            let remover = async {
                until(|| count.get() == 5).await;
                reactor.remove_timeout(panics).unwrap();
            };
            let (drained, ()) = tokio::join!(driver.drain(LIMIT), remover);
            drained.unwrap();
        });
    }
}

#[test]
fn without_a_runtime_that_can_wait_it_is_an_error_that_says_so() {
    let driver = detached();
    let no_io = Builder::new_current_thread().build().unwrap();

    // Nothing is left, so there is nothing to wait for.
    poll_once(driver.drain(LIMIT)).unwrap().unwrap();
    no_io.block_on(driver.drain(LIMIT)).unwrap();

    let count = add_ending(driver.reactor(), millis(1), 3);
    let left = poll_once(driver.drain(LIMIT)).unwrap().unwrap_err();
    assert!(matches!(left.cause, Some(TurnError::Io(_))));
    assert_eq!(left.left.len(), 1);
    let text = left.to_string();
    assert!(
        text.contains("no tokio runtime") && text.contains("`Reactor::drain`"),
        "{text}"
    );

    let left = no_io.block_on(driver.drain(LIMIT)).unwrap_err();
    let text = left.to_string();
    assert!(
        text.contains("enable_io") && text.contains("`Reactor::drain`"),
        "{text}"
    );

    // It is as the error says.
    driver.reactor().drain(LIMIT).unwrap();
    assert_eq!(count.get(), 3);
}

/// The runtime is shut down under a future that another thread polls.
#[test]
fn a_shutdown_meanwhile_ends_it() {
    let driver = detached();
    let (_, _) = add_counter(driver.reactor(), Period::DISABLED);
    let runtime = multi_thread(1);
    let handle = runtime.handle().clone();
    let (begun, begins) = mpsc::channel();
    let drains = thread::spawn(move || {
        handle.block_on(async {
            begun.send(()).unwrap();
            driver.drain(LIMIT * 10).await
        })
    });
    begins.recv_timeout(LIMIT).unwrap();
    drop(runtime);
    let left = drains.join().unwrap().unwrap_err();
    assert!(matches!(left.cause, Some(TurnError::Io(_))), "{left}");
    assert_eq!(left.left.len(), 1);
}

#[test]
fn the_built_in_loop_takes_over_and_drains() {
    let driver = detached();
    let count = add_ending(driver.reactor(), millis(1), 5);
    let event_loop = EventLoop::attach(driver.reactor()).unwrap();
    event_loop.drain(LIMIT).unwrap();
    assert_eq!(count.get(), 5);

    // And beside it, on a thread, the awaited drain.
    let thread = event_loop.spawn().unwrap();
    let count = add_ending(driver.reactor(), millis(1), 5);
    current_thread().block_on(driver.drain(LIMIT)).unwrap();
    assert_eq!(count.get(), 5);
    drop(thread.stop().unwrap());
}

fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    let mut cx = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut cx) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
