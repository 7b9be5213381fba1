//! Console streams of a real guest: over the socket of a libvirtd, and with the
//! driver in this process, whose streams are descriptors on the loop.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use virt::connect::Connect;
use virt::domain::Domain;
use virt::stream::Stream;
use virt_event_loop::EventLoop;
use virt_event_monitor::domain::Lifecycle;
use virt_event_monitor::{CloseReason, Error, Monitor, StreamEvents, StreamHandle, StreamWatch};
use virt_event_tests::rig::{Daemon, Embedded, Guest, RigError, patience, wait_until};
use virt_event_tests::running_loop;

type Tested = Result<(), Box<dyn std::error::Error>>;

/// A guest with its console, paused before its first instruction.
struct Scene {
    console: StreamWatch,
    heard: Receiver<Heard>,
    monitor: Monitor,
    guest: Guest,
}

/// What the closure of a console sends on.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Bytes(Vec<u8>),
    End,
    Failed(String),
    /// Called with `ERROR` and `HANGUP`, as at the end of a connection.
    HungUp,
}

fn open(uri: &str) -> Result<Connect, virt::error::Error> {
    running_loop::ensure();
    Connect::open(Some(uri))
}

fn console_of(monitor: &Monitor, domain: &Domain) -> Stream {
    let stream = Stream::new(monitor.connection(), virt::sys::VIR_STREAM_NONBLOCK).unwrap();
    domain.open_console(None, &stream, 0).unwrap();
    stream
}

/// A guest before its first instruction, with a console that nobody watches.
fn paused_guest(daemon: &Daemon) -> Result<(Guest, Monitor, Stream), Box<dyn std::error::Error>> {
    let connection = open(&daemon.qemu_uri())?;
    let guest = Guest::create_paused(&connection, daemon.guests(), "guest")?;
    let monitor = Monitor::new(&connection)?;
    let stream = console_of(&monitor, guest.domain());
    Ok((guest, monitor, stream))
}

impl Scene {
    fn new(connection: &Connect, guest: Guest) -> Self {
        let monitor = Monitor::new(connection).unwrap();
        let stream = console_of(&monitor, guest.domain());
        let (sender, heard) = channel();
        let console = StreamWatch::new(
            &monitor,
            stream,
            StreamEvents::READABLE,
            move |stream, events| receive(stream, events, &sender),
        )
        .unwrap();
        Self {
            console,
            heard,
            monitor,
            guest,
        }
    }

    fn on(daemon: &Daemon, name: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let connection = open(&daemon.qemu_uri())?;
        let guest = Guest::create_paused(&connection, daemon.guests(), name)?;
        Ok(Self::new(&connection, guest))
    }

    fn boot(&self) {
        self.guest.domain().resume().unwrap();
        self.expect(Guest::BANNER);
    }

    /// Waits until exactly these bytes have come.
    fn expect(&self, expected: &[u8]) {
        let mut got = Vec::new();
        while got.len() < expected.len() {
            match self.heard.recv_timeout(patience()) {
                Ok(Heard::Bytes(bytes)) => got.extend(bytes),
                other => panic!("{other:?} after {:?}", String::from_utf8_lossy(&got)),
            }
        }
        assert!(got == expected, "{}", String::from_utf8_lossy(&got));
    }

    fn send(&self, bytes: &[u8]) {
        let mut rest = bytes;
        wait_until("everything is sent", || {
            if let Some(count) = self.console.handle().send(rest).unwrap() {
                rest = &rest[count..];
            }
            rest.is_empty()
        })
        .unwrap();
    }
}

