//! All that a run found out. Its text is in [`table`](crate::table).

use serde::Serialize;

use crate::bound::Finding;
use crate::campaign::Outcome;
use crate::date;
use crate::machine::Machine;
use crate::row::Row;

/// The object that `--json` writes.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    /// When it ended, in UTC, as in `2026-11-22T16:24:09Z`.
    pub(crate) date: String,
    /// Rounds of each row.
    pub(crate) rounds: u32,
    pub(crate) rows: Vec<Row>,
    pub(crate) not_measured: Vec<NotMeasured>,
    /// Those whose rows were all measured.
    pub(crate) bounds: Vec<Finding>,
}

/// A workload that this machine cannot do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct NotMeasured {
    /// As on the command line.
    pub(crate) workload: String,
    /// In words.
    pub(crate) reason: String,
}

impl Report {
    /// Puts together what was measured.
    pub(crate) fn new(machine: Machine, rounds: u32, outcome: Outcome) -> Self {
        let Outcome {
            cells,
            not_measured,
        } = outcome;
        Self {
            machine,
            date: date::now(),
            rounds,
            rows: Row::of_cells(&cells),
            not_measured,
            bounds: Finding::of_cells(&cells),
        }
    }
}
