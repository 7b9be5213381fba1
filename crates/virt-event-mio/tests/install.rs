//! Installing, twice by mistake, and again after the first poll has ended.
//! libvirt takes one loop per process, so this is one test in a process.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};
use virt::connect::Connect;
use virt_event_mio::{AttachError, InstallError, Reactor, Source, install, mio};

const PATIENCE: Duration = Duration::from_secs(30);
const LIBVIRT: Token = Token(0);

#[test]
fn installs_refuses_a_second_driver_and_installs_again() {
    let mut first = Poll::new().unwrap();
    let (source, driver) = install(first.registry(), LIBVIRT).unwrap();
    assert!(Arc::ptr_eq(
        driver.reactor(),
        &Reactor::installed().unwrap()
    ));

    let mut second = Poll::new().unwrap();
    let error = install(second.registry(), LIBVIRT).unwrap_err();
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
    tick(&mut first, &source, &ticks);

    // The timer and the connection outlive the poll that they began on.
    drop((first, source));
    assert!(!driver.is_attached());
    let (source, driver) = install(second.registry(), LIBVIRT).unwrap();
    tick(&mut second, &source, &ticks);

    drop(timer);
    drop(connection);
    driver.drain(PATIENCE).unwrap();
}

/// Polls until the timer has ticked three times more.
fn tick(poll: &mut Poll, source: &Source, ticks: &AtomicUsize) {
    let enough = ticks.load(Ordering::SeqCst) + 3;
    let end = Instant::now() + PATIENCE;
    let mut events = Events::with_capacity(4);
    while ticks.load(Ordering::SeqCst) < enough {
        assert!(Instant::now() < end, "the timer does not tick");
        match poll.poll(&mut events, Some(PATIENCE)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            polled => polled.unwrap(),
        }
        for event in &events {
            assert_eq!(event.token(), LIBVIRT);
            source.dispatch().unwrap();
        }
    }
}