/// Receives what there is.
fn receive(stream: &StreamHandle, events: StreamEvents, sender: &Sender<Heard>) {
    if events.contains(StreamEvents::ERROR | StreamEvents::HANGUP) {
        let _ = sender.send(Heard::HungUp);
    }
    let mut buffer = [0; 4096];
    loop {
        let heard = match stream.recv(&mut buffer) {
            Ok(None) => return,
            Ok(Some(0)) => Heard::End,
            Ok(Some(count)) => Heard::Bytes(buffer[..count].to_vec()),
            Err(error) => Heard::Failed(error.to_string()),
        };
        let ends = !matches!(heard, Heard::Bytes(_));
        let _ = sender.send(heard);
        if ends {
            // Otherwise it would be called again and again.
            let _ = stream.set_interest(StreamEvents::empty());
            return;
        }
    }
}

#[test]
fn a_guest_echoes_and_floods_byte_for_byte() -> Tested {
    let daemon = Daemon::start()?;
    let scene = Scene::on(&daemon, "guest")?;
    scene.boot();
    scene.send(b"hello");
    scene.expect(b"hello");
    scene.send(&[Guest::FLOOD]);
    let mut flood = vec![b'x'; 65_536];
    flood.extend(Guest::DONE);
    scene.expect(&flood);
    scene.console.finish()?;
    Ok(())
}

#[test]
fn without_interest_nothing_is_heard_and_nothing_is_lost() -> Tested {
    let daemon = Daemon::start()?;
    let scene = Scene::on(&daemon, "guest")?;
    scene.boot();
    let handle = scene.console.handle();
    handle.set_interest(StreamEvents::empty())?;
    scene.send(b"silence");
    assert!(
        scene
            .heard
            .recv_timeout(Duration::from_millis(300))
            .is_err(),
        "nobody asked"
    );
    handle.set_interest(StreamEvents::READABLE)?;
    scene.expect(b"silence");
    Ok(())
}

#[test]
fn a_stream_says_when_it_can_be_sent_to() -> Tested {
    let daemon = Daemon::start()?;
    let (guest, monitor, stream) = paused_guest(&daemon)?;
    let (sender, heard) = channel();
    let mut sent = false;
    let console = StreamWatch::new(
        &monitor,
        stream,
        StreamEvents::READABLE,
        move |stream, events| {
            if events.contains(StreamEvents::WRITABLE) && !sent {
                sent = stream.send(b"!").unwrap() == Some(1);
                stream.set_interest(StreamEvents::READABLE).unwrap();
            }
            receive(stream, events, &sender);
        },
    )?;
    guest.domain().resume()?;
    let mut got = Vec::new();
    let mut asked = false;
    while !got.ends_with(b"!") {
        match heard.recv_timeout(patience())? {
            Heard::Bytes(bytes) => got.extend(bytes),
            other => panic!("{other:?}"),
        }
        // Before its banner the guest loses what it gets.
        if got.ends_with(Guest::BANNER) && !asked {
            asked = true;
            let both = StreamEvents::READABLE | StreamEvents::WRITABLE;
            console.handle().set_interest(both)?;
        }
    }
    Ok(())
}

#[test]
fn a_guest_that_goes_ends_its_stream() -> Tested {
    let daemon = Daemon::start()?;
    for way in ["power-off", "destroy", "kill"] {
        let scene = Scene::on(&daemon, way)?;
        scene.boot();
        match way {
            "power-off" => scene.send(&[Guest::POWER_OFF]),
            "destroy" => scene.guest.domain().destroy()?,
            _ => scene.guest.kill()?,
        }
        let end = scene.heard.recv_timeout(patience())?;
        assert_eq!(end, Heard::End, "{way}");
        assert_eq!(scene.monitor.close_reason(), None);
        let handle = scene.console.handle().clone();
        // What libvirt says of a stream that broke off is its own business.
        let _ = scene.console.finish();
        assert!(matches!(handle.recv(&mut [0; 8]), Err(Error::StreamEnded)));
        assert!(matches!(handle.send(b"x"), Err(Error::StreamEnded)));
        let update = handle.set_interest(StreamEvents::READABLE);
        assert!(matches!(update, Err(Error::StreamEnded)));
    }
    Ok(())
}

