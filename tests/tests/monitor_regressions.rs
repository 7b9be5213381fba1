//! What reviewers of the monitor broke, on a real libvirtd, with the loop on a
//! thread of its own.

use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use virt::connect::Connect;
use virt::stream::Stream;
use virt_event::Period;
use virt_event_monitor::domain::{Lifecycle, Reboot, RtcChange};
use virt_event_monitor::{Error, Monitor, StreamEvents, StreamWatch, secret};
use virt_event_tests::rig::{Daemon, Guest, patience, wait_until};
use virt_event_tests::running_loop;

type Tested = Result<(), Box<dyn std::error::Error>>;

fn open(uri: &str) -> Result<(Connect, Monitor), Box<dyn std::error::Error>> {
    running_loop::ensure();
    let connection = Connect::open(Some(uri))?;
    let monitor = Monitor::new(&connection)?;
    Ok((connection, monitor))
}

/// Does something on the loop's thread, and says when it is done.
fn on_the_loop(work: impl FnOnce() + Send + 'static) -> Receiver<()> {
    let (sender, done) = channel();
    let mut work = Some(work);
    let timer = virt_event::add_timeout(Period::EVERY_ITERATION, move || {
        if let Some(work) = work.take() {
            work();
            let _ = sender.send(());
        }
    });
    // For as long as the process: it must not be removed before it has fired.
    std::mem::forget(timer.unwrap());
    done
}

/// A subscription that the host refuses while libvirt delivers an event: libvirt
/// 9.0 frees it in spite of the refusal, and it was freed twice.
#[test]
fn a_refusal_inside_a_callback_frees_once() -> Tested {
    let daemon = Daemon::start()?;
    let (connection, monitor) = open(&daemon.test_uri())?;
    let domain = connection.lookup_domain_by_name("test")?;
    let (sender, heard) = channel();
    let inner = monitor.clone();
    let _subscription = monitor.subscribe::<Lifecycle>().callback(move |_| {
        let refused = inner.subscribe::<secret::Lifecycle>().callback(|_| {});
        sender.send(refused.is_err()).unwrap();
    })?;
    for _ in 0..10 {
        domain.suspend()?;
        domain.resume()?;
    }
    for _ in 0..20 {
        assert!(heard.recv_timeout(patience())?);
    }
    // And through another turn, in which libvirt frees.
    on_the_loop(|| {}).recv_timeout(patience())?;
    Ok(())
}

#[test]
fn a_refusal_on_another_thread_while_a_callback_runs_frees_once() -> Tested {
    let daemon = Daemon::start()?;
    let (connection, monitor) = open(&daemon.test_uri())?;
    let domain = connection.lookup_domain_by_name("test")?;
    let (sender, running) = channel();
    let (go_on, wait) = channel();
    let _subscription = monitor.subscribe::<Lifecycle>().callback(move |_| {
        sender.send(()).unwrap();
        let _ = wait.recv_timeout(patience());
    })?;
    for _ in 0..10 {
        domain.suspend()?;
        running.recv_timeout(patience())?;
        let refused = monitor.subscribe::<secret::Lifecycle>().callback(|_| {});
        assert!(refused.is_err());
        go_on.send(())?;
        domain.resume()?;
        running.recv_timeout(patience())?;
        go_on.send(())?;
    }
    on_the_loop(|| {}).recv_timeout(patience())?;
    Ok(())
}

/// What needs no call to the host waits for nobody's: neither on the loop, which
/// keepalive needs, nor elsewhere.
#[test]
fn sharing_waits_for_no_call_of_another_thread() -> Tested {
    let daemon = Daemon::start()?;
    let (connection, monitor) = open(&daemon.test_uri())?;
    connection.set_keep_alive(1, 2)?;
    let _one = monitor.subscribe::<Lifecycle>().callback(|_| {})?;
    let two = monitor.subscribe::<Lifecycle>().callback(|_| {})?;
    daemon.freeze()?;
    let other = monitor.clone();
    let (sender, begins) = channel();
    let subscribing = thread::spawn(move || {
        sender.send(()).unwrap();
        other.subscribe::<Reboot>().callback(|_| {}).is_ok()
    });
    begins.recv_timeout(patience())?;
    let joining = monitor.clone();
    let shared = on_the_loop(move || {
        drop(two);
        drop(joining.subscribe::<Lifecycle>().callback(|_| {}));
    });
    shared.recv_timeout(patience())?;
    wait_until("keepalive ends the call", || subscribing.is_finished())?;
    assert!(!subscribing.join().expect("it does not panic"));
    daemon.thaw()?;
    Ok(())
}

