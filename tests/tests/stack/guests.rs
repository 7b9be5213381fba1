//! The life of real guests, as events and as what comes out of their consoles.

use std::cell::Cell;
use std::sync::mpsc::{Receiver, channel};

use rustix::process::Signal;
use virt::connect::Connect;
use virt_event_examples::host_loop::LoopKind;
use virt_event_monitor::domain::{
    DefinedDetail, LifecycleChange, ResumedDetail, ShutdownDetail, StartedDetail, StoppedDetail,
    SuspendedDetail, UndefinedDetail,
};
use virt_event_monitor::{AnyEvent, EventKind, Monitor, Subscription};
use virt_event_tests::guest_console::GuestConsole;
use virt_event_tests::rig::{Daemon, Guest, Guests, patience};

use crate::scene::{Form, Forms, Played, Scene, scene};
use crate::stage::Stage;

pub(crate) const SCENES: &[Scene] = &[scene!(
    guests::live_and_end_in_every_way,
    LoopKind::ALL,
    Forms::USUAL
)];

const DEFINED: LifecycleChange = LifecycleChange::Defined(DefinedDetail::Added);
const UNDEFINED: LifecycleChange = LifecycleChange::Undefined(UndefinedDetail::Removed);
const PAUSED: LifecycleChange = LifecycleChange::Suspended(SuspendedDetail::Paused);
const UNPAUSED: LifecycleChange = LifecycleChange::Resumed(ResumedDetail::Unpaused);
const BY_HOST: LifecycleChange = LifecycleChange::Shutdown(ShutdownDetail::Host);

/// Guests start, are paused, go on, are reset and end, each in another way.
fn live_and_end_in_every_way(kind: LoopKind, form: Form) -> Played {
    let daemon = Daemon::start()?;
    let (uri, guests) = (daemon.qemu_uri(), daemon.guests().clone());
    let mut stage = Stage::new(kind)?;
    stage.beside(move || {
        let connection = Connect::open(Some(&uri))?;
        for _ in 0..form.choose(1, 10) {
            for end in END {
                live(&connection, &guests, *end)?;
            }
        }
        Ok(())
    })?;
    stage.end();
    Ok(())
}

/// How a guest ends.
#[derive(Debug, Clone, Copy)]
enum End {
    /// It turns itself off.
    PowerOff,
    /// The host ends it.
    Destroy,
    /// Its QEMU is asked to end.
    Terminate,
    /// Its QEMU is killed.
    Kill,
}

const END: &[End] = &[End::PowerOff, End::Destroy, End::Terminate, End::Kill];

impl End {
    /// What is heard of it at last.
    fn changes(self) -> &'static [LifecycleChange] {
        use LifecycleChange::{Shutdown, Stopped};
        match self {
            Self::PowerOff => &[
                Shutdown(ShutdownDetail::Guest),
                Stopped(StoppedDetail::Shutdown),
            ],
            Self::Destroy => &[Stopped(StoppedDetail::Destroyed)],
            Self::Terminate => &[BY_HOST, Stopped(StoppedDetail::Shutdown)],
            Self::Kill => &[Stopped(StoppedDetail::Failed)],
        }
    }
}

fn live(connection: &Connect, guests: &Guests, end: End) -> Played {
    const NAME: &str = "guest";

    let monitor = Monitor::new(connection)?;
    let heard = Heard::of(&monitor)?;
    let guest = Guest::create_paused(connection, guests, NAME)?;
    heard.expect(&[
        DEFINED,
        LifecycleChange::Started(StartedDetail::Booted),
        PAUSED,
    ]);
    let domain = guest.domain();
    let mut console = GuestConsole::open(&monitor, domain);
    domain.resume()?;
    heard.expect(&[UNPAUSED]);
    console.wait_for(Guest::BANNER);
    domain.suspend()?;
    domain.resume()?;
    heard.expect(&[PAUSED, UNPAUSED]);
    console.send(b"hello");
    assert_eq!(console.take(5), b"hello");

    console.send(&[Guest::RESET]);
    heard.expect_reboot();
    // The console goes on.
    console.wait_for(Guest::BANNER);

    match end {
        End::PowerOff => console.send(&[Guest::POWER_OFF]),
        End::Destroy => domain.destroy()?,
        End::Terminate => guest.process()?.signal(Signal::TERM)?,
        End::Kill => guest.kill()?,
    }
    heard.expect_end(end);
    let ending = console.end();
    assert!(ending.error.is_none(), "{end:?}: {ending:?}");
    domain.undefine()?;
    heard.expect(&[UNDEFINED]);
    assert_eq!(monitor.close_reason(), None);
    assert!(connection.is_alive()?);
    Ok(())
}

/// What the monitor says about guests, one after the other.
struct Heard {
    #[expect(dead_code, reason = "events arrive until it is dropped")]
    subscription: Subscription,
    events: Receiver<AnyEvent>,
    rebooted: Cell<bool>,
}

impl Heard {
    fn of(monitor: &Monitor) -> Result<Self, virt_event_monitor::Error> {
        let (sender, events) = channel();
        let kinds = [EventKind::Lifecycle, EventKind::Reboot];
        let subscription = monitor.subscribe_any(kinds).callback(move |event| {
            let _ = sender.send(event);
        })?;
        Ok(Self {
            subscription,
            events,
            rebooted: Cell::new(false),
        })
    }

    fn next(&self) -> AnyEvent {
        self.events.recv_timeout(patience()).expect("another event")
    }

    fn expect(&self, changes: &[LifecycleChange]) {
        for change in changes {
            assert_eq!(self.change(), *change);
        }
    }

    /// What happened next, but for another reboot: the BIOS may reset a machine
    /// once more that has been reset.
    fn change(&self) -> LifecycleChange {
        loop {
            match self.next() {
                AnyEvent::Reboot(_) if self.rebooted.get() => {}
                AnyEvent::Lifecycle(event) => return event.change,
                other => panic!("{other:?}"),
            }
        }
    }

    fn expect_end(&self, end: End) {
        let mut change = self.change();
        // Of a guest that is destroyed, QEMU is told to end, and may manage to
        // say so.
        if matches!(end, End::Destroy) && change == BY_HOST {
            change = self.change();
        }
        let mut changes = vec![change];
        while changes.len() < end.changes().len() {
            changes.push(self.change());
        }
        assert_eq!(changes, end.changes());
    }

    fn expect_reboot(&self) {
        let event = self.next();
        assert!(matches!(event, AnyEvent::Reboot(_)), "{event:?}");
        self.rebooted.set(true);
    }
}
