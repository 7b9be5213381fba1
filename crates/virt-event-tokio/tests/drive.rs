//! The driver as a future, and what ends it.

use std::num::NonZeroU32;
use std::panic;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread::{self, Thread};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use virt_event::{EventImpl, HandleEvents, Period};
use virt_event_loop::EventLoop;
use virt_event_reactor::TurnError;
use virt_event_tokio::{Drive, Driver, Reactor, attach, attach_on};

mod support;

use support::{
    Count, LIMIT, add_counter, add_stream, add_timer, current_thread, millis, multi_thread,
    runtimes,
};

const _: () = {
    const fn send<T: Send>() {}
    const fn shared<T: Clone + Send + Sync + Unpin + 'static>() {}
    const fn movable<T: Unpin + 'static>() {}
    send::<Drive>();
    movable::<Drive>();
    shared::<Driver>();
    const fn future_is_send<F: Future + Send>(_: fn(&'static Driver) -> F) {}
    future_is_send(drain);
    fn drain(driver: &Driver) -> impl Future + Send {
        driver.drain(Duration::ZERO)
    }
};

#[test]
fn it_drives_while_it_is_selected_on() {
    for (name, runtime) in runtimes() {
        let reactor = Reactor::new().unwrap();
        let (_, count) = add_counter(&reactor, millis(1));
        runtime.block_on(async {
            let mut drive = Drive::new(&reactor).unwrap();
            for _ in 0..3 {
                tokio::select! {
                    ended = &mut drive => panic!("{name}: {ended:?}"),
                    () = count.grows(3) => {}
                }
            }
            drive.driver().detach();
            drive.await.unwrap();
        });
    }
}

#[test]
fn it_drives_only_while_it_is_polled() {
    let reactor = Reactor::new().unwrap();
    let (_, count) = add_counter(&reactor, millis(1));
    let runtime = current_thread();
    runtime.block_on(async {
        let drive = Drive::new(&reactor).unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(count.get(), 0);
        tokio::spawn(drive);
        count.grows(3).await;
    });
}

#[test]
fn dropping_it_detaches() {
    let runtime = current_thread();
    let _context = runtime.enter();
    let reactor = Reactor::new().unwrap();
    let drive = Drive::new(&reactor).unwrap();
    let driver = drive.driver().clone();
    assert!(driver.is_attached());
    drop(drive);
    assert!(!driver.is_attached());

    // Unpolled, in a task that is aborted.
    let task = runtime.spawn(Drive::new(&reactor).unwrap());
    task.abort();
    assert!(runtime.block_on(task).unwrap_err().is_cancelled());
    assert!(Drive::new(&reactor).is_ok());
}

#[test]
fn detaching_resolves_it_from_any_thread_while_it_sleeps() {
    for (name, runtime) in runtimes() {
        let reactor = Reactor::new().unwrap();
        let drive = drive_on(&runtime, &reactor);
        let driver = drive.driver().clone();
        let task = runtime.spawn(drive);
        let detacher = thread::spawn(move || driver.detach());
        let ended = runtime.block_on(async { tokio::time::timeout(LIMIT, task).await });
        assert!(matches!(ended, Ok(Ok(Ok(())))), "{name}: {ended:?}");
        detacher.join().unwrap();
    }
}

/// Who turns first takes the reactor's word for it.
#[test]
fn detaching_resolves_it_also_when_somebody_else_turns_first() {
    for others_drain in [false, true] {
        let reactor = Reactor::new().unwrap();
        let (watch, _peer) = add_stream(&reactor, HandleEvents::READABLE, |_| {});
        current_thread().block_on(async {
            let drive = Drive::new(&reactor).unwrap();
            let driver = drive.driver().clone();
            let task = tokio::spawn(drive);
            tokio::task::yield_now().await;
            reactor.remove_handle(watch).unwrap();
            driver.detach();
            if others_drain {
                driver.drain(LIMIT).await.unwrap();
            } else {
                let event_loop = EventLoop::attach(&reactor).unwrap();
                event_loop.run_once(Some(Duration::ZERO)).unwrap();
            }
            let ended = tokio::time::timeout(LIMIT, task).await;
            ended.expect("it resolves").unwrap().unwrap();
        });
    }
}

#[test]
fn detaching_ends_the_spawned_task() {
    let runtime = multi_thread(1);
    let reactor = Reactor::new().unwrap();
    let driver = attach_on(&reactor, runtime.handle()).unwrap();
    let metrics = runtime.metrics();
    assert_eq!(metrics.num_alive_tasks(), 1);
    driver.detach();
    support::block_until(|| metrics.num_alive_tasks() == 0);
}

#[test]
fn a_resolved_one_lets_others_drive_though_it_is_kept() {
    let runtime = current_thread();
    let reactor = Reactor::new().unwrap();
    let mut drive = drive_on(&runtime, &reactor);
    // Its runtime goes, and another one polls it.
    drop(runtime);
    let other = current_thread();
    let ended = other.block_on(async { tokio::time::timeout(LIMIT, &mut drive).await });
    assert!(matches!(ended, Ok(Err(TurnError::Io(_)))), "{ended:?}");
    assert!(!drive.driver().is_attached());
    other.block_on(async { attach(&reactor).unwrap() });
    drop(drive);
}

#[test]
fn a_callback_may_detach_its_driver() {
    for (_, runtime) in runtimes() {
        let reactor = Reactor::new().unwrap();
        let (give, driver) = oneshot::channel::<Driver>();
        let mut driver = Some(driver);
        let (_, count) = add_counter(&reactor, millis(1));
        let drive = drive_on(&runtime, &reactor);
        give.send(drive.driver().clone()).unwrap();
        add_timer(&reactor, millis(20), move || {
            if let Some(mut driver) = driver.take() {
                driver.try_recv().unwrap().detach();
            }
        });
        let ended = runtime.block_on(async { tokio::time::timeout(LIMIT, drive).await });
        ended.unwrap().unwrap();
        assert!(count.get() > 0);
    }
}

#[test]
fn a_panicking_callback_ends_neither_the_task_nor_the_future() {
    for (name, runtime) in runtimes() {
        let reactor = Reactor::new().unwrap();
        let panics = Count::default();
        let counter = panics.clone();
        add_timer(&reactor, Period::EVERY_ITERATION, move || {
            counter.add();
            // It does not go through the panic hook, which would be loud.
            panic::resume_unwind(Box::new(Bomb));
        });
        let (_, count) = add_counter(&reactor, millis(1));
        runtime.block_on(async {
            let driver = attach(&reactor).unwrap();
            panics.grows(3).await;
            count.grows(3).await;
            assert!(driver.is_attached(), "{name}");
            driver.detach();

            let mut drive = Drive::new(&reactor).unwrap();
            tokio::select! {
                ended = &mut drive => panic!("{name}: {ended:?}"),
                () = async {
                    panics.grows(3).await;
                    count.grows(3).await;
                } => {}
            }
        });
    }
}

/// What a panic carries may panic, too.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic::resume_unwind(Box::new("the payload was dropped"));
    }
}

