//! The daemon fails while everything is under way: calls, events, a console.

use std::ops::Add;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::task::{Context, Poll, Waker};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use virt::connect::Connect;
use virt::domain::Domain;
use virt::stream::Stream;
use virt::sys;
use virt_event_examples::Failure;
use virt_event_examples::host_loop::LoopKind;
use virt_event_monitor::domain::{Lifecycle, LifecycleChange};
use virt_event_monitor::{
    CloseReason, CloseSubscription, Closed, Error, Events, Monitor, StreamError,
};
use virt_event_tests::guest_console::GuestConsole;
use virt_event_tests::process_cases::runner;
use virt_event_tests::rig::{
    Daemon, Guest, RigError, Running, patience, unlock_console, wait_until,
};

use crate::census::Census;
use crate::scene::{Form, Forms, Played, Scene, scene};
use crate::stage::Stage;

pub(crate) const SCENES: &[Scene] = &[scene!(
    faults::the_daemon_fails_and_comes_back,
    LoopKind::ALL,
    Forms::Both {
        short: Duration::from_secs(180),
        long: Duration::from_secs(3600),
    }
)];

/// The guest, which outlives every daemon.
const NAME: &str = "guest";

/// Those who call, and so the connections of each fault.
const CALLERS: usize = 4;

/// What happens to the daemon, before another one is started in its place.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// It is killed.
    Kill,
    /// It stops until its clients have given it up.
    Freeze,
    /// It is told to end.
    Restart,
}

const FAULTS: &[Fault] = &[Fault::Kill, Fault::Freeze, Fault::Restart];

/// Connects and is cut off in each way, again and again. After each time nothing
/// is left of the connection, and after all times the process is as small as it
/// was.
fn the_daemon_fails_and_comes_back(kind: LoopKind, form: Form) -> Played {
    // Until each of the C allocator's arenas has served a thread that calls.
    let (warm_up, cycles) = form.choose((0, 1), (15, 50));
    // It asks for no sign of life itself: who gives up here is the client.
    let daemon = Arc::new(Daemon::start()?);
    let mut stage = Stage::new(kind)?;
    with(&mut stage, &daemon, boot)?;
    let qemu = qemu(&daemon)?;
    for _ in 0..warm_up {
        cycle(&mut stage, &daemon)?;
    }
    with(&mut stage, &daemon, connect)?;
    stage.settle();

    let before = Census::take();
    let mut failed = Failed::default();
    for _ in 0..cycles {
        failed = failed + cycle(&mut stage, &daemon)?;
    }
    let after = Census::take();
    let connections = cycles * FAULTS.len() * CALLERS;
    runner::figure(&format!(
        "{cycles} cycles of {FAULTS:?} after {warm_up}, {connections} connections, {} and {} \
         calls that failed under way and afterwards; left: {} allocations, {} bytes of Rust's, \
         {} bytes of C's, {} resident, {} descriptors",
        failed.under_way,
        failed.afterwards,
        after.allocations - before.allocations,
        after.bytes - before.bytes,
        after.in_use as isize - before.in_use as isize,
        after.resident as isize - before.resident as isize,
        after.descriptors as isize - before.descriptors as isize,
    ));
    // Not one for each connection. What C's allocator keeps grows until it is
    // warm, so only the long form can judge that.
    assert!(after.allocations - before.allocations < (cycles * FAULTS.len()) as isize);
    assert_eq!(after.descriptors, before.descriptors);
    if form == Form::Long {
        after.assert_like(&before);
    }

    // The last daemon still has the first one's guest.
    assert_eq!(self::qemu(&daemon)?, qemu);
    with(&mut stage, &daemon, connect)?;
    stage.end();
    Ok(())
}

/// Each fault once.
fn cycle(stage: &mut Stage, daemon: &Arc<Daemon>) -> Result<Failed, Failure> {
    let mut all = Failed::default();
    for fault in FAULTS {
        let (sender, failed) = channel();
        with(stage, daemon, move |daemon| {
            Ok(sender.send(suffer(daemon, *fault)?)?)
        })?;
        all = all + failed.recv()?;
        // Nothing may need the next connection to go.
        stage.settle();
    }
    Ok(all)
}

/// Calls that failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Failed {
    /// When the daemon failed, they waited for it.
    under_way: usize,
    /// They were made when libvirt knew.
    afterwards: usize,
}

