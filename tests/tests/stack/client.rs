//! A connection as a program has it: monitored, with its events counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use virt::connect::Connect;
use virt::domain::Domain;
use virt_event_examples::Failure;
use virt_event_monitor::domain::{Lifecycle, LifecycleChange};
use virt_event_monitor::{Monitor, Subscription};
use virt_event_tests::rig::{Daemon, RigError, wait_until};

use crate::scene::Played;

/// Both sides ask for a sign of life after this many seconds of silence…
pub(crate) const INTERVAL: u32 = 1;

/// …this many times…
pub(crate) const COUNT: u32 = 2;

/// …and cut the connection after that much of it.
pub(crate) const LIMIT: Duration = Duration::from_secs((INTERVAL * (COUNT + 1)) as u64);

/// How many events a [`change`] causes.
pub(crate) const EVENTS_OF_A_CHANGE: usize = 2;

/// The domain that the test driver comes with.
pub(crate) const DOMAIN: &str = "test";

/// A monitored connection that counts what it hears of each domain.
pub(crate) struct Client {
    heard: Arc<Mutex<Heard>>,
    // In the order in which they have to go.
    subscription: Subscription,
    monitor: Monitor,
    connection: Connect,
}

impl Client {
    /// Opens it.
    pub(crate) fn open(uri: &str) -> Result<Self, Failure> {
        let connection = Connect::open(Some(uri))?;
        let monitor = Monitor::new(&connection)?;
        let heard = Arc::new(Mutex::new(Heard::default()));
        let counts = Arc::clone(&heard);
        let subscription = monitor
            .subscribe::<Lifecycle>()
            .callback(move |event| lock(&counts).note(event))?;
        Ok(Self {
            heard,
            subscription,
            monitor,
            connection,
        })
    }

    /// Opens it, and lets it ask for signs of life, as [`daemon`] does.
    pub(crate) fn kept_alive(uri: &str) -> Result<Self, Failure> {
        let client = Self::open(uri)?;
        client.connection.set_keep_alive(INTERVAL as i32, COUNT)?;
        Ok(client)
    }

    pub(crate) fn connection(&self) -> &Connect {
        &self.connection
    }

    pub(crate) fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    /// The domain with this name.
    pub(crate) fn domain(&self, name: &str) -> Result<Domain, virt::error::Error> {
        self.connection.lookup_domain_by_name(name)
    }

    /// How many events of [changes](change) it has heard of, for any domain.
    pub(crate) fn heard(&self) -> usize {
        lock(&self.heard).of.values().map(|it| it.events).sum()
    }

    /// The same for one domain.
    fn heard_of(&self, domain: &str) -> OfDomain {
        lock(&self.heard)
            .of
            .get(domain)
            .copied()
            .unwrap_or_default()
    }

    /// Waits until it has heard of as many events of `domain`.
    ///
    /// # Panics
    ///
    /// - It has heard of more, or in another order than they happened.
    pub(crate) fn wait_for(&self, domain: &str, events: usize) -> Result<(), RigError> {
        let what = format!("{events} events of {domain} are heard");
        wait_until(&what, || self.heard_of(domain).events >= events)?;
        let OfDomain {
            events: heard,
            is_out_of_order,
        } = self.heard_of(domain);
        assert_eq!(heard, events, "events of {domain}");
        assert!(!is_out_of_order, "the order of the events of {domain}");
        Ok(())
    }

    /// Waits until it has heard of so many more events than now.
    pub(crate) fn wait_for_more(&self, events: usize) -> Result<(), RigError> {
        let before = self.heard();
        let what = format!("{events} more events are heard");
        wait_until(&what, || self.heard() >= before + events)
    }

    /// # Panics
    ///
    /// - The connection is closed, or about to be.
    pub(crate) fn assert_alive(&self) -> Played {
        assert_eq!(self.monitor.close_reason(), None, "it is alive");
        assert!(self.connection.is_alive()?, "it is alive");
        Ok(())
    }

    /// Takes it apart, for those who have to treat the parts differently.
    pub(crate) fn into_parts(self) -> (Subscription, Monitor, Connect) {
        (self.subscription, self.monitor, self.connection)
    }
}

/// What was heard.
#[derive(Default)]
struct Heard {
    /// By the name of the domain.
    of: BTreeMap<String, OfDomain>,
}

#[derive(Clone, Copy, Default)]
struct OfDomain {
    events: usize,
    /// It was resumed without having been suspended, or the other way round.
    is_out_of_order: bool,
}

impl Heard {
    fn note(&mut self, event: Lifecycle) {
        let is_first = match event.change {
            LifecycleChange::Suspended(_) => true,
            LifecycleChange::Resumed(_) => false,
            // Domains come and go, which is not counted.
            _ => return,
        };
        let of = self.of.entry(event.domain.name).or_default();
        of.is_out_of_order |= (of.events % EVENTS_OF_A_CHANGE == 0) != is_first;
        of.events += 1;
    }
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A daemon that cuts off who is silent for [`LIMIT`].
pub(crate) fn daemon() -> Result<Daemon, RigError> {
    Daemon::builder().keepalive(INTERVAL, COUNT).start()
}

/// The description of a domain of the test driver's.
pub(crate) fn description(name: &str) -> String {
    format!(
        "<domain type='test'>
           <name>{name}</name>
           <memory>1024</memory>
           <os><type>hvm</type></os>
         </domain>"
    )
}

/// Causes [`EVENTS_OF_A_CHANGE`] events, and leaves the domain as it was.
pub(crate) fn change(domain: &Domain) -> Played {
    domain.suspend()?;
    domain.resume()?;
    Ok(())
}

/// Lets time pass in which there is nothing but keepalive. All have to be alive
/// throughout.
pub(crate) fn idle(clients: &[Client], time: Duration) -> Played {
    let began = Instant::now();
    while began.elapsed() < time {
        clients.iter().try_for_each(Client::assert_alive)?;
        thread::sleep(time / 100);
    }
    clients.iter().try_for_each(Client::assert_alive)
}
