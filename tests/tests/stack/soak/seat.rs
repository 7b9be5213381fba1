//! One of the connections, open or not.

use std::sync::atomic::Ordering;
use std::thread;

use virt::connect::Connect;
use virt::domain::Domain;
use virt_event_examples::Failure;
use virt_event_monitor::Monitor;
use virt_event_tests::rig::wait_until;

use super::host::{Age, Host};
use super::listener::Listener;
use super::random::Random;
use super::record::Counters;
use super::unexpected;
use crate::scene::Played;

/// Calls of one thread at a time.
const CALLS: usize = 10;

/// Listeners that a connection may have.
const LISTENERS: usize = 4;

pub(super) struct Seat<'a> {
    number: usize,
    host: &'a Host,
    counters: &'a Counters,
    taken: Option<Taken>,
}

/// An open connection. What is dropped first comes first.
struct Taken {
    listeners: Vec<Listener>,
    monitor: Monitor,
    domain: Domain,
    connection: Connect,
    /// Of the host, before this was opened.
    age: Age,
}

impl<'a> Seat<'a> {
    pub(super) fn new(number: usize, host: &'a Host, counters: &'a Counters) -> Self {
        Self {
            number,
            host,
            counters,
            taken: None,
        }
    }

    /// Does one thing. A failure that the host explains leaves the seat empty.
    pub(super) fn act(&mut self, random: &mut Random) -> Played {
        let Some(taken) = &mut self.taken else {
            return self.open(random);
        };
        let age = taken.age;
        let (what, done) = match random.below(10) {
            0 => {
                self.leave();
                return Ok(());
            }
            1 => {
                let taken = self.give_up();
                taken.into_iter().for_each(Taken::drop_from_the_outside);
                return Ok(());
            }
            2..=4 => ("subscribe", taken.subscribe(random, self.counters)),
            5 => ("unsubscribe", taken.unsubscribe(random)),
            6 | 7 => (
                "cause events",
                taken.cause_and_hear(self.host, self.counters),
            ),
            _ => ("call", taken.call(self.counters)),
        };
        if let Err(error) = done {
            self.leave();
            self.host.excuse(age, what, error)?;
            self.counters.excused.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Opens it anew, and lets one listener listen, both in the same way each
    /// time. Every host has to be there.
    pub(super) fn settle(&mut self) -> Played {
        self.leave();
        let mut random = Random::new(self.number as u64);
        self.open(&mut random)?;
        let Some(taken) = &mut self.taken else {
            return Err(unexpected("a host is away that should not be"));
        };
        taken.subscribe(&mut random, self.counters)?;
        taken.cause_and_hear(self.host, self.counters)
    }

    pub(super) fn leave(&mut self) {
        drop(self.give_up());
    }

    fn give_up(&mut self) -> Option<Taken> {
        let taken = self.taken.take()?;
        self.counters.connections.fetch_sub(1, Ordering::Relaxed);
        Some(taken)
    }

    fn open(&mut self, random: &mut Random) -> Played {
        let age = self.host.age();
        match Taken::open(self.host.uri(), age, random) {
            Ok(taken) => {
                self.taken = Some(taken);
                self.counters.connections.fetch_add(1, Ordering::Relaxed);
                self.counters.opened.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => {
                self.counters.excused.fetch_add(1, Ordering::Relaxed);
                self.host.excuse(age, "open", error)
            }
        }
    }
}

impl Taken {
    fn open(uri: &str, age: Age, random: &mut Random) -> Result<Self, Failure> {
        let connection = Connect::open(Some(uri))?;
        // Not so strict that a busy machine loses its hosts.
        if random.once_in(2) {
            connection.set_keep_alive(1, 60)?;
        }
        Ok(Self {
            listeners: Vec::with_capacity(LISTENERS),
            monitor: Monitor::new(&connection)?,
            domain: connection.lookup_domain_by_name("own")?,
            connection,
            age,
        })
    }

    fn subscribe(&mut self, random: &mut Random, counters: &Counters) -> Result<(), Failure> {
        if self.listeners.len() < LISTENERS {
            let listener = Listener::new(&self.monitor, &self.domain, random)?;
            self.listeners.push(listener);
            counters.subscribed.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn unsubscribe(&mut self, random: &mut Random) -> Result<(), Failure> {
        if !self.listeners.is_empty() {
            drop(
                self.listeners
                    .swap_remove(random.below(self.listeners.len())),
            );
        }
        // If that could not tell the host, this cannot ask it either.
        self.connection.lookup_domain_by_name("own")?;
        Ok(())
    }

    /// Every listener hears of every event, or the connection has ended.
    fn cause_and_hear(&mut self, host: &Host, counters: &Counters) -> Result<(), Failure> {
        self.domain.suspend()?;
        self.domain.resume()?;
        for listener in &mut self.listeners {
            listener.caused(2);
        }
        wait_until("every listener hears", || {
            self.listeners.iter_mut().all(Listener::has_heard_all)
                || (host.excuses(self.age) && self.monitor.close_reason().is_some())
        })?;
        counters
            .heard
            .fetch_add(2 * self.listeners.len(), Ordering::Relaxed);
        Ok(())
    }

    /// From two threads at once.
    fn call(&self, counters: &Counters) -> Result<(), Failure> {
        let call = || -> Result<(), Failure> {
            for _ in 0..CALLS {
                let domain = self.connection.lookup_domain_by_name("own")?;
                if !domain.is_active()? {
                    return Err(unexpected("the domain is not active"));
                }
            }
            Ok(())
        };
        thread::scope(|scope| {
            let other = scope.spawn(call);
            let own = call();
            other.join().expect("it does not panic").and(own)
        })?;
        counters.calls.fetch_add(4 * CALLS, Ordering::Relaxed);
        Ok(())
    }

    /// The handle of the connection first, and the listeners last.
    fn drop_from_the_outside(self) {
        drop((self.connection, self.domain, self.monitor, self.listeners));
    }
}