/// libvirt itself would never call, and a receiver would hear for ever that it
/// would block.
#[test]
fn a_daemon_that_is_killed_ends_every_stream() -> Tested {
    let daemon = Daemon::start()?;
    let scene = Scene::on(&daemon, "guest")?;
    scene.boot();
    daemon.kill()?;
    assert_eq!(scene.heard.recv_timeout(patience())?, Heard::HungUp);
    let Heard::Failed(message) = scene.heard.recv_timeout(patience())? else {
        panic!("not an error");
    };
    assert_eq!(message, "the connection was closed: end of file");
    assert!(
        scene.heard.recv_timeout(patience()).is_err(),
        "the closure is gone"
    );
    let handle = scene.console.handle().clone();
    for result in [
        handle.recv(&mut [0; 8]).map(drop),
        handle.send(b"x").map(drop),
        handle.set_interest(StreamEvents::READABLE),
        scene.console.finish(),
    ] {
        assert!(
            matches!(result, Err(Error::ConnectionClosed(CloseReason::Eof))),
            "{result:?}"
        );
    }

    // A watch that comes too late is refused, and gives the stream back.
    let stream = Stream::new(scene.monitor.connection(), virt::sys::VIR_STREAM_NONBLOCK)?;
    let refused = StreamWatch::new(&scene.monitor, stream, StreamEvents::READABLE, |_, _| {});
    assert!(matches!(
        refused.unwrap_err().error,
        Error::ConnectionClosed(CloseReason::Eof)
    ));
    Ok(())
}

