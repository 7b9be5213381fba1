//! What a monitor and its subscriptions hear, and do, when the host goes away:
//! on a real libvirtd, which is killed, stopped and frozen.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

use virt::connect::Connect;
use virt_event_monitor::domain::Lifecycle;
use virt_event_monitor::{CloseReason, Error, Monitor, StreamError};
use virt_event_tests::rig::{Daemon, patience, wait_until};
use virt_event_tests::running_loop;

type Tested = Result<(), Box<dyn std::error::Error>>;

fn open(uri: &str) -> Result<(Connect, Monitor), Box<dyn std::error::Error>> {
    running_loop::ensure();
    let connection = Connect::open(Some(uri))?;
    let monitor = Monitor::new(&connection)?;
    Ok((connection, monitor))
}

fn reasons(monitor: &Monitor) -> (virt_event_monitor::CloseSubscription, Receiver<CloseReason>) {
    let (sender, receiver) = channel();
    let subscription = monitor.on_close(move |reason| sender.send(reason).unwrap());
    (subscription, receiver)
}

#[test]
fn every_subscriber_hears_of_a_daemon_that_is_killed() -> Tested {
    let daemon = Daemon::start()?;
    let (connection, monitor) = open(&daemon.test_uri())?;
    let domain = connection.lookup_domain_by_name("test")?;
    let (_one, of_one) = reasons(&monitor);
    let (_two, of_two) = reasons(&monitor);
    let (called_off, of_called_off) = reasons(&monitor);
    drop(called_off);
    let mut events = monitor.lifecycle()?;
    let mut of_domain = monitor.subscribe::<Lifecycle>().of(&domain).stream()?;
    let mut closed = monitor.closed();
    assert_eq!(monitor.close_reason(), None);

    daemon.kill()?;
    assert_eq!(of_one.recv_timeout(patience())?, CloseReason::Eof);
    assert_eq!(of_two.recv_timeout(patience())?, CloseReason::Eof);
    assert!(
        of_called_off.recv_timeout(patience()).is_err(),
        "disconnected"
    );
    for events in [&mut events, &mut of_domain] {
        let end = block_on(events.next());
        assert_eq!(end, Some(Err(StreamError::Closed(CloseReason::Eof))));
        assert_eq!(block_on(events.next()), None);
        assert_eq!(block_on(events.next()), None);
    }
    assert_eq!(block_on(&mut closed), CloseReason::Eof);
    assert_eq!(block_on(&mut closed), CloseReason::Eof);
    assert_eq!(monitor.close_reason(), Some(CloseReason::Eof));

    // Who comes late is told as well, or is refused, and nobody waits.
    let (_late, of_late) = reasons(&monitor);
    assert_eq!(of_late.recv_timeout(patience())?, CloseReason::Eof);
    assert_eq!(block_on(monitor.closed()), CloseReason::Eof);
    let refused = monitor
        .subscribe::<virt_event_monitor::domain::Reboot>()
        .stream();
    assert!(
        matches!(refused, Err(Error::ConnectionClosed(CloseReason::Eof))),
        "{refused:?}"
    );
    // libvirt itself would say that the slot is taken.
    drop((monitor, events, of_domain, closed, _one, _two, _late));
    let error = Monitor::new(&connection).unwrap_err();
    assert!(matches!(error, Error::Libvirt { .. }), "{error:?}");
    Ok(())
}

#[test]
fn what_had_arrived_comes_before_the_end() -> Tested {
    const EVENTS: usize = 20;
    for _ in 0..10 {
        let daemon = Daemon::start()?;
        let (connection, monitor) = open(&daemon.test_uri())?;
        let (sender, seen) = channel();
        // The callback and the stream share what libvirt delivers.
        let _subscription = monitor.subscribe::<Lifecycle>().callback(move |_| {
            let _ = sender.send(());
        })?;
        let mut events = monitor.lifecycle()?;
        let domain = connection.lookup_domain_by_name("test")?;
        for _ in 0..EVENTS / 2 {
            domain.suspend()?;
            domain.resume()?;
        }
        // Some are here, others may be on their way.
        for _ in 0..EVENTS / 2 {
            seen.recv_timeout(patience())?;
        }
        daemon.kill()?;
        let mut of_stream = 0;
        let mut end = None;
        while let Some(event) = block_on(events.next()) {
            match event {
                Ok(_) => of_stream += 1,
                Err(error) => end = Some(error),
            }
        }
        assert_eq!(end, Some(StreamError::Closed(CloseReason::Eof)));
        assert_eq!(of_stream, EVENTS / 2 + seen.try_iter().count());
    }
    Ok(())
}

#[test]
fn a_daemon_that_ends_in_order_is_an_end_as_well() -> Tested {
    let daemon = Daemon::start()?;
    let (_connection, monitor) = open(&daemon.test_uri())?;
    let (_subscription, reason) = reasons(&monitor);
    daemon.terminate()?;
    assert_eq!(reason.recv_timeout(patience())?, CloseReason::Eof);
    Ok(())
}

