//! Installing, twice by mistake, and again after the first loop has ended.
//! libvirt takes one loop per process, so this is one test in a process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use calloop::EventLoop;
use virt::connect::Connect;
use virt_event_calloop::{AttachError, InstallError, Reactor, calloop, install};

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn installs_refuses_a_second_driver_and_installs_again() {
    let mut first = EventLoop::<()>::try_new().unwrap();
    let driver = install(&first.handle()).unwrap();
    assert!(Arc::ptr_eq(
        driver.reactor(),
        &Reactor::installed().unwrap()
    ));

    let second = EventLoop::<u8>::try_new().unwrap();
    let error = install(&second.handle()).unwrap_err();
    assert!(matches!(
        error,
        InstallError::Attach(AttachError::Reactor(
            virt_event_reactor::AttachError::AlreadyAttached
        ))
    ));
    assert!(error.to_string().contains("detach"), "{error}");

    let connection = Connect::open(Some("test:///default")).unwrap();
    let ticks = Arc::new(AtomicUsize::new(0));
    let inside = Arc::clone(&ticks);
    let timer = virt_event::add_timeout(Duration::from_millis(1), move || {
        inside.fetch_add(1, Ordering::SeqCst);
    })
    .unwrap();
    tick(&mut first, &ticks, &mut ());

    // The timer and the connection outlive the loop that they began on.
    drop(first);
    assert!(!driver.is_attached());
    let mut second = second;
    let driver = install(&second.handle()).unwrap();
    tick(&mut second, &ticks, &mut 0);

    drop(timer);
    drop(connection);
    driver.drain(PATIENCE).unwrap();
}

/// Dispatches until the timer has ticked three times more.
fn tick<Data>(event_loop: &mut EventLoop<'_, Data>, ticks: &AtomicUsize, data: &mut Data) {
    let enough = ticks.load(Ordering::SeqCst) + 3;
    let end = Instant::now() + PATIENCE;
    while ticks.load(Ordering::SeqCst) < enough {
        assert!(Instant::now() < end, "the timer does not tick");
        event_loop.dispatch(PATIENCE, data).unwrap();
    }
}
