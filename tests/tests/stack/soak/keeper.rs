//! Lets guests come and go, and the hosts themselves.

use std::sync::atomic::Ordering;
use std::time::Duration;

use virt::connect::Connect;
use virt_event_examples::Failure;
use virt_event_monitor::{CloseReason, Monitor};
use virt_event_tests::guest_console::GuestConsole;
use virt_event_tests::rig::{Daemon, Guest, RigError, patience, wait_until};

use super::host::Host;
use super::random::Random;
use super::record::Counters;
use super::unexpected;
use crate::scene::Played;

/// Guests that a host has at most.
const GUESTS: usize = 2;

/// One thread does all of it, so that no console is awaited of a host that is
/// being killed.
pub(super) struct Keeper<'a> {
    houses: Vec<House<'a>>,
    counters: &'a Counters,
    random: Random,
    /// What it does next, from behind; all of it before anything comes again.
    deck: Vec<Deed>,
    /// Guests so far, for their names.
    created: usize,
}

#[derive(Debug, Clone, Copy)]
enum Deed {
    Create,
    Converse,
    Dismiss,
    Freeze,
    Replace,
}

/// One of each, and more of what is more usual.
const DECK: &[Deed] = &[
    Deed::Create,
    Deed::Create,
    Deed::Create,
    Deed::Create,
    Deed::Converse,
    Deed::Converse,
    Deed::Converse,
    Deed::Converse,
    Deed::Dismiss,
    Deed::Dismiss,
    Deed::Freeze,
    Deed::Replace,
];

/// A host, with what runs there.
struct House<'a> {
    host: &'a Host,
    guests: Vec<(GuestConsole, Guest)>,
    /// Opened when it is needed.
    line: Option<(Monitor, Connect)>,
}

impl<'a> Keeper<'a> {
    pub(super) fn new(hosts: &'a [Host], counters: &'a Counters, random: Random) -> Self {
        let house = |host| House {
            host,
            guests: Vec::with_capacity(GUESTS),
            line: None,
        };
        Self {
            houses: hosts.iter().map(house).collect(),
            counters,
            random,
            deck: Vec::with_capacity(DECK.len()),
            created: 0,
        }
    }

    /// Does one thing.
    pub(super) fn act(&mut self) -> Played {
        let Self {
            houses,
            counters,
            random,
            deck,
            created,
        } = self;
        random.pause(Duration::from_millis(300));
        if deck.is_empty() {
            deck.extend(DECK);
            random.shuffle(deck);
        }
        let at = random.below(houses.len());
        let house = &mut houses[at];
        match deck.pop() {
            Some(Deed::Replace) => {
                let way = [Daemon::kill, Daemon::terminate][random.below(2)];
                house.lose_and_replace(way)?;
                counters.replaced.fetch_add(1, Ordering::Relaxed);
            }
            Some(Deed::Freeze) => {
                house.host.daemon().freeze()?;
                random.pause(Duration::from_millis(500));
                house.host.daemon().thaw()?;
                counters.frozen.fetch_add(1, Ordering::Relaxed);
            }
            Some(Deed::Create) if house.guests.len() < GUESTS => {
                *created += 1;
                house.create(&format!("guest{created}"))?;
                counters.created.fetch_add(1, Ordering::Relaxed);
            }
            Some(Deed::Dismiss) if !house.guests.is_empty() => {
                let (console, guest) = house.guests.swap_remove(random.below(house.guests.len()));
                house.dismiss(console, guest, random)?;
            }
            _ => house
                .guests
                .iter_mut()
                .for_each(|(console, _)| converse(console, random)),
        }
        counters.guests.store(
            houses.iter().map(|house| house.guests.len()).sum(),
            Ordering::Relaxed,
        );
        Ok(())
    }

    /// Ends all guests and closes its connections.
    pub(super) fn leave(&mut self) -> Played {
        for house in &mut self.houses {
            while let Some((console, guest)) = house.guests.pop() {
                house.dismiss(console, guest, &mut self.random)?;
            }
            house.line = None;
        }
        self.counters.guests.store(0, Ordering::Relaxed);
        Ok(())
    }
}

impl House<'_> {
    fn line(&mut self) -> Result<&(Monitor, Connect), Failure> {
        if self.line.is_none() {
            let connection = Connect::open(Some(&self.host.daemon().qemu_uri()))?;
            self.line = Some((Monitor::new(&connection)?, connection));
        }
        self.line.as_ref().ok_or_else(|| unexpected("just opened"))
    }

    fn create(&mut self, name: &str) -> Played {
        let guests = self.host.daemon().guests();
        let (monitor, connection) = self.line()?;
        let guest = Guest::create_paused(connection, guests, name)?;
        let mut console = GuestConsole::open(monitor, guest.domain());
        guest.domain().resume()?;
        console.wait_for(Guest::BANNER);
        self.guests.push((console, guest));
        Ok(())
    }

    /// Ends a guest in one of the ways that there are. See [the rig's
    /// traps](virt_event_tests::rig) for why its console goes first.
    fn dismiss(&mut self, console: GuestConsole, guest: Guest, random: &mut Random) -> Played {
        drop(console);
        if random.once_in(2) {
            guest.kill()?;
        } else {
            guest.domain().destroy()?;
        }
        let domain = guest.domain();
        wait_until("the guest is gone", || {
            domain.is_active().is_ok_and(|active| !active)
        })?;
        domain.undefine()?;
        Ok(())
    }

    /// The guests outlive their host, and are found by the next one.
    fn lose_and_replace(&mut self, way: fn(&Daemon) -> Result<(), RigError>) -> Played {
        let ended = {
            let (monitor, _) = self.line()?;
            let (sender, ended) = std::sync::mpsc::channel();
            let subscription = monitor.on_close(move |reason| {
                let _ = sender.send(reason);
            });
            self.host.end(way)?;
            let reason = ended.recv_timeout(patience())?;
            drop(subscription);
            reason
        };
        if ended != CloseReason::Eof {
            return Err(unexpected(format!("it closed by {ended:?}")));
        }
        self.host.restart()?;
        let former = std::mem::take(&mut self.guests);
        self.line = None;
        for (console, guest) in former {
            let name = guest.domain().name()?;
            drop(console);
            let (monitor, connection) = self.line()?;
            let domain = connection.lookup_domain_by_name(&name)?;
            let mut console = GuestConsole::open(monitor, &domain);
            console.send(b"still here?");
            console.wait_for(b"still here?");
            drop(console);
            domain.destroy()?;
            domain.undefine()?;
        }
        Ok(())
    }
}

/// Lets a guest echo, or print much.
fn converse(console: &mut GuestConsole, random: &mut Random) {
    if random.once_in(4) {
        console.send(&[Guest::FLOOD]);
        console.wait_for(Guest::DONE);
    }
    let text: Vec<u8> = (0..=random.below(40))
        .map(|_| b'a' + random.below(26) as u8)
        .collect();
    console.send(&text);
    console.wait_for(&text);
}
