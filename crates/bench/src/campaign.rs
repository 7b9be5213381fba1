//! The rounds: who runs when, and how many operations.

use std::time::{Duration, Instant};

use anyhow::{Error, Result, anyhow, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use virt_event_tests::rig::Daemon;

use crate::cell::Cell;
use crate::child::{self, Child};
use crate::contender::Contender;
use crate::report::NotMeasured;
use crate::sample::Sample;
use crate::workload::{self, Workload};

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
        self.not_measured.push(NotMeasured {
            r#loop: Some(contender.name()),
            reason: format!("{error:#}"),
            ..NotMeasured::of(workload)
        });
    }
}

impl Campaign {
    /// Measures every cell that was asked for and that this machine can do.
    /// Which those are is known before the first round.
    pub(crate) fn run(&self) -> Result<Outcome> {
        let began = Instant::now();
        let (places, not_measured) = self.places()?;
        let progress = self.progress(places.len());
        let mut outcome = Outcome {
            cells: Vec::new(),
            not_measured,
            failures: 0,
        };
        for group in places.chunk_by(|a, b| a.0.group() == b.0.group()) {
            if progress.is_hidden() {
                eprintln!("measuring {} …", group[0].0.group());
            }
            let is_over = || self.limit.is_some_and(|limit| began.elapsed() > limit);
            if self.measure(group, &progress, &mut outcome, is_over) == Progress::Over {
                let mut workloads: Vec<_> = group.iter().map(|place| place.0).collect();
                workloads.dedup();
                let late = workloads.into_iter().map(NotMeasured::in_time);
                outcome.not_measured.extend(late);
            }
        }
        progress.finish_and_clear();
        Ok(outcome)
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
        if workloads.iter().any(|w| w.needs_a_daemon()) {
            let daemon = Daemon::start().map(drop);
            let daemon = daemon.map_err(|error| format!("{error}"));
            let can = |workload: &Workload| match &daemon {
                Err(error) if workload.needs_a_daemon() => Err(anyhow!("no libvirtd: {error}")),
                _ => Ok(()),
            };
            workloads.retain(|w| possible(can(w), NotMeasured::of(*w)));
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
        Ok((places, not_measured))
    }

    /// Measures the cells of one group in interleaved rounds (A B C A B C …),
    /// so that whatever drifts, drifts for all of them alike. A child that fails
    /// costs its cell and no other.
    fn measure(
        &self,
        group: &[Place],
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
            match Runner::start(workload, contender, self) {
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
                let place = (runner.workload, runner.contender);
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

/// What came of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Done,
    /// There was no time for all of it, so that nothing of it counts.
    Over,
}

/// A place in the table.
type Place = (Workload, Contender);

/// A child and what it did so far.
struct Runner {
    workload: Workload,
    contender: Contender,
    /// Ends before its daemon.
    child: Child,
    daemon: Option<Daemon>,
    operations: u64,
    samples: Vec<Sample>,
}

impl Runner {
    /// Starts a child and warms it up.
    fn start(workload: Workload, contender: Contender, campaign: &Campaign) -> Result<Self> {
        let daemon = workload.needs_a_daemon().then(Daemon::start).transpose()?;
        let mut child = start_child(workload, contender, daemon.as_ref())?;
        let operations = match workload.operations(campaign.quick) {
            // Its first round is the only one.
            Some(operations) if workload.needs_a_fresh_process() => operations,
            Some(operations) => {
                child.round(operations)?;
                operations
            }
            None => {
                let round_time = workload.round_time(campaign.round_time);
                calibrate(&mut child, round_time, workload.fewest_operations())?
            }
        };
        Ok(Self {
            workload,
            contender,
            child,
            daemon,
            operations,
            samples: Vec::new(),
        })
    }

    fn round(&mut self) -> Result<()> {
        if self.workload.needs_a_fresh_process() && !self.samples.is_empty() {
            self.child = start_child(self.workload, self.contender, self.daemon.as_ref())?;
        }
        self.samples.push(self.child.round(self.operations)?);
        Ok(())
    }

    fn cell(&self) -> Cell {
        Cell::of_samples(
            self.workload,
            self.contender,
            self.operations,
            &self.samples,
        )
    }
}

fn start_child(workload: Workload, contender: Contender, daemon: Option<&Daemon>) -> Result<Child> {
    let uri = daemon.map(Daemon::test_uri);
    let place = workload::Place {
        uri: uri.as_deref(),
    };
    Child::start(contender, workload, place)
}

/// Finds out how many operations fill a round; at least `fewest`.
fn calibrate(child: &mut Child, round_time: Duration, fewest: u64) -> Result<u64> {
    let mut operations = fewest;
    let mut is_confirmed = false;
    loop {
        let factor = round_time.as_secs_f64() / duration(&child.round(operations)?).as_secs_f64();
        if factor < 2.0 && !is_confirmed {
            // It may be that something else ran meanwhile.
            is_confirmed = true;
            continue;
        }
        // The first operations are the slow ones: approach by steps.
        operations = ((operations as f64 * factor.min(10.0)) as u64).max(fewest);
        if factor < 2.0 {
            return Ok(operations);
        }
        is_confirmed = false;
    }
}

/// How long a round takes where nothing else runs. On a busy machine it is on a
/// processor for a small part of the time that passes. Waiting for a daemon takes
/// less than three times what the rest of a call does.
fn duration(sample: &Sample) -> Duration {
    let nothing = Duration::from_nanos(1);
    sample.wall.min(sample.cpu * 4).max(nothing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Extra;

    #[test]
    fn time_that_others_had_does_not_count() {
        let milliseconds = Duration::from_millis;
        let sample = |cpu, wall| Sample {
            cpu: milliseconds(cpu),
            wall: milliseconds(wall),
            extra: Extra::Nothing,
        };
        assert_eq!(duration(&sample(10, 11)), milliseconds(11));
        assert_eq!(duration(&sample(10, 200)), milliseconds(40));
        assert!(duration(&sample(0, 0)) > Duration::ZERO);
    }
}