impl Add for Failed {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            under_way: self.under_way + other.under_way,
            afterwards: self.afterwards + other.afterwards,
        }
    }
}

/// Plays `script` while the loop runs.
fn with(
    stage: &mut Stage,
    daemon: &Arc<Daemon>,
    script: impl FnOnce(&Daemon) -> Played + Send + 'static,
) -> Played {
    let daemon = Arc::clone(daemon);
    stage.beside(move || {
        // A panic shows the daemon's log, which an error would not.
        script(&daemon).expect("the script goes well");
        Ok(())
    })
}

fn qemu(daemon: &Daemon) -> Result<Running, Failure> {
    Ok(daemon.guests().process(NAME).ok_or("the guest is gone")?)
}

/// Starts the guest; the daemon's fixture ends it.
fn boot(daemon: &Daemon) -> Played {
    let connection = Connect::open(Some(&daemon.qemu_uri()))?;
    let monitor = Monitor::new(&connection)?;
    let xml = daemon.guests().xml(NAME)?;
    let domain = connection.create_domain_xml(&xml, sys::VIR_DOMAIN_START_PAUSED)?;
    unlock_console(&domain)?;
    let mut console = GuestConsole::open(&monitor, &domain);
    domain.resume()?;
    console.wait_for(Guest::BANNER);
    Ok(())
}

/// Connects as after a fault.
fn connect(daemon: &Daemon) -> Played {
    Session::new(daemon)?;
    Ok(())
}

/// What libvirt says of a daemon that is gone. It is an error where a call had
/// found that the socket takes its message, and the daemon went before it wrote
/// (`virNetClientIOEventLoop`): an instant as a rule, and longer under memcheck.
const AWAY: &[CloseReason] = &[CloseReason::Eof, CloseReason::Error];

/// Connects, has all under way, and comes to know of the fault in every way.
fn suffer(daemon: &Daemon, fault: Fault) -> Result<Failed, Failure> {
    let mut session = Session::new(daemon)?;
    session.console.send(&[Guest::FLOOD]);
    session.console.wait_for(b"xxxx");
    let callers = Callers::start(daemon, &session)?;
    let reasons = match fault {
        Fault::Kill => {
            daemon.kill()?;
            AWAY
        }
        Fault::Freeze => {
            callers.set_keep_alive(1, 1)?;
            daemon.freeze()?;
            &[CloseReason::Keepalive]
        }
        Fault::Restart => {
            daemon.terminate()?;
            AWAY
        }
    };
    session.ends(reasons)?;
    let failed = callers.end()?;
    if matches!(fault, Fault::Freeze) {
        assert_eq!(failed.under_way, CALLERS, "each waited");
    }
    // The daemon is still away.
    drop(session);
    if matches!(fault, Fault::Freeze) {
        // It does not always survive being thawed now: see the traps of the rig.
        daemon.kill()?;
    }
    daemon.restart()?;
    Ok(failed)
}

/// A connection with all that a program may have under way.
struct Session {
    console: GuestConsole,
    events: Events<Lifecycle>,
    heard: Receiver<LifecycleChange>,
    closed: Closed,
    reasons: Receiver<CloseReason>,
    #[expect(dead_code, reason = "to be told until it is dropped")]
    subscriptions: (virt_event_monitor::Subscription, CloseSubscription),
    domain: Domain,
    monitor: Monitor,
}

impl Session {
    /// Connects, and shows that everything works.
    fn new(daemon: &Daemon) -> Result<Self, Failure> {
        let connection = Connect::open(Some(&daemon.qemu_uri()))?;
        let monitor = Monitor::new(&connection)?;
        let domain = connection.lookup_domain_by_name(NAME)?;
        let (sender, heard) = channel();
        let subscription = monitor.subscribe::<Lifecycle>().callback(move |event| {
            let _ = sender.send(event.change);
        })?;
        let (sender, reasons) = channel();
        let on_close = monitor.on_close(move |reason| {
            let _ = sender.send(reason);
        });
        let mut session = Self {
            console: GuestConsole::of(&monitor, free_console(&connection, &domain)?),
            events: monitor.lifecycle()?,
            heard,
            closed: monitor.closed(),
            reasons,
            subscriptions: (subscription, on_close),
            domain,
            monitor,
        };
        session.works()?;
        Ok(session)
    }

