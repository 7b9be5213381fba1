//! What the rounds of one workload on one loop cost.

use std::time::Duration;

use crate::contender::Contender;
use crate::sample::{Extra, Lateness, Quantity, Sample};
use crate::statistics::{INCONCLUSIVE_ABOVE, Summary};
use crate::workload::Workload;

/// A cell of the table.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) workload: Workload,
    pub(crate) contender: Contender,
    /// Nanoseconds of CPU time per operation.
    pub(crate) cpu: Summary,
    /// Nanoseconds of wall time per operation.
    pub(crate) wall: Summary,
    /// Bytes per operation, where they were looked at.
    pub(crate) bytes: Option<Summary>,
    /// How late timers fired, where there were any.
    pub(crate) lateness: Option<Lateness>,
}

impl Cell {
    /// That of rounds of so many operations each.
    pub(crate) fn of_samples(
        workload: Workload,
        contender: Contender,
        operations: u64,
        samples: &[Sample],
    ) -> Self {
        let summary = |values: Vec<f64>| {
            let per_operation = values.iter().map(|value| value / operations as f64);
            Summary::of(&per_operation.collect::<Vec<_>>())
        };
        let times = |time: fn(&Sample) -> Duration| {
            let nanoseconds = samples.iter().map(|sample| time(sample).as_nanos() as f64);
            summary(nanoseconds.collect())
        };
        let bytes = samples.iter().filter_map(|sample| match sample.extra {
            Extra::Bytes(bytes) => Some(bytes as f64),
            _ => None,
        });
        let bytes: Vec<_> = bytes.collect();
        let late = samples.iter().filter_map(|sample| match sample.extra {
            Extra::Late(late) => Some(late),
            _ => None,
        });
        let late: Vec<_> = late.collect();
        Self {
            workload,
            contender,
            cpu: times(|sample| sample.cpu),
            wall: times(|sample| sample.wall),
            bytes: (!bytes.is_empty()).then(|| summary(bytes)),
            lateness: (!late.is_empty()).then(|| Lateness::median(&late)),
        }
    }

    /// What this workload is measured in.
    pub(crate) fn cost(&self) -> Summary {
        match self.workload.quantity() {
            Quantity::CpuTime => self.cpu,
            Quantity::WallTime => self.wall,
            Quantity::Memory => self.bytes.unwrap_or_default(),
        }
    }

    /// Whether its rounds differ too much to conclude from them.
    pub(crate) fn is_inconclusive(&self) -> bool {
        self.cost().spread > INCONCLUSIVE_ABOVE
    }
}

/// For the tests of what is made of cells.
#[cfg(test)]
impl Cell {
    /// One of which all costs are the same.
    pub(crate) fn of_cost(
        workload: Workload,
        contender: Contender,
        cost: f64,
        spread: f64,
    ) -> Self {
        let cost = Summary {
            median: cost,
            spread,
            lowest: cost,
        };
        Self {
            workload,
            contender,
            cpu: cost,
            wall: cost,
            bytes: Some(cost),
            lateness: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Kept, Phases};

    fn sample(extra: Extra) -> Sample {
        Sample {
            cpu: Duration::from_nanos(200),
            wall: Duration::from_nanos(300),
            extra,
        }
    }

    #[test]
    fn what_counts_is_what_the_workload_is_about() {
        let workload = Workload::Memory { of: Kept::Timer };
        let samples = [sample(Extra::Bytes(1_000)); 3];
        let cell = Cell::of_samples(workload, Contender::Builtin, 10, &samples);
        assert_eq!(cell.cost().median, 100.0);
        assert_eq!((cell.cpu.median, cell.wall.median), (20.0, 30.0));
        assert!(cell.lateness.is_none());

        let cell = Cell::of_samples(Workload::CrossThread, Contender::Builtin, 10, &samples);
        assert_eq!(cell.cost().median, 30.0);
    }

    #[test]
    fn the_lateness_is_the_one_in_the_middle() {
        let late = |ns| {
            let [p50, p99, p100] = [ns, ns * 2, ns * 3].map(Duration::from_nanos);
            sample(Extra::Late(Lateness { p50, p99, p100 }))
        };
        let workload = Workload::Timers {
            phases: Phases::Together,
        };
        let samples = [late(9), late(1), late(2)];
        let cell = Cell::of_samples(workload, Contender::Builtin, 10, &samples);
        let lateness = cell.lateness.unwrap();
        let nanoseconds = [lateness.p50, lateness.p99, lateness.p100].map(|t| t.as_nanos());
        assert_eq!(nanoseconds, [2, 4, 6]);
    }
}
