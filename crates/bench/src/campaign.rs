//! The rounds: who runs when, and how many operations.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Error, Result, anyhow, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use virt_event_tests::rig::Daemon;

use crate::cell::Cell;
use crate::child;
use crate::contender::Contender;
use crate::report::NotMeasured;
use crate::runner::Runner;
use crate::workload::Workload;

/// What to measure, and how long.
#[derive(Clone, Debug)]
pub(crate) struct Campaign {
    /// In the order of [`Workload::ALL`].
    pub(crate) workloads: Vec<Workload>,
    /// In the order of [`Contender::ALL`].
    pub(crate) contenders: Vec<Contender>,
    /// Rounds of each cell.
    pub(crate) rounds: u32,
    /// The wall time that most rounds should take.
    pub(crate) round_time: Duration,
    /// Whether the rounds that are not measured by time are short as well.
    pub(crate) quick: bool,
    /// So long after the beginning it ends, and leaves out what it has not done.
    pub(crate) limit: Option<Duration>,
}

/// What came of a campaign.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// By workload and then by loop.
    pub(crate) cells: Vec<Cell>,
    /// What has no cells.
    pub(crate) not_measured: Vec<NotMeasured>,
    /// How many of these are somebody's fault.
    pub(crate) failures: usize,
}

impl Outcome {
    fn fail(&mut self, (workload, contender): Place, error: &Error) {
        self.failures += 1;
        let reason = format!("{error:#}");
        // A child's errors begin with the place.
        let place = format!("{workload} on {contender}: ");
        self.not_measured.push(NotMeasured {
            r#loop: Some(contender.name()),
            reason: reason.strip_prefix(&place).unwrap_or(&reason).to_owned(),
            ..NotMeasured::of(workload)
        });
    }
}

impl Campaign {
    /// Measures every cell that was asked for and that this machine can do.
    /// Which those are is known before the first round.
    pub(crate) fn run(&self) -> Result<Outcome> {
        let began = Instant::now();
        let Plan {
            places,
            not_measured,
            daemon,
        } = self.plan()?;
        let progress = self.progress(places.len());
        let mut outcome = Outcome {
            cells: Vec::new(),
            not_measured,
            failures: 0,
        };
        for group in places.chunk_by(|a, b| a.0.group() == b.0.group()) {
            let is_over = || self.limit.is_some_and(|limit| began.elapsed() > limit);
            if progress.is_hidden() && !is_over() {
                eprintln!("measuring {} …", group[0].0.group());
            }
            if self.measure(group, daemon.as_ref(), &progress, &mut outcome, is_over)
                == Progress::Over
            {
                let mut workloads: Vec<_> = group.iter().map(|place| place.0).collect();
                workloads.dedup();
                let late = workloads.into_iter().map(NotMeasured::in_time);
                outcome.not_measured.extend(late);
            }
        }
        progress.finish_and_clear();
        Ok(outcome)
    }

    /// Finds out what this machine can do.
    fn plan(&self) -> Result<Plan> {
        let mut not_measured = Vec::new();
        let mut possible = |result: Result<()>, name: NotMeasured| match result {
            Ok(()) => true,
            Err(error) => {
                let reason = format!("{error:#}");
                not_measured.push(NotMeasured { reason, ..name });
                false
            }
        };
        let mut contenders = self.contenders.clone();
        contenders.retain(|c| possible(c.is_there(), NotMeasured::on(*c)));
        let mut workloads = self.workloads.clone();
        workloads.retain(|w| possible(child::can_have_descriptors(*w), NotMeasured::of(*w)));
        let mut shared = None;
        if workloads.iter().any(|w| w.daemon().is_some()) {
            let daemon = Daemon::start().map_err(|error| format!("{error}"));
            let can = |workload: &Workload| match &daemon {
                Err(error) if workload.daemon().is_some() => Err(anyhow!("no libvirtd: {error}")),
                _ => Ok(()),
            };
            workloads.retain(|w| possible(can(w), NotMeasured::of(*w)));
            shared = daemon.ok().map(Rc::new);
        }

        let places: Vec<_> = workloads
            .iter()
            .flat_map(|&workload| contenders.iter().map(move |&c| (workload, c)))
            .filter(|(workload, contender)| workload.is_for(*contender))
            .filter(|(workload, contender)| !self.quick || workload.is_quick_on(*contender))
            .collect();
        ensure!(
            !places.is_empty() || !not_measured.is_empty(),
            "none of these loops does any of these workloads"
        );
        Ok(Plan {
            places,
            not_measured,
            daemon: shared,
        })
    }

    /// Measures the cells of one group in interleaved rounds (A B C A B C …),
    /// so that whatever drifts, drifts for all of them alike. A child that fails
    /// costs its cell and no other.
    fn measure(
        &self,
        group: &[Place],
        shared: Option<&Rc<Daemon>>,
        progress: &ProgressBar,
        outcome: &mut Outcome,
        is_over: impl Fn() -> bool,
    ) -> Progress {
        let mut runners = Vec::new();
        for &(workload, contender) in group {
            if is_over() {
                return Progress::Over;
            }
            progress.set_message(format!("{workload} on {contender}"));
            match Runner::start((workload, contender), shared, self) {
                Ok(runner) => runners.push(runner),
                Err(error) => outcome.fail((workload, contender), &error),
            }
            progress.inc(1);
        }
        for _ in 0..self.rounds {
            runners.retain_mut(|runner| {
                if is_over() {
                    return true;
                }
                let place = runner.place;
                progress.set_message(format!("{} on {}", place.0, place.1));
                let ran = runner.round();
                progress.inc(1);
                ran.map_err(|error| outcome.fail(place, &error)).is_ok()
            });
        }
        // Too few rounds do not count.
        if is_over() {
            return Progress::Over;
        }
        outcome.cells.extend(runners.iter().map(Runner::cell));
        Progress::Done
    }

    /// A bar on a terminal; hidden elsewhere.
    fn progress(&self, cells: usize) -> ProgressBar {
        let steps = cells as u64 * (u64::from(self.rounds) + 1);
        let style = ProgressStyle::with_template("{wide_bar} {percent:>3} %  {msg:36}")
            .expect("a fixed template");
        ProgressBar::new(steps).with_style(style)
    }
}

/// What there is to do.
struct Plan {
    /// Those that have a cell, in the order of the table.
    places: Vec<Place>,
    not_measured: Vec<NotMeasured>,
    /// For those who can share one.
    daemon: Option<Rc<Daemon>>,
}

/// What came of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Done,
    /// There was no time for all of it, so that nothing of it counts.
    Over,
}

/// A place in the table.
pub(crate) type Place = (Workload, Contender);
