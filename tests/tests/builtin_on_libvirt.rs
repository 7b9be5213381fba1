//! The built-in loop inside the real libvirt: installed, driven in every way
//! that there is, handed over, shared with a program's own descriptors and
//! timers, and drained. One test, because a process has one loop.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use virt::connect::Connect;
use virt_event::{HandleEvents, Period};
use virt_event_loop::{AttachError, EventLoop, InstallError, Leftover, Reactor};
use virt_event_monitor::Monitor;
use virt_event_monitor::domain::Lifecycle;

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_program_from_its_start_to_its_end() {
    assert!(
        virt_event::add_timeout(Period::DISABLED, || {}).is_err(),
        "nothing is installed yet"
    );
    let event_loop = EventLoop::install().unwrap();
    assert!(matches!(
        EventLoop::install().unwrap_err(),
        InstallError::Attach(AttachError::AlreadyAttached)
    ));
    assert!(Reactor::installed().is_some());

    let connection = Connect::open(Some("test:///default")).unwrap();
    let (sender, events) = mpsc::channel();
    let monitor = Monitor::new(&connection).unwrap();
    let subscription = monitor
        .subscribe::<Lifecycle>()
        .callback(move |event| sender.send(event.to_string()).unwrap())
        .unwrap();
    let domain = connection.lookup_domain_by_name("test").unwrap();

    // Driven one iteration at a time.
    domain.suspend().unwrap();
    run_until_event(&event_loop, &events, "test: suspended (paused)");

    // Driven until stopped, on this thread, by a stop from a callback.
    let handle = event_loop.handle();
    let mut ticks = 0;
    let timer = virt_event::add_timeout(Duration::from_millis(1), move || {
        ticks += 1;
        if ticks == 3 {
            handle.stop();
        }
    })
    .unwrap();
    event_loop.run().unwrap();
    drop(timer);

    // Driven by a thread, and given back.
    let thread = event_loop.spawn().unwrap();
    domain.resume().unwrap();
    let event = events.recv_timeout(PATIENCE).unwrap();
    assert_eq!(event, "test: resumed (unpaused)");
    let event_loop = thread.stop().unwrap();

    // Detached: what happens meanwhile waits for the next driver.
    drop(event_loop);
    domain.suspend().unwrap();
    assert!(events.try_recv().is_err());
    let event_loop = EventLoop::install().expect("our own reactor is reused");
    run_until_event(&event_loop, &events, "test: suspended (paused)");

    a_watch_of_the_programs_own(&event_loop);

    // While something is registered the drain says what.
    let error = event_loop.drain(Duration::from_millis(1)).unwrap_err();
    assert!(
        matches!(error.left[..], [Leftover::Timeout { .. }]),
        "{error}"
    );
    drop((subscription, monitor, domain));
    drop(connection);
    event_loop.drain(PATIENCE).unwrap();
    let stats = event_loop.driver().stats();
    assert_eq!(
        (stats.watches, stats.timers, stats.pending_frees),
        (0, 0, 0)
    );
}

fn run_until_event(event_loop: &EventLoop, events: &Receiver<String>, expected: &str) {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Ok(event) = events.try_recv() {
            assert_eq!(event, expected);
            return;
        }
        let left = end.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "no event {expected:?}");
        event_loop.run_once(Some(left)).unwrap();
    }
}

fn a_watch_of_the_programs_own(event_loop: &EventLoop) {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let (sender, seen) = mpsc::channel();
    let watch = virt_event::add_handle(ours, HandleEvents::READABLE, move |events| {
        sender.send(events).unwrap();
    })
    .unwrap();
    theirs.write_all(b"x").unwrap();
    event_loop.run_once(Some(PATIENCE)).unwrap();
    assert_eq!(seen.recv_timeout(PATIENCE), Ok(HandleEvents::READABLE));

    watch.update(HandleEvents::empty());
    event_loop.run_once(Some(Duration::ZERO)).unwrap();
    assert!(seen.try_recv().is_err(), "it is parked");

    let ours = watch.remove().unwrap();
    assert!(ours.peer_addr().is_ok(), "removing gives it back open");

    // Dropping a watch closes what it owns, after ending the watch.
    let watch = virt_event::add_handle(ours, HandleEvents::READABLE, |_| {}).unwrap();
    drop(watch);
    let error = theirs.write_all(b"x").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    event_loop.run_once(Some(Duration::ZERO)).unwrap();
    assert!(matches!(
        seen.try_recv(),
        Err(mpsc::TryRecvError::Disconnected)
    ));
}
