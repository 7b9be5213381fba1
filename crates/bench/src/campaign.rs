//! The rounds: who runs when, and how many operations.

use std::time::Duration;

use anyhow::{Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};

use crate::child::{self, Child};
use crate::contender::Contender;
use crate::report::NotMeasured;
use crate::sample::{Clock, Sample};
use crate::statistics::{INCONCLUSIVE_ABOVE, Summary};
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
    /// How many events make a storm, whatever time they take.
    pub(crate) storm: u64,
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

impl Cell {
    /// The time that this workload is measured in.
    pub(crate) fn time(&self) -> Summary {
        match self.workload.clock() {
            Clock::Cpu => self.cpu,
            Clock::Wall => self.wall,
        }
    }

    /// Whether its rounds differ too much to conclude from them.
    pub(crate) fn is_inconclusive(&self) -> bool {
        self.time().spread > INCONCLUSIVE_ABOVE
    }
}

/// What came of a campaign.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// By workload and then by loop.
    pub(crate) cells: Vec<Cell>,
    /// What has no cells.
    pub(crate) not_measured: Vec<NotMeasured>,
}

impl Campaign {
    /// Measures every cell that was asked for and that this machine can do.
    /// Which those are is known before the first round.
    pub(crate) fn run(&self) -> Result<Outcome> {
        let (places, not_measured) = self.places()?;
        let progress = self.progress(places.len());
        let mut cells = Vec::new();
        for group in places.chunk_by(|a, b| a.0.group() == b.0.group()) {
            if progress.is_hidden() {
                eprintln!("measuring {} …", group[0].0.group());
            }
            cells.extend(self.measure(group, &progress)?);
        }
        progress.finish_and_clear();
        Ok(Outcome {
            cells,
            not_measured,
        })
    }

    /// The places of the table that have a cell, and what this machine cannot
    /// do.
    fn places(&self) -> Result<(Vec<Place>, Vec<NotMeasured>)> {
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

        let places: Vec<_> = workloads
            .iter()
            .flat_map(|&workload| contenders.iter().map(move |&c| (workload, c)))
            .filter(|(workload, contender)| workload.is_for(*contender))
            .collect();
        ensure!(
            !places.is_empty() || !not_measured.is_empty(),
            "none of these loops does any of these workloads"
        );
        Ok((places, not_measured))
    }

    /// Measures the cells of one group in interleaved rounds (A B C A B C …),
    /// so that whatever drifts, drifts for all of them alike.
    fn measure(&self, group: &[Place], progress: &ProgressBar) -> Result<Vec<Cell>> {
        let mut runners = Vec::new();
        for &(workload, contender) in group {
            progress.set_message(format!("{workload} on {contender}"));
            runners.push(Runner::start(workload, contender, self)?);
            progress.inc(1);
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
    fn progress(&self, cells: usize) -> ProgressBar {
        let steps = cells as u64 * (u64::from(self.rounds) + 1);
        let style = ProgressStyle::with_template("{wide_bar} {percent:>3} %  {msg:36}")
            .expect("a fixed template");
        ProgressBar::new(steps).with_style(style)
    }
}

/// A place in the table.
type Place = (Workload, Contender);

/// A child and what it did so far.
struct Runner {
    workload: Workload,
    contender: Contender,
    child: Child,
    operations: u64,
    samples: Vec<Sample>,
}

impl Runner {
    /// Starts a child and warms it up.
    fn start(workload: Workload, contender: Contender, campaign: &Campaign) -> Result<Self> {
        let mut child = Child::start(contender, workload)?;
        let operations = if workload.is_a_storm() {
            child.round(campaign.storm)?;
            campaign.storm
        } else {
            calibrate(&mut child, campaign.round_time)?
        };
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

/// Finds out how many operations fill a round.
fn calibrate(child: &mut Child, round_time: Duration) -> Result<u64> {
    let mut operations = 1;
    loop {
        let wall = child.round(operations)?.wall.max(Duration::from_nanos(1));
        let factor = round_time.as_secs_f64() / wall.as_secs_f64();
        // The first operations are the slow ones: approach by steps.
        operations = ((operations as f64 * factor.min(10.0)) as u64).max(1);
        if factor < 2.0 {
            return Ok(operations);
        }
    }
}
