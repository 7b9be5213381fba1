//! What is counted, and the file that keeps it.

use std::env;
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use virt_event_examples::Failure;
use virt_event_examples::host_loop::LoopKind;
use virt_event_reactor::Reactor;

use super::plan::Plan;
use crate::census::Census;

/// When something is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Everything comes and goes.
    Busy,
    /// Every connection is open and has a listener, and there is no guest.
    Full,
    /// Nothing is open, and nothing awaits freeing.
    Empty,
}

/// What goes on, and what has.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Open ones, but for those of the keeper.
    pub(super) connections: AtomicUsize,
    /// Running ones.
    pub(super) guests: AtomicUsize,
    pub(super) opened: AtomicUsize,
    pub(super) subscribed: AtomicUsize,
    /// Events.
    pub(super) heard: AtomicUsize,
    pub(super) calls: AtomicUsize,
    /// Failures because of a host that was away.
    pub(super) excused: AtomicUsize,
    /// Guests.
    pub(super) created: AtomicUsize,
    /// Hosts.
    pub(super) replaced: AtomicUsize,
    /// Hosts.
    pub(super) frozen: AtomicUsize,
}

impl Counters {
    /// Otherwise the figures would be of something else.
    pub(super) fn assert_that_all_has_happened(&self) {
        for (what, counter) in [
            ("opened", &self.opened),
            ("subscribed", &self.subscribed),
            ("heard", &self.heard),
            ("calls", &self.calls),
            ("excused", &self.excused),
            ("created", &self.created),
            ("replaced", &self.replaced),
            ("frozen", &self.frozen),
        ] {
            assert!(counter.load(Ordering::Relaxed) > 0, "{what}");
        }
    }
}

/// One look at a quiet moment.
#[derive(Debug)]
pub(super) struct Quiet {
    pub(super) phase: Phase,
    pub(super) census: Census,
    pub(super) watches: usize,
    pub(super) timers: usize,
    pub(super) opened: usize,
}

pub(super) struct Record<'a> {
    file: File,
    began: Instant,
    reactor: &'a Arc<Reactor>,
    counters: &'a Counters,
    quiet: Vec<Quiet>,
    line: Vec<u8>,
}

impl<'a> Record<'a> {
    pub(super) fn create(
        kind: LoopKind,
        plan: &Plan,
        reactor: &'a Arc<Reactor>,
        counters: &'a Counters,
    ) -> Result<Self, Failure> {
        let directory = target()?.join("soak");
        fs::create_dir_all(&directory)?;
        let path = directory.join(format!("{}.csv", kind.name()));
        let mut file = File::create(&path)?;
        println!("the counts go to {}", path.display());
        writeln!(file, "# loop {}, seed {}", kind.name(), plan.seed)?;
        writeln!(
            file,
            "seconds,phase,connections,guests,watches,timers,descriptors,allocations,bytes,\
             c_in_use,resident,opened,subscribed,heard,calls,excused,created,replaced,frozen"
        )?;
        let rounds = plan.duration.div_duration_f64(plan.round) as usize + 2;
        Ok(Self {
            file,
            began: Instant::now(),
            reactor,
            counters,
            // Both are as large as they will be, and so not what grows.
            quiet: Vec::with_capacity(2 * rounds),
            line: Vec::with_capacity(256),
        })
    }

    pub(super) fn take(&mut self, phase: Phase) -> Result<(), Failure> {
        let (stats, census) = (self.reactor.stats(), Census::take());
        let counters = self.counters;
        let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        self.line.clear();
        writeln!(
            self.line,
            "{:.3},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}",
            self.began.elapsed().as_secs_f64(),
            match phase {
                Phase::Busy => "busy",
                Phase::Full => "full",
                Phase::Empty => "empty",
            },
            count(&counters.connections),
            count(&counters.guests),
            stats.watches,
            stats.timers,
            census.descriptors,
            census.allocations,
            census.bytes,
            census.in_use,
            census.resident,
            count(&counters.opened),
            count(&counters.subscribed),
            count(&counters.heard),
            count(&counters.calls),
            count(&counters.excused),
            count(&counters.created),
            count(&counters.replaced),
            count(&counters.frozen),
        )?;
        self.file.write_all(&self.line)?;
        if phase != Phase::Busy {
            self.quiet.push(Quiet {
                phase,
                census,
                watches: stats.watches,
                timers: stats.timers,
                opened: count(&counters.opened),
            });
        }
        Ok(())
    }

    /// The looks at quiet moments.
    pub(super) fn quiet(&self) -> &[Quiet] {
        &self.quiet
    }
}

/// Cargo's target directory.
fn target() -> Result<PathBuf, Failure> {
    let program = env::current_exe()?;
    let target = program
        .ancestors()
        .find(|directory| directory.join("CACHEDIR.TAG").is_file());
    Ok(target
        .ok_or("this program is not in a target directory")?
        .to_owned())
}