/// Away from the loop keepalive ends the wait of a drop that talks to the host.
#[test]
fn a_drop_that_waits_for_a_silent_host_ends_with_keepalive() -> Tested {
    let daemon = Daemon::start()?;
    let (connection, monitor) = open(&daemon.test_uri())?;
    connection.set_keep_alive(1, 2)?;
    let _stays = monitor.subscribe::<Reboot>().callback(|_| {})?;
    let subscription = monitor.subscribe::<RtcChange>().callback(|_| {})?;
    daemon.freeze()?;
    let dropping = thread::spawn(move || drop(subscription));
    wait_until("the drop is over", || dropping.is_finished())?;
    daemon.thaw()?;
    Ok(())
}

/// A guest that takes no input keeps a sender for long; the watch is dropped
/// meanwhile, and the loop goes on.
#[test]
fn a_watch_that_is_dropped_during_a_send_stops_nothing() -> Tested {
    let daemon = Daemon::start()?;
    let (connection, monitor) = open(&daemon.qemu_uri())?;
    let guest = Guest::create_paused(&connection, daemon.guests(), "guest")?;
    let stream = Stream::new(&connection, virt::sys::VIR_STREAM_NONBLOCK)?;
    guest.domain().open_console(None, &stream, 0)?;
    let watch = StreamWatch::new(&monitor, stream, StreamEvents::WRITABLE, |stream, _| {
        let _ = stream.recv(&mut [0; 64]);
    })?;
    let handle = watch.handle().clone();
    let (sender, sent) = channel();
    let sending = thread::spawn(move || {
        while let Ok(Some(count)) = handle.send(&[b'x'; 60_000]) {
            sender.send(count).unwrap();
        }
    });
    // Until it is stuck: nothing was sent for a while.
    while sent.recv_timeout(Duration::from_secs(1)).is_ok() {}
    assert!(!sending.is_finished());
    let (sender, dropped) = channel();
    thread::spawn(move || {
        drop(watch);
        sender.send(()).unwrap();
    });
    dropped.recv_timeout(patience())?;
    on_the_loop(|| {}).recv_timeout(patience())?;
    daemon.kill()?;
    wait_until("the sender gives up", || sending.is_finished())?;
    Ok(())
}

#[test]
fn a_large_send_takes_the_beginning() -> Tested {
    let daemon = Daemon::start()?;
    let (connection, monitor) = open(&daemon.qemu_uri())?;
    let guest = Guest::create_paused(&connection, daemon.guests(), "guest")?;
    let stream = Stream::new(&connection, virt::sys::VIR_STREAM_NONBLOCK)?;
    guest.domain().open_console(None, &stream, 0)?;
    let watch = StreamWatch::new(&monitor, stream, StreamEvents::empty(), |_, _| {})?;
    // libvirt itself refuses 40 MiB as a whole.
    let sent = watch.handle().send(&vec![b'x'; 40 << 20])?;
    assert!(matches!(sent, Some(1..=262_144)), "{sent:?}");
    assert_eq!(watch.handle().send(&[])?, Some(0));
    daemon.kill()?;
    Ok(())
}

#[test]
fn a_lost_connection_is_not_taken_by_other_code() -> Tested {
    let daemon = Daemon::start()?;
    let (connection, monitor) = open(&daemon.test_uri())?;
    daemon.kill()?;
    wait_until("the monitor hears of it", || {
        monitor.close_reason().is_some()
    })?;
    drop(monitor);
    let error = Monitor::new(&connection).unwrap_err();
    assert!(matches!(error, Error::Libvirt { .. }), "{error:?}");
    Ok(())
}