/// There is no new edge for what a turn left undone because of a panic.
#[test]
fn what_is_ready_is_served_after_a_panic() {
    for (_, runtime) in runtimes() {
        let reactor = Reactor::new().unwrap();
        let served = Count::default();
        let counter = served.clone();
        let (_, _peer) = add_stream(&reactor, HandleEvents::WRITABLE, move |_| {
            counter.add();
            if counter.get() == 1 {
                panic::resume_unwind(Box::new(()));
            }
        });
        runtime.block_on(async {
            attach(&reactor).unwrap();
            served.grows(3).await;
        });
    }
}

#[test]
fn the_budget_bounds_a_turn() {
    let runtime = multi_thread(1);
    let reactor = Reactor::new().unwrap();
    let (_, count) = add_counter(&reactor, Period::EVERY_ITERATION);
    let driver = attach_on(&reactor, runtime.handle()).unwrap();
    for budget in [1_u32, 7] {
        driver.set_budget(NonZeroU32::new(budget).unwrap());
        runtime.block_on(count.grows(100));
        let before = driver.stats();
        runtime.block_on(count.grows(1000));
        let after = driver.stats();
        let turns = after.turns - before.turns;
        let iterations = after.iterations - before.iterations;
        // The first and the last turn may be counted in part.
        let (least, most) = (
            u64::from(budget) * (turns - 1),
            u64::from(budget) * (turns + 1),
        );
        assert!(
            (least..=most).contains(&iterations),
            "{iterations} iterations in {turns} turns of {budget}"
        );
    }
}

#[test]
fn it_works_where_no_runtime_polls_it() {
    // A runtime in the background watches; this thread polls.
    let runtime = multi_thread(1);
    let reactor = Reactor::new().unwrap();
    let (timer, count) = add_counter(&reactor, millis(1));
    let drive = drive_on(&runtime, &reactor);
    let driver = drive.driver().clone();
    let here = thread::current().id();
    let done = Count::default();
    let counter = done.clone();
    let detaching = add_timer(&reactor, millis(5), move || {
        if count.get() >= 3 && thread::current().id() == here {
            counter.add();
            driver.detach();
        }
    });
    block_on(drive).unwrap();
    assert!(done.get() >= 1);
    reactor.remove_timeout(timer).unwrap();
    // It holds the driver, which holds the reactor, which holds it.
    reactor.remove_timeout(detaching).unwrap();
    let _ = reactor.turn(Some(Duration::ZERO)).unwrap();
}

fn drive_on(runtime: &Runtime, reactor: &Arc<Reactor>) -> Drive {
    let _context = runtime.enter();
    Drive::new(reactor).unwrap()
}

/// The simplest executor there is.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park_timeout(LIMIT),
        }
    }
}
