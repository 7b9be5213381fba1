//! Connections to a real libvirtd, all subscribed to what happens to domains. There is one domain, of libvirt's test driver; each time
//! it is paused or let go on, each connection hears of it.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, setrlimit};
use virt::connect::Connect;
use virt::domain::Domain;
use virt_event_monitor::domain::Lifecycle;
use virt_event_monitor::{Monitor, Subscription};
use virt_event_tests::rig::Daemon;

use crate::clock;
use crate::loops::{Kind, Loops};
use crate::tally::Tally;

/// A ping after so many seconds without traffic, and the end of the connection
/// after so many pings without an answer.
const KEEPALIVE: (i32, u32) = (PING, 6);

/// Seconds between two pings of a connection.
pub(crate) const PING: i32 = 5;

/// Descriptors besides those of connections, which have two each.
const RESERVE: u64 = 256;

pub(crate) struct Connections {
    loops: Loops,
    tally: Arc<Tally>,
    subscriptions: Vec<(Monitor, Subscription)>,
    /// On a connection of its own, which hears of nothing.
    domain: Domain,
    is_paused: bool,
    /// The daemon's.
    pid: Pid,
    /// Drops after the connections.
    _daemon: Daemon,
}

/// What some events cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// How many.
    pub(crate) events: u64,
    /// From the first cause to the last arrival.
    pub(crate) took: Duration,
    /// How long the loops were looked at: `took`, or longer.
    pub(crate) window: Duration,
    /// Processor time of the loops' threads in that window.
    pub(crate) loops: Duration,
    /// That of the daemon.
    pub(crate) daemon: Duration,
}

/// What some calls cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallCost {
    pub(crate) took: Duration,
    pub(crate) caller: Duration,
    pub(crate) loops: Duration,
    pub(crate) daemon: Duration,
}

impl Connections {
    pub(crate) fn open(kind: Kind, count: usize) -> Result<Self> {
        // The daemon inherits it.
        allow_descriptors(2 * count as u64 + RESERVE)?;
        let daemon = Daemon::start()?;
        let loops = Loops::run(kind)?;
        let tally = Arc::new(Tally::new());
        let uri = daemon.test_uri();
        let open = |at| loops.on(at, || subscribed(&uri, &tally));
        let subscriptions = (0..count).map(open).collect::<Result<_>>()?;
        let domain = connect(&uri)?.lookup_domain_by_name("test")?;
        Ok(Self {
            subscriptions,
            domain,
            is_paused: false,
            pid: daemon.process()?.pid(),
            loops,
            tally,
            _daemon: daemon,
        })
    }

    /// Starts keepalive on all of them, one after the other over so long, as in a
    /// program whose connections were not all opened at once.
    pub(crate) fn keep_alive(&self, over: Duration) -> Result<()> {
        let (interval, count) = KEEPALIVE;
        let began = Instant::now();
        let each = over.as_secs_f64() / self.len() as f64;
        for (at, (monitor, _)) in self.subscriptions.iter().enumerate() {
            let due = Duration::from_secs_f64(each * at as f64);
            thread::sleep(due.saturating_sub(began.elapsed()));
            let connection = monitor.connection();
            self.loops
                .on(at, || connection.set_keep_alive(interval, count))?;
        }
        Ok(())
    }

    /// The share of a processor that the loops need while nothing happens.
    pub(crate) fn idle(&self, time: Duration) -> Result<f64> {
        let (began, before) = (Instant::now(), self.loops.time()?);
        thread::sleep(time);
        let used = self.loops.time()? - before;
        Ok(used.as_secs_f64() / began.elapsed().as_secs_f64())
    }

    /// Causes something so many times, each time after such an interval; without
    /// one, as fast as the daemon answers. A cause makes one event for each
    /// connection.
    pub(crate) fn events(&mut self, causes: u32, interval: Option<Duration>) -> Result<Cost> {
        let interval = interval.unwrap_or_default();
        let events = u64::from(causes) * self.subscriptions.len() as u64;
        self.tally.expect(events);
        let before = (self.loops.time()?, clock::of_process(self.pid)?);
        let began = Instant::now();
        let sleep_until = |due: Duration| thread::sleep(due.saturating_sub(began.elapsed()));
        for at in 0..causes {
            sleep_until(interval * at);
            self.cause()?;
        }
        let took = self.tally.last()? - began;
        sleep_until(interval * causes);
        let window = began.elapsed();
        Ok(Cost {
            events,
            took,
            window,
            loops: self.loops.time()? - before.0,
            daemon: clock::of_process(self.pid)? - before.1,
        })
    }

    /// Lets so many events wait in the socket of each connection while the loops
    /// rest and until the daemon has nothing more to do, and then lets the loops
    /// go on. So the loops have the machine to themselves.
    pub(crate) fn backlog(&mut self, depth: u64) -> Result<Cost> {
        let events = depth * self.subscriptions.len() as u64;
        let resting = self.loops.rest()?;
        self.tally.expect(events);
        for _ in 0..depth {
            self.cause()?;
        }
        clock::wait_until_idle(self.pid)?;
        let (before, daemon) = (resting.time(), clock::of_process(self.pid)?);
        let began = Instant::now();
        drop(resting);
        let took = self.tally.last()? - began;
        Ok(Cost {
            events,
            took,
            window: took,
            loops: self.loops.time()? - before,
            daemon: clock::of_process(self.pid)? - daemon,
        })
    }

    /// So many calls of this thread, each on the next connection.
    pub(crate) fn calls(&self, calls: usize) -> Result<CallCost> {
        let before = (
            clock::of_thread(),
            self.loops.time()?,
            clock::of_process(self.pid)?,
        );
        let began = Instant::now();
        for (monitor, _) in self.subscriptions.iter().cycle().take(calls) {
            monitor.connection().num_of_domains()?;
        }
        Ok(CallCost {
            took: began.elapsed(),
            caller: clock::of_thread() - before.0,
            loops: self.loops.time()? - before.1,
            daemon: clock::of_process(self.pid)? - before.2,
        })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.subscriptions.len()
    }

    /// How many events there were in all, and for how many of them a subscriber
    /// was called while another one was in its callback.
    pub(crate) fn overlaps(&self) -> (u64, u64) {
        self.tally.overlaps()
    }

    /// Makes one event for each connection.
    fn cause(&mut self) -> Result<()> {
        if self.is_paused {
            self.domain.resume()?;
        } else {
            self.domain.suspend()?;
        }
        self.is_paused = !self.is_paused;
        Ok(())
    }
}

fn connect(uri: &str) -> Result<Connect> {
    Connect::open(Some(uri)).with_context(|| format!("cannot open {uri}"))
}

fn subscribed(uri: &str, tally: &Arc<Tally>) -> Result<(Monitor, Subscription)> {
    let monitor = Monitor::new(&connect(uri)?)?;
    let tally = Arc::clone(tally);
    let subscription = monitor
        .subscribe::<Lifecycle>()
        .callback(move |_| tally.arrived())?;
    Ok((monitor, subscription))
}

/// Raises this process's limit where it is lower.
fn allow_descriptors(needed: u64) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|limit| limit >= needed) {
        return Ok(());
    }
    ensure!(
        limit.maximum.is_none_or(|limit| limit >= needed),
        "it needs {needed} descriptors; raise the hard limit (ulimit -Hn)"
    );
    let raised = Rlimit {
        current: Some(needed),
        ..limit
    };
    setrlimit(Resource::Nofile, raised).context("the limit on descriptors cannot be raised")
}
