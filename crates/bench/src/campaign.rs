//! The rounds: who runs when, and how many operations.

use std::time::Duration;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

use crate::child::{self, Child};
use crate::contender::Contender;
use crate::report::NotMeasured;
use crate::sample::Sample;
use crate::statistics::Summary;
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
    /// The wall time that a round should take: many times what a tick of the
    /// scheduler or an interrupt costs.
    pub(crate) round_time: Duration,
}

/// What the rounds of one workload on one loop cost.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) workload: Workload,
    pub(crate) contender: Contender,
    /// Nanoseconds of CPU time per operation.
    pub(crate) cpu: Summary,
    /// Nanoseconds of wall time per operation.
    pub(crate) wall: Summary,
}

/// What came of a campaign.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// By workload and then by loop.
    pub(crate) cells: Vec<Cell>,
    /// The workloads that have no cells.
    pub(crate) not_measured: Vec<NotMeasured>,
}

impl Campaign {
    /// Measures every cell of every workload that this machine can do. Which
    /// those are is known before the first round.
    pub(crate) fn run(&self) -> Result<Outcome> {
        let mut possible = Vec::new();
        let mut not_measured = Vec::new();
        for &workload in &self.workloads {
            match child::can_have_descriptors(workload) {
                Ok(()) => possible.push(workload),
                Err(error) => not_measured.push(NotMeasured {
                    workload: workload.to_string(),
                    reason: format!("{error:#}"),
                }),
            }
        }

        let progress = self.progress(possible.len());
        let mut cells = Vec::new();
        for family in possible.chunk_by(|a, b| a.family() == b.family()) {
            if progress.is_hidden() {
                eprintln!("measuring {} …", family[0].family());
            }
            cells.extend(self.measure(family, &progress)?);
        }
        progress.finish_and_clear();
        Ok(Outcome {
            cells,
            not_measured,
        })
    }

    /// Measures the cells of one family in interleaved rounds (A B C A B C …),
    /// so that whatever drifts, drifts for all of them alike.
    fn measure(&self, family: &[Workload], progress: &ProgressBar) -> Result<Vec<Cell>> {
        let mut runners = Vec::new();
        for &workload in family {
            for &contender in &self.contenders {
                progress.set_message(format!("{workload} on {contender}"));
                runners.push(Runner::calibrated(workload, contender, self.round_time)?);
                progress.inc(1);
            }
        }
        for _ in 0..self.rounds {
            for runner in &mut runners {
                progress.set_message(format!("{} on {}", runner.workload, runner.contender));
                runner.round()?;
                progress.inc(1);
            }
        }
        Ok(runners.iter().map(Runner::cell).collect())
    }

    /// A bar on a terminal; hidden elsewhere.
    fn progress(&self, workloads: usize) -> ProgressBar {
        let cells = workloads * self.contenders.len();
        let steps = cells as u64 * (u64::from(self.rounds) + 1);
        let style = ProgressStyle::with_template("{wide_bar} {percent:>3} %  {msg:36}")
            .expect("a fixed template");
        ProgressBar::new(steps).with_style(style)
    }
}

/// A child and what it did so far.
struct Runner {
    workload: Workload,
    contender: Contender,
    child: Child,
    operations: u64,
    samples: Vec<Sample>,
}

impl Runner {
    /// Starts a child and finds out how many operations fill a round, which
    /// warms it up as well.
    fn calibrated(workload: Workload, contender: Contender, round_time: Duration) -> Result<Self> {
        let mut child = Child::start(contender, workload)?;
        let mut operations = 1;
        loop {
            let wall = child.round(operations)?.wall.max(Duration::from_nanos(1));
            let factor = round_time.as_secs_f64() / wall.as_secs_f64();
            // The first operations are the slow ones: approach by steps.
            operations = ((operations as f64 * factor.min(10.0)) as u64).max(1);
            if factor < 2.0 {
                break;
            }
        }
        Ok(Self {
            workload,
            contender,
            child,
            operations,
            samples: Vec::new(),
        })
    }

    fn round(&mut self) -> Result<()> {
        self.samples.push(self.child.round(self.operations)?);
        Ok(())
    }

    fn cell(&self) -> Cell {
        let summary = |time: fn(&Sample) -> Duration| {
            let per_operation = |sample| time(sample).as_nanos() as f64 / self.operations as f64;
            Summary::of(&self.samples.iter().map(per_operation).collect::<Vec<_>>())
        };
        Cell {
            workload: self.workload,
            contender: self.contender,
            cpu: summary(|sample| sample.cpu),
            wall: summary(|sample| sample.wall),
        }
    }
}