#[test]
fn a_client_that_is_cut_off_hears_of_it() -> Tested {
    let daemon = Daemon::start()?;
    let (_connection, monitor) = open(&daemon.test_uri())?;
    daemon.disconnect(daemon.clients()?[0])?;
    assert_eq!(block_on(monitor.closed()), CloseReason::Eof);
    Ok(())
}

#[test]
fn a_silent_daemon_is_given_up_with_keepalive() -> Tested {
    let daemon = Daemon::start()?;
    let (connection, monitor) = open(&daemon.test_uri())?;
    connection.set_keep_alive(1, 2)?;
    let mut events = monitor.lifecycle()?;
    daemon.freeze()?;
    let end = block_on(events.next());
    assert_eq!(end, Some(Err(StreamError::Closed(CloseReason::Keepalive))));
    drop((events, monitor, connection));
    daemon.thaw()?;
    Ok(())
}

#[test]
fn closures_are_freed_whatever_happens_first() -> Tested {
    let token = Arc::new(());
    for late in [false, true] {
        let daemon = Daemon::start()?;
        let (connection, monitor) = open(&daemon.test_uri())?;
        let (kept, also) = (Arc::clone(&token), Arc::clone(&token));
        let subscription = monitor.subscribe::<Lifecycle>().callback(move |_| {
            let _ = &kept;
        })?;
        let waiting = monitor.on_close(move |_| drop(also));
        if late {
            daemon.kill()?;
            block_on(monitor.closed());
            drop((monitor, connection, subscription, waiting));
        } else {
            drop((subscription, waiting));
            daemon.kill()?;
            block_on(monitor.closed());
            drop((monitor, connection));
        }
        wait_until("both closures are freed", || Arc::strong_count(&token) == 1)?;
    }
    Ok(())
}

#[test]
fn a_panic_in_one_close_callback_keeps_nothing_from_the_others() -> Tested {
    let daemon = Daemon::start()?;
    let (_connection, monitor) = open(&daemon.test_uri())?;
    let _panics = monitor.on_close(|_| panic!("a panic that the test wants"));
    let (_subscription, reason) = reasons(&monitor);
    daemon.kill()?;
    assert_eq!(reason.recv_timeout(patience())?, CloseReason::Eof);
    Ok(())
}

#[test]
fn all_may_be_dropped_inside_the_close_callback() -> Tested {
    let daemon = Daemon::start()?;
    let (connection, monitor) = open(&daemon.test_uri())?;
    let subscription = monitor.subscribe::<Lifecycle>().callback(|_| {})?;
    let events = monitor.lifecycle()?;
    let (sender, dropped) = channel();
    let clone = monitor.clone();
    let waiting = monitor.on_close(move |_| {
        drop((subscription, events, clone, connection));
        sender.send(()).unwrap();
    });
    drop(monitor);
    daemon.kill()?;
    dropped.recv_timeout(patience())?;
    drop(waiting);
    Ok(())
}

#[test]
fn a_slot_that_other_code_took_is_an_error_that_says_so() -> Tested {
    let daemon = Daemon::start()?;
    running_loop::ensure();
    let connection = Connect::open(Some(&daemon.test_uri()))?;
    taken::take(&connection);
    let error = Monitor::new(&connection).unwrap_err();
    assert!(matches!(error, Error::CloseCallbackTaken), "{error:?}");
    assert!(error.to_string().contains("taken by other code"), "{error}");
    taken::release(&connection);
    drop(Monitor::new(&connection)?);
    // A monitor that goes gives the slot back.
    taken::take(&connection);
    taken::release(&connection);
    Ok(())
}

/// Other code that uses libvirt's functions itself.
mod taken {
    #![expect(unsafe_code, reason = "what `virt` does not wrap")]

    use std::ffi::{c_int, c_void};

    use virt::connect::Connect;
    use virt::sys;

    const FUNCTION: sys::virConnectCloseFunc = Some(ignore);

    pub(super) fn take(connection: &Connect) {
        // SAFETY: used in the next call only.
        let raw = unsafe { connection.as_ptr() };
        // SAFETY: a live connection, and a callback that uses no data.
        let taken = unsafe {
            sys::virConnectRegisterCloseCallback(raw, FUNCTION, std::ptr::null_mut(), None)
        };
        assert_eq!(taken, 0);
    }

    pub(super) fn release(connection: &Connect) {
        // SAFETY: used in the next call only.
        let raw = unsafe { connection.as_ptr() };
        // SAFETY: a live connection.
        let released = unsafe { sys::virConnectUnregisterCloseCallback(raw, FUNCTION) };
        assert_eq!(released, 0);
    }

    unsafe extern "C" fn ignore(_: sys::virConnectPtr, _: c_int, _: *mut c_void) {}
}

/// Polls a future on this thread until it is ready.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let deadline = Instant::now() + patience();
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "not ready within {:?}", patience());
        thread::park_timeout(left);
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
