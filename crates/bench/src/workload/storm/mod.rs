//! A storm of events: a domain of libvirt's test driver is paused and let go on
//! as fast as it goes, and somebody hears of it. What does the monitor cost
//! beside a callback of C's that libvirt calls directly?
//!
//! The calls that cause the events are not the question, and cost several times
//! as much. So they are made while the loop rests; libvirt queues what they
//! cause. Then the loop turns until all of it has arrived, and only those turns
//! are measured. They hold libvirt's part, which makes a domain object for each
//! call, and the subscriber's; of the loop's own work there is next to none,
//! for libvirt delivers all that is queued in one callback of a timer.
//!
//! Every round checks that as many events arrive as were caused.

mod monitored;
mod raw;
mod subscriber;
mod tally;

use std::any::Any;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use virt::connect::Connect;
use virt::domain::Domain;
use virt_event_monitor::virt_event::{Period, Timer, add_timeout};

pub(super) use self::raw::Subscription;
pub(crate) use self::subscriber::Subscriber;
pub(super) use self::tally::Tally;
use super::Rounds;
use crate::host::Entry;
use crate::sample::{Sample, Stopwatch};

/// Events between two rests of the loop: enough that what a rest costs does not
/// count, and fewer than the buffer of a stream holds.
const BATCH: u64 = 1_000;

/// Events that have not arrived after this long are lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// A domain, and a subscriber to what happens to it.
pub(super) struct OnLibvirt {
    domain: Domain,
    tally: &'static Tally,
    /// Ends the turns where events are missing; disabled while the loop rests.
    patience: Timer,
    #[expect(dead_code, reason = "hears of the events until it is dropped")]
    subscription: Box<dyn Any>,
    entry: Entry,
    caused: u64,
}

impl OnLibvirt {
    pub(super) fn new(mut entry: Entry, subscriber: Subscriber) -> Result<Self> {
        let connection = Connect::open(Some("test:///default"))
            .context("libvirt's test driver cannot be opened")?;
        let domain = connection
            .lookup_domain_by_name("test")
            .context("libvirt's test driver has no domain")?;
        let tally = Tally::watched_by(&mut entry)?;
        let patience = add_timeout(Period::DISABLED, || tally.end())?;
        Ok(Self {
            subscription: subscriber.subscribe(&connection, tally)?,
            domain,
            tally,
            patience,
            entry,
            caused: 0,
        })
    }

    /// Causes events, which libvirt queues while the loop rests.
    fn cause(&mut self, events: u64) -> Result<()> {
        for _ in 0..events {
            if self.caused.is_multiple_of(2) {
                self.domain.suspend()?;
            } else {
                self.domain.resume()?;
            }
            self.caused += 1;
        }
        Ok(())
    }

    /// Turns the loop until all that was caused has arrived.
    fn deliver(&mut self) -> Result<Sample> {
        self.tally.await_in_all(self.caused);
        self.patience.update(PATIENCE);
        let stopwatch = Stopwatch::start();
        self.entry.host.run()?;
        let sample = stopwatch.stop();
        self.patience.update(Period::DISABLED);
        let received = self.tally.received();
        ensure!(
            received == self.caused,
            "{} events were caused, and {received} arrived",
            self.caused
        );
        Ok(sample)
    }
}

impl Rounds for OnLibvirt {
    fn round(&mut self, operations: u64) -> Result<Sample> {
        let mut sample = Sample::default();
        let mut left = operations;
        while left > 0 {
            let batch = left.min(BATCH);
            self.cause(batch)?;
            sample += self.deliver()?;
            left -= batch;
        }
        Ok(sample)
    }
}
