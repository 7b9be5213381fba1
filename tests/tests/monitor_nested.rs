//! Closures that turn the loop themselves while their host dies. The loop is
//! turned by the tests, one after the other.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use virt::connect::Connect;
use virt::stream::Stream;
use virt_event_loop::EventLoop;
use virt_event_monitor::domain::Lifecycle;
use virt_event_monitor::{
    CloseReason, CloseSubscription, Monitor, StreamError, StreamEvents, StreamWatch,
};
use virt_event_tests::rig::{Daemon, Guest, patience};

type Tested = Result<(), Box<dyn std::error::Error>>;

static LOOP: LazyLock<EventLoop> = LazyLock::new(|| {
    virt::error::clear_error_callback();
    EventLoop::install().unwrap()
});

/// One test at a time may turn the loop.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    LazyLock::force(&LOOP);
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn turn_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience();
    while !done() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        LOOP.run_once(Some(Duration::from_millis(10))).unwrap();
    }
}

/// Set at the end of the connection.
fn flag_of(monitor: &Monitor) -> (Arc<AtomicBool>, CloseSubscription) {
    let closed = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&closed);
    let subscription = monitor.on_close(move |_| flag.store(true, Ordering::SeqCst));
    (closed, subscription)
}

/// libvirt keeps the others back while the first callback runs, and the end of the
/// connection overtakes them.
#[test]
fn what_had_arrived_is_in_the_stream_before_the_end() -> Tested {
    let _alone = alone();
    let daemon = Arc::new(Daemon::start()?);
    let connection = Connect::open(Some(&daemon.test_uri()))?;
    let monitor = Monitor::new(&connection)?;
    let (closed, _waiting) = flag_of(&monitor);
    let seen = Arc::new(Mutex::new(0));
    let _subscription = {
        let (daemon, closed, seen) = (daemon.clone(), closed.clone(), seen.clone());
        let mut first = true;
        monitor.subscribe::<Lifecycle>().callback(move |_| {
            *seen.lock().unwrap() += 1;
            if std::mem::take(&mut first) {
                daemon.kill().unwrap();
                turn_until("the end", || closed.load(Ordering::SeqCst));
            }
        })?
    };
    // Behind the callback in the list of those who hear of it.
    let mut events = monitor.lifecycle()?;
    let domain = connection.lookup_domain_by_name("test")?;
    // These calls bring the events into this process; the loop does not turn yet.
    for _ in 0..5 {
        domain.suspend()?;
        domain.resume()?;
    }
    connection.hostname()?;
    turn_until("the first callback is over", || {
        closed.load(Ordering::SeqCst)
    });
    // What waited comes in the next turns.
    for _ in 0..3 {
        LOOP.run_once(Some(Duration::ZERO))?;
    }
    let seen = *seen.lock().unwrap();
    assert!(seen > 1, "several had arrived");
    let mut of_stream = 0;
    let end = loop {
        let mut context = Context::from_waker(Waker::noop());
        match pin!(events.next()).poll(&mut context) {
            Poll::Ready(Some(Ok(_))) => of_stream += 1,
            Poll::Ready(Some(Err(error))) => break error,
            other => panic!("{other:?} after {of_stream}"),
        }
    };
    assert_eq!(of_stream, seen);
    assert_eq!(end, StreamError::Closed(CloseReason::Eof));
    Ok(())
}

#[test]
fn a_stream_whose_closure_runs_is_told_of_the_end_afterwards() -> Tested {
    let _alone = alone();
    let daemon = Arc::new(Daemon::start()?);
    let connection = Connect::open(Some(&daemon.qemu_uri()))?;
    let guest = Guest::create_paused(&connection, daemon.guests(), "guest")?;
    let monitor = Monitor::new(&connection)?;
    let stream = Stream::new(&connection, virt::sys::VIR_STREAM_NONBLOCK)?;
    guest.domain().open_console(None, &stream, 0)?;
    let (closed, _waiting) = flag_of(&monitor);
    let calls = Arc::new(Mutex::new(Vec::new()));
    let _console = {
        let (daemon, closed, calls) = (daemon.clone(), closed.clone(), calls.clone());
        let mut first = true;
        StreamWatch::new(
            &monitor,
            stream,
            StreamEvents::READABLE,
            move |stream, events| {
                let received = stream.recv(&mut [0; 64]).map_err(|error| error.to_string());
                calls.lock().unwrap().push((events, received));
                if std::mem::take(&mut first) {
                    daemon.kill().unwrap();
                    turn_until("the end", || closed.load(Ordering::SeqCst));
                }
            },
        )?
    };
    guest.domain().resume()?;
    turn_until("both calls", || calls.lock().unwrap().len() >= 2);
    let calls = calls.lock().unwrap();
    let (last, received) = calls.last().expect("two calls");
    assert!(last.contains(StreamEvents::ERROR | StreamEvents::HANGUP));
    // The rest of the banner, or the end.
    if let Err(message) = received {
        assert_eq!(message, "the connection was closed: end of file");
    }
    Ok(())
}