    fn works(&mut self) -> Played {
        self.domain.suspend()?;
        self.domain.resume()?;
        for _ in 0..2 {
            let change = self.heard.recv_timeout(patience())?;
            let event = self.next_event()?.ok_or("a stream without an end")??;
            assert_eq!(event.change, change);
        }
        // Behind what is left of the last flood.
        self.console.send(b"here");
        self.console.wait_for(b"here");
        Ok(())
    }

    fn next_event(&mut self) -> Result<Option<Result<Lifecycle, StreamError>>, RigError> {
        ready("the stream goes on", |context| {
            pin!(self.events.next()).poll(context)
        })
    }

    /// Hears of the end in every way that there is, and of the same one of these
    /// reasons in each.
    fn ends(&mut self, reasons: &[CloseReason]) -> Played {
        let reason = self.reasons.recv_timeout(patience())?;
        assert!(reasons.contains(&reason), "{reason:?}");
        let closed = ready("the end comes", |context| {
            pin!(&mut self.closed).poll(context)
        })?;
        assert_eq!(closed, reason);
        let ending = self.console.end();
        assert!(ending.hung_up, "{ending:?}");
        assert!(
            matches!(ending.error, Some(Error::ConnectionClosed(it)) if it == reason),
            "{ending:?}"
        );
        assert_eq!(self.next_event()?, Some(Err(StreamError::Closed(reason))));
        assert_eq!(self.next_event()?, None);
        assert!(self.domain.info().is_err(), "a call fails at once");
        Ok(())
    }
}

/// The console, when the daemon has let go of the last one.
fn free_console(connection: &Connect, domain: &Domain) -> Result<Stream, Failure> {
    let mut free = None;
    wait_until("the console is free", || {
        let stream = Stream::new(connection, sys::VIR_STREAM_NONBLOCK);
        free = stream
            .and_then(|stream| domain.open_console(None, &stream, 0).map(|_| stream))
            .ok();
        free.is_some()
    })?;
    Ok(free.expect("the wait is over"))
}

/// Looks until a future is ready.
fn ready<T>(what: &str, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Result<T, RigError> {
    let mut output = None;
    wait_until(what, || {
        match poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(it) => {
                output = Some(it);
                true
            }
            Poll::Pending => false,
        }
    })?;
    Ok(output.expect("the wait is over"))
}

/// Threads that call and call, until a call fails.
struct Callers {
    connections: Vec<Connect>,
    threads: Vec<JoinHandle<()>>,
    errors: Receiver<virt::error::Error>,
}

impl Callers {
    /// Returns when each has had an answer.
    ///
    /// One calls into the session's connection, the others have their own:
    /// libvirt does not bear several calls in a connection that ends (see the
    /// traps of the rig).
    fn start(daemon: &Daemon, session: &Session) -> Result<Self, Failure> {
        let (sender, errors) = channel();
        let (answered, answers) = channel();
        let mut connections = vec![session.monitor.connection().clone()];
        while connections.len() < CALLERS {
            connections.push(Connect::open(Some(&daemon.qemu_uri()))?);
        }
        let threads = connections
            .iter()
            .map(|connection| {
                let connection = connection.clone();
                let (sender, answered) = (sender.clone(), answered.clone());
                thread::spawn(move || {
                    let mut first = Some(answered);
                    let error = loop {
                        if let Err(error) = connection.lookup_domain_by_name(NAME) {
                            break error;
                        }
                        if let Some(answered) = first.take() {
                            let _ = answered.send(());
                        }
                    };
                    let _ = sender.send(error);
                })
            })
            .collect();
        for _ in 0..CALLERS {
            answers.recv_timeout(patience())?;
        }
        Ok(Self {
            connections,
            threads,
            errors,
        })
    }

    fn set_keep_alive(&self, interval: i32, count: u32) -> Played {
        for connection in &self.connections {
            connection.set_keep_alive(interval, count)?;
        }
        Ok(())
    }

    /// Waits until each has ended.
    fn end(self) -> Result<Failed, Failure> {
        let mut failed = Failed::default();
        for _ in 0..CALLERS {
            let error = self.errors.recv_timeout(patience())?;
            if error.message().ends_with("client socket is closed") {
                failed.afterwards += 1;
            } else {
                failed.under_way += 1;
            }
        }
        for thread in self.threads {
            thread.join().expect("it does not panic");
        }
        Ok(failed)
    }
}
