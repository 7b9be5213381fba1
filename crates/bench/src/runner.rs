//! One cell while it is measured.

use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use virt_event_tests::rig::Daemon;

use crate::campaign::{Campaign, Place};
use crate::cell::Cell;
use crate::child::Child;
use crate::sample::Sample;
use crate::workload::{self, Daemons};

/// A child and what it did so far.
pub(crate) struct Runner {
    pub(crate) place: Place,
    /// Ends before its daemon.
    child: Child,
    daemon: Option<Rc<Daemon>>,
    operations: u64,
    samples: Vec<Sample>,
}

impl Runner {
    /// Starts a child and warms it up.
    pub(crate) fn start(
        place: Place,
        shared: Option<&Rc<Daemon>>,
        campaign: &Campaign,
    ) -> Result<Self> {
        let (workload, _) = place;
        let daemon = match workload.daemon() {
            None => None,
            Some(Daemons::OneForAll) => shared.cloned(),
            Some(Daemons::OneEach) => Some(Rc::new(Daemon::start()?)),
        };
        let mut child = start_child(place, daemon.as_deref())?;
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
            place,
            child,
            daemon,
            operations,
            samples: Vec::new(),
        })
    }

    /// One round more.
    pub(crate) fn round(&mut self) -> Result<()> {
        if self.place.0.needs_a_fresh_process() && !self.samples.is_empty() {
            self.child = start_child(self.place, self.daemon.as_deref())?;
        }
        self.samples.push(self.child.round(self.operations)?);
        Ok(())
    }

    /// What came of the rounds, of which there is at least one.
    pub(crate) fn cell(&self) -> Cell {
        let (workload, contender) = self.place;
        Cell::of_samples(workload, contender, self.operations, &self.samples)
    }
}

fn start_child((workload, contender): Place, daemon: Option<&Daemon>) -> Result<Child> {
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
