//! Events of a domain over the sockets of a real libvirtd, end to end: one
//! thread lets the daemon pause a domain and let it go on as fast as it answers,
//! and each of some connections that have subscribed hears of it on the loop.
//! There are many of these, so that the calls which cause the events are a small
//! part of what is measured.
//!
//! Every round checks that as many events arrive as were caused.

use std::thread;

use anyhow::{Context, Result, ensure};
use virt::domain::{Domain, DomainState};
use virt::enumutil::Enum;

use super::Rounds;
use super::connection::open;
use super::storm::{Subscription, Tally};
use crate::host::Entry;
use crate::libvirt::{self, Handler};
use crate::sample::{Sample, Stopwatch};

/// Events that have not arrived after so many milliseconds are lost.
const PATIENCE: i32 = 30_000;

/// A domain, and subscribers to what happens to it.
pub(super) struct OnLibvirt {
    entry: Entry,
    /// On a connection of its own, which hears of nothing.
    domain: Domain,
    tally: &'static Tally,
    subscriptions: Vec<Subscription>,
    /// Ends the turns where events are missing; disabled while the loop rests.
    patience: i32,
    /// Events that were caused.
    caused: u64,
    is_paused: bool,
}

/// Heeds the timer of [`PATIENCE`].
struct Impatience(&'static Tally);

impl OnLibvirt {
    pub(super) fn new(mut entry: Entry, uri: &str, connections: u32) -> Result<Self> {
        let tally = Tally::watched_by(&mut entry)?;
        let domain = open(uri)?
            .lookup_domain_by_name("test")
            .context("libvirt's test driver has no domain")?;
        let subscribe = |_| Subscription::counting(&open(uri)?, tally);
        let impatience = Box::leak(Box::new(Impatience(tally)));
        Ok(Self {
            subscriptions: (0..connections).map(subscribe).collect::<Result<_>>()?,
            patience: libvirt::add_timeout(-1, impatience)?,
            // Another client may have left it so.
            is_paused: domain.state()?.0 == Enum::Known(DomainState::Paused),
            entry,
            domain,
            tally,
            caused: 0,
        })
    }
}

impl Rounds for OnLibvirt {
    fn round(&mut self, operations: u64) -> Result<Sample> {
        let Self { domain, tally, .. } = self;
        let subscribers = self.subscriptions.len() as u64;
        let calls = operations.div_ceil(subscribers);
        let was_paused = self.is_paused;
        self.caused += calls * subscribers;
        self.is_paused ^= calls % 2 == 1;

        tally.await_in_all(self.caused);
        libvirt::update_timeout(self.patience, PATIENCE);
        let cause = || {
            (0..calls).try_for_each(|call| {
                if (call % 2 == 0) == was_paused {
                    domain.resume()
                } else {
                    domain.suspend()
                }
                .map(drop)
            })
        };
        let stopwatch = Stopwatch::start();
        thread::scope(|scope| {
            let causing = scope.spawn(|| cause().inspect_err(|_| tally.end()));
            let ran = self.entry.host.run();
            causing.join().expect("a call does not panic")?;
            ran
        })?;
        let sample = stopwatch.stop();
        libvirt::update_timeout(self.patience, -1);

        let received = tally.received();
        ensure!(
            received == self.caused,
            "{} events were caused, and {received} arrived",
            self.caused
        );
        // There may be a few more than were asked for.
        let share = operations as f64 / (calls * subscribers) as f64;
        Ok(Sample {
            cpu: sample.cpu.mul_f64(share),
            wall: sample.wall.mul_f64(share),
            ..sample
        })
    }
}

impl Handler for Impatience {
    fn ready(&'static self) {
        self.0.end();
    }
}
