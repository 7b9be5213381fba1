//! One test, because libvirt takes one loop per process.

use std::sync::Arc;
use std::time::Duration;

use virt::connect::Connect;
use virt_event_loop::EventLoop;
use virt_event_tokio::{AttachError, Drive, InstallError, Reactor, install, install_on};

mod support;

use support::{Count, LIMIT, current_thread, multi_thread};

/// Runtimes that follow each other share what libvirt was given; at the end the
/// built-in loop takes over.
#[test]
fn each_runtime_takes_over_from_the_one_before() {
    let mut reactors = Vec::new();
    for runtime in [current_thread(), multi_thread(2)] {
        let driver = runtime.block_on(async {
            let driver = install().unwrap();
            let error = install().unwrap_err();
            assert!(matches!(
                error,
                InstallError::Attach(AttachError::Reactor(_))
            ));

            let open = || Connect::open(Some("test:///default")).unwrap();
            let connection = tokio::task::spawn_blocking(open).await.unwrap();
            let count = Count::default();
            let counter = count.clone();
            let timer =
                virt_event::add_timeout(Duration::from_millis(1), move || counter.add()).unwrap();
            count.grows(3).await;
            drop(timer);
            drop(connection);
            driver.drain(LIMIT).await.unwrap();
            driver
        });
        assert!(driver.is_attached());
        drop(runtime);
        assert!(!driver.is_attached());
        reactors.push(driver.reactor().clone());
    }
    let installed = Reactor::installed().unwrap();
    for reactor in &reactors {
        assert!(Arc::ptr_eq(reactor, &installed));
    }

    let runtime = current_thread();
    runtime.block_on(async {
        let mut drive = Drive::install().unwrap();
        assert!(Drive::install().is_err());
        let count = Count::default();
        let counter = count.clone();
        let _timer =
            virt_event::add_timeout(Duration::from_millis(1), move || counter.add()).unwrap();
        tokio::select! {
            ended = &mut drive => panic!("{ended:?}"),
            () = count.grows(3) => {}
        }
    });

    let driver = install_on(runtime.handle()).unwrap();
    drop(runtime);
    assert!(!driver.is_attached());

    // No driver is alive, and adds work.
    let count = Count::default();
    let counter = count.clone();
    let timer = virt_event::add_timeout(Duration::from_millis(1), move || counter.add()).unwrap();
    let event_loop = EventLoop::install().unwrap();
    while count.get() < 3 {
        event_loop.run_once(Some(LIMIT)).unwrap();
    }
    drop(timer);
    event_loop.drain(LIMIT).unwrap();
}