#[test]
fn what_had_arrived_can_be_received_after_the_end() -> Tested {
    let daemon = Daemon::start()?;
    let (guest, monitor, stream) = paused_guest(&daemon)?;
    let (sender, heard) = channel();
    // It does not receive before the end.
    let console = StreamWatch::new(
        &monitor,
        stream,
        StreamEvents::empty(),
        move |stream, events| receive(stream, events, &sender),
    )?;
    guest.domain().resume()?;
    console.handle().set_interest(StreamEvents::empty())?;
    // The banner is in this process once a byte of it can be received.
    let mut first = [0];
    wait_until("the banner arrives", || {
        console.handle().recv(&mut first).unwrap() == Some(1)
    })?;
    daemon.kill()?;
    assert_eq!(heard.recv_timeout(patience())?, Heard::HungUp);
    let mut got = first.to_vec();
    loop {
        match heard.recv_timeout(patience())? {
            Heard::Bytes(bytes) => got.extend(bytes),
            Heard::Failed(_) => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(Guest::BANNER.starts_with(&got), "{got:?}");
    Ok(())
}

#[test]
fn a_watch_may_be_dropped_inside_its_own_closure() -> Tested {
    let daemon = Daemon::start()?;
    let (guest, monitor, stream) = paused_guest(&daemon)?;
    let (give, take) = channel::<StreamWatch>();
    let token = Arc::new(());
    let kept = Arc::clone(&token);
    let (sender, called) = channel();
    let console = StreamWatch::new(&monitor, stream, StreamEvents::READABLE, move |_, _| {
        let _ = &kept;
        drop(take.recv_timeout(patience()));
        sender.send(()).unwrap();
    })?;
    give.send(console)?;
    guest.domain().resume()?;
    called.recv_timeout(patience())?;
    wait_until("the closure is freed", || Arc::strong_count(&token) == 1)?;
    // The console is free again.
    Scene::again(&monitor, guest.domain())?.abort()?;
    Ok(())
}

impl Scene {
    /// Another console of the same guest, when libvirt has let go of the first.
    fn again(monitor: &Monitor, domain: &Domain) -> Result<Stream, RigError> {
        let mut opened = None;
        wait_until("the console is free", || {
            let stream = Stream::new(monitor.connection(), virt::sys::VIR_STREAM_NONBLOCK);
            let stream = stream.unwrap();
            let free = domain.open_console(None, &stream, 0).is_ok();
            if free {
                opened = Some(stream);
            }
            free
        })?;
        Ok(opened.expect("the wait is over"))
    }
}

#[test]
fn a_panic_in_a_closure_ends_one_call_only() -> Tested {
    let daemon = Daemon::start()?;
    let (guest, monitor, stream) = paused_guest(&daemon)?;
    let (sender, heard) = channel();
    let mut calls = 0;
    let _console = StreamWatch::new(
        &monitor,
        stream,
        StreamEvents::READABLE,
        move |stream, events| {
            calls += 1;
            assert_ne!(calls, 1, "a panic that the test wants");
            receive(stream, events, &sender);
        },
    )?;
    guest.domain().resume()?;
    assert!(matches!(heard.recv_timeout(patience())?, Heard::Bytes(_)));
    Ok(())
}

#[test]
fn what_is_no_open_stream_is_refused_and_comes_back() -> Tested {
    let daemon = Daemon::start()?;
    let connection = open(&daemon.qemu_uri())?;
    let monitor = Monitor::new(&connection)?;
    let stream = Stream::new(&connection, virt::sys::VIR_STREAM_NONBLOCK)?;
    let token = Arc::new(());
    let kept = Arc::clone(&token);
    let refused = StreamWatch::new(&monitor, stream, StreamEvents::READABLE, move |_, _| {
        let _ = &kept;
    });
    let rejected = refused.unwrap_err();
    assert!(
        matches!(rejected.error, Error::Libvirt { .. }),
        "{rejected}"
    );
    assert!(
        rejected.to_string().starts_with("cannot watch the stream"),
        "{rejected}"
    );
    wait_until("the closure is freed", || Arc::strong_count(&token) == 1)?;
    // It can still be used.
    let guest = Guest::create_paused(&connection, daemon.guests(), "guest")?;
    guest.domain().open_console(None, &rejected.inner, 0)?;
    let _console = StreamWatch::new(&monitor, rejected.inner, StreamEvents::READABLE, |_, _| {})?;
    Ok(())
}

/// The driver in this process: its streams are descriptors, and one whose
/// callback were taken away after its end would be watched for ever.
#[test]
fn the_drivers_own_streams_leave_nothing_behind() -> Result<(), RigError> {
    Embedded::play("the_drivers_own_streams_leave_nothing_behind", |embedded| {
        virt::error::clear_error_callback();
        let thread = EventLoop::install().unwrap().spawn().unwrap();
        let connection = Connect::open(Some(&embedded.uri())).unwrap();
        for way in ["finish", "abort", "drop", "power-off"] {
            let guest = Guest::create_paused(&connection, embedded.guests(), way).unwrap();
            let scene = Scene::new(&connection, guest);
            scene.boot();
            scene.send(b"hello");
            scene.expect(b"hello");
            match way {
                "finish" => scene.console.finish().unwrap(),
                "abort" => scene.console.abort().unwrap(),
                "drop" => drop(scene.console),
                _ => {
                    scene.send(&[Guest::POWER_OFF]);
                    // A pseudo-terminal hangs up; then comes the end.
                    for expected in [Heard::HungUp, Heard::End] {
                        assert_eq!(scene.heard.recv_timeout(patience()).unwrap(), expected);
                    }
                    let _ = scene.console.finish();
                }
            }
            if way != "power-off" {
                scene.guest.domain().destroy().unwrap();
            }
        }
        // Its domain events run on our loop, too.
        let (sender, events) = channel();
        let subscription = Monitor::new(&connection)
            .unwrap()
            .subscribe::<Lifecycle>()
            .callback(move |event| sender.send(event.to_string()).unwrap())
            .unwrap();
        let guest = Guest::create_paused(&connection, embedded.guests(), "last").unwrap();
        guest.domain().destroy().unwrap();
        let stopped = "last: stopped (destroyed)";
        while events.recv_timeout(patience()).unwrap() != stopped {}
        drop((guest, subscription, connection));
        let event_loop = thread.stop().unwrap();
        event_loop.drain(patience()).unwrap();
    })
}
