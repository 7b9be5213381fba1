//! Where a driver can be, and where it cannot.

use std::cell::Cell;
use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

use tokio::runtime::Builder;
use tokio::task::LocalSet;
use virt_event::{EventImpl, Period};
use virt_event_tokio::{AttachError, Drive, InstallError, Reactor, attach, attach_on, install};

mod support;

use support::{LIMIT, add_counter, block_until, current_thread, millis, multi_thread, runtimes};

#[test]
fn a_driver_runs_on_the_current_runtime() {
    for (name, runtime) in runtimes() {
        let reactor = Reactor::new().unwrap();
        let (timer, count) = add_counter(&reactor, millis(1));
        runtime.block_on(async {
            let driver = attach(&reactor).unwrap();
            assert!(driver.is_attached(), "{name}");
            count.grows(3).await;
            reactor.remove_timeout(timer).unwrap();
            driver.drain(LIMIT).await.unwrap();
        });
    }
}

#[test]
fn a_driver_runs_on_a_given_runtime_whoever_hands_it_over() {
    let reactor = Reactor::new().unwrap();
    let (_, count) = add_counter(&reactor, millis(1));
    let runtime = multi_thread(2);
    let driver = attach_on(&reactor, runtime.handle()).unwrap();
    block_until(|| count.get() >= 3);
    driver.detach();

    // From inside another runtime the driver is on the given one all the same.
    let other = current_thread();
    let driver = other.block_on(async { attach_on(&reactor, runtime.handle()).unwrap() });
    drop(other);
    let before = count.get();
    block_until(|| count.get() >= before + 3);
    assert!(driver.is_attached());
}

#[test]
fn a_driver_on_a_current_thread_runtime_runs_inside_block_on() {
    let reactor = Reactor::new().unwrap();
    let (_, count) = add_counter(&reactor, millis(1));
    let runtime = current_thread();
    let driver = attach_on(&reactor, runtime.handle()).unwrap();
    assert!(driver.is_attached());
    assert_eq!(count.get(), 0);
    runtime.block_on(count.grows(3));
}

#[test]
fn a_local_set_may_attach_and_may_drive() {
    for (name, runtime) in runtimes() {
        let reactor = Reactor::new().unwrap();
        let (_, count) = add_counter(&reactor, millis(1));
        LocalSet::new().block_on(&runtime, async {
            let driver = attach(&reactor).unwrap();
            count.grows(3).await;
            assert!(driver.is_attached(), "{name}");

            // Here callbacks run on the thread of the set.
            let reactor = Reactor::new().unwrap();
            let (_, count) = add_counter(&reactor, millis(1));
            let here = thread::current().id();
            let (seen, threads) = mpsc::channel();
            let mut seen = Some(seen);
            support::add_timer(&reactor, Period::EVERY_ITERATION, move || {
                if let Some(seen) = seen.take() {
                    seen.send(thread::current().id()).unwrap();
                }
            });
            let drive = Drive::new(&reactor).unwrap();
            let driver = drive.driver().clone();
            let task = tokio::task::spawn_local(drive);
            count.grows(3).await;
            assert_eq!(threads.try_recv(), Ok(here), "{name}");
            driver.detach();
            task.await.unwrap().unwrap();
        });
    }
}

#[test]
fn a_local_runtime_drives() {
    let reactor = Reactor::new().unwrap();
    let (_, count) = add_counter(&reactor, millis(1));
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(Default::default())
        .unwrap();
    runtime.block_on(async {
        attach(&reactor).unwrap();
        count.grows(3).await;
    });
}

#[test]
fn without_a_runtime_there_is_an_error_that_says_so() {
    let reactor = Reactor::new().unwrap();
    assert!(matches!(attach(&reactor), Err(AttachError::NoRuntime)));
    assert!(matches!(Drive::new(&reactor), Err(AttachError::NoRuntime)));
    for error in [install().unwrap_err(), Drive::install().unwrap_err()] {
        assert!(matches!(
            error,
            InstallError::Attach(AttachError::NoRuntime)
        ));
        assert!(error.to_string().contains("no tokio runtime"), "{error}");
    }
    assert!(
        Reactor::installed().is_none(),
        "libvirt was not asked to take a loop that nobody would run"
    );
}

