//! A daemon with a monitor on it, and what that has heard.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use virt::connect::Connect;
use virt::domain::Domain;
use virt::sys;
use virt_event_monitor::domain::{
    DefinedDetail, LifecycleChange, ResumedDetail, StartedDetail, SuspendedDetail,
};
use virt_event_monitor::{AnyEvent, EventKind, Monitor, Subscription};
use virt_event_tests::guest_console::GuestConsole;
use virt_event_tests::rig::{Daemon, Guest, Hardware, patience, unlock_console};
use virt_event_tests::running_loop;

/// The name of every guest: each has a daemon of its own.
pub(crate) const NAME: &str = "guest";

/// Waits for the next event of a kind. Those of different kinds may come in any
/// order.
macro_rules! next {
    ($scene:expr, $kind:ident) => {
        match $scene.event(virt_event_monitor::EventKind::$kind) {
            virt_event_monitor::AnyEvent::$kind(event) => event,
            other => panic!("{other:?}"),
        }
    };
}

pub(crate) use next;

/// What a case works with.
pub(crate) struct Scene {
    // Dropped first: to end a subscription is a call to the daemon.
    hearing: Hearing,
    pub(crate) daemon: Daemon,
    /// What has arrived and was not asked for yet.
    kept: Vec<AnyEvent>,
    shown: BTreeSet<EventKind>,
}

impl Scene {
    pub(crate) fn new() -> Self {
        running_loop::ensure();
        let daemon = Daemon::start().unwrap();
        Self {
            hearing: Hearing::new(&daemon),
            daemon,
            kept: Vec::new(),
            shown: BTreeSet::new(),
        }
    }

    /// Subscribes to everything anew, after another daemon has been started.
    pub(crate) fn hear_again(&mut self) {
        self.hearing = Hearing::new(&self.daemon);
    }

    pub(crate) fn monitor(&self) -> &Monitor {
        &self.hearing.monitor
    }

    pub(crate) fn connection(&self) -> &Connect {
        self.monitor().connection()
    }

    /// The kinds that the script has asked for, and has got.
    pub(crate) fn shown(&self) -> &BTreeSet<EventKind> {
        &self.shown
    }

    /// As [`next!`], without its type.
    pub(crate) fn event(&mut self, kind: EventKind) -> AnyEvent {
        let began = Instant::now();
        let event = match self.kept.iter().position(|event| event.kind() == kind) {
            Some(at) => self.kept.remove(at),
            None => loop {
                let left = patience().saturating_sub(began.elapsed());
                match self.hearing.received.recv_timeout(left) {
                    Ok(event) if event.kind() == kind => break event,
                    Ok(other) => self.kept.push(other),
                    Err(_) => panic!("no {kind}, but {:#?}", self.kept),
                }
            },
        };
        self.shown.insert(kind);
        event
    }

    /// What happened next in the guest's life.
    pub(crate) fn change(&mut self) -> LifecycleChange {
        next!(self, Lifecycle).change
    }

    /// Waits until this has happened in the guest's life. What comes before is
    /// not always the same: a guest that is killed may or may not report that.
    pub(crate) fn until(&mut self, change: LifecycleChange) {
        while self.change() != change {}
    }

    /// A new, persistent guest that has printed its banner.
    pub(crate) fn guest(&mut self, hardware: &Hardware<'_>) -> (Domain, GuestConsole) {
        let xml = self.daemon.guests().xml_with(NAME, hardware).unwrap();
        let domain = self.connection().define_domain_xml(&xml).unwrap();
        assert_eq!(
            self.change(),
            LifecycleChange::Defined(DefinedDetail::Added)
        );
        let console = self.start(&domain);
        (domain, console)
    }

    pub(crate) fn start(&mut self, domain: &Domain) -> GuestConsole {
        let paused = sys::VIR_DOMAIN_START_PAUSED;
        domain.create_with_flags(paused).unwrap();
        unlock_console(domain).unwrap();
        let mut console = GuestConsole::open(self.monitor(), domain);
        domain.resume().unwrap();
        console.wait_for(Guest::BANNER);
        for change in [
            LifecycleChange::Started(StartedDetail::Booted),
            LifecycleChange::Suspended(SuspendedDetail::Paused),
            LifecycleChange::Resumed(ResumedDetail::Unpaused),
        ] {
            assert_eq!(self.change(), change);
        }
        console
    }

    /// The path of a file for the case.
    pub(crate) fn path(&self, name: &str) -> String {
        let path: PathBuf = self.daemon.directory().join(name);
        path.into_os_string().into_string().unwrap()
    }

    /// Makes a file of zeros and returns its path.
    pub(crate) fn zeros(&self, name: &str, bytes: u64) -> String {
        let path = self.path(name);
        let file = File::create(&path);
        file.and_then(|file| file.set_len(bytes)).unwrap();
        self.daemon.give(path.as_ref()).unwrap();
        path
    }
}

/// A subscription to everything.
struct Hearing {
    #[expect(dead_code, reason = "events arrive until it is dropped")]
    subscription: Subscription,
    monitor: Monitor,
    received: Receiver<AnyEvent>,
}

impl Hearing {
    fn new(daemon: &Daemon) -> Self {
        let connection = Connect::open(Some(&daemon.qemu_uri())).unwrap();
        let monitor = Monitor::new(&connection).unwrap();
        let (sender, received) = channel();
        let subscription = monitor
            .subscribe_any(EventKind::ALL.iter().copied())
            .callback(move |event| {
                let _ = sender.send(event);
            })
            .unwrap();
        Self {
            subscription,
            monitor,
            received,
        }
    }
}