#[test]
fn a_runtime_without_io_is_an_error_that_says_so() {
    let without_io = [
        Builder::new_current_thread().enable_time().build(),
        Builder::new_multi_thread().worker_threads(1).build(),
    ];
    for runtime in without_io {
        let runtime = runtime.unwrap();
        let reactor = Reactor::new().unwrap();
        let error = attach_on(&reactor, runtime.handle()).unwrap_err();
        assert!(matches!(error, AttachError::NoIo));
        assert!(error.to_string().contains("enable_io"), "{error}");
        let error = runtime.block_on(async { Drive::new(&reactor).unwrap_err() });
        assert!(matches!(error, AttachError::NoIo));
        // Nothing is left behind: another runtime may drive it.
        attach_on(&reactor, multi_thread(1).handle()).unwrap();
    }
}

#[test]
fn a_runtime_that_has_been_shut_down_is_an_error_that_says_so() {
    for (name, runtime) in runtimes() {
        let handle = runtime.handle().clone();
        drop(runtime);
        let reactor = Reactor::new().unwrap();
        let error = attach_on(&reactor, &handle).unwrap_err();
        assert!(matches!(error, AttachError::Register(_)), "{name}");
        assert!(error.source().is_some());
        assert!(error.to_string().contains("shutdown"), "{name}: {error}");
        attach_on(&reactor, multi_thread(1).handle()).unwrap();
    }
}

/// The task is dropped where it is spawned then: one worker is gone, and the
/// other keeps the IO alive.
#[test]
fn a_runtime_that_is_shutting_down_is_an_error_that_says_so() {
    let runtime = multi_thread(2);
    let handle = runtime.handle().clone();
    let (release, held) = mpsc::channel::<()>();
    let (begun, begins) = mpsc::channel();
    runtime.spawn(async move {
        begun.send(()).unwrap();
        let _ = held.recv();
    });
    begins.recv_timeout(LIMIT).unwrap();
    runtime.shutdown_background();
    let reactor = Reactor::new().unwrap();
    let error = Cell::new(None);
    block_until(|| match attach_on(&reactor, &handle) {
        // The other worker has not looked yet.
        Ok(driver) => {
            driver.detach();
            false
        }
        Err(refused) => {
            error.set(Some(refused));
            true
        }
    });
    let error = error.take().unwrap();
    assert!(matches!(error, AttachError::Register(_)), "{error}");
    assert!(error.to_string().contains("shut down"), "{error}");
    drop(release);
    attach_on(&reactor, multi_thread(1).handle()).unwrap();
}

#[test]
fn a_reactor_has_one_driver() {
    let reactor = Reactor::new().unwrap();
    let runtime = multi_thread(1);
    let driver = attach_on(&reactor, runtime.handle()).unwrap();
    let error = attach_on(&reactor, runtime.handle()).unwrap_err();
    assert!(matches!(error, AttachError::Reactor(_)));
    driver.detach();
    let second = attach_on(&reactor, runtime.handle()).unwrap();
    assert!(!driver.is_attached());
    assert!(second.is_attached());
}

#[test]
fn dropping_the_runtime_ends_the_driver_and_nothing_else() {
    for (name, runtime) in runtimes() {
        let reactor = Reactor::new().unwrap();
        let driver = attach_on(&reactor, runtime.handle()).unwrap();
        drop(runtime);
        assert!(!driver.is_attached(), "{name}");
        // Adds go on working, and are served by whoever comes.
        let (_, count) = add_counter(&reactor, millis(1));
        let next = multi_thread(1);
        attach_on(&reactor, next.handle()).unwrap();
        block_until(|| count.get() >= 3);
        assert_eq!(Arc::as_ptr(driver.reactor()), Arc::as_ptr(&reactor));
    }
}
