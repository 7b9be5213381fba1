//! All that a run found out. Its text is in [`table`](crate::table).

use serde::Serialize;

use crate::bound::Finding;
use crate::campaign::Outcome;
use crate::contender::Contender;
use crate::curve::Point;
use crate::date;
use crate::machine::Machine;
use crate::row::Row;
use crate::workload::Workload;

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
    /// What the budget buys and what it costs others, where that was measured.
    pub(crate) budgets: Vec<Point>,
    /// Those whose rows were all measured.
    pub(crate) bounds: Vec<Finding>,
}

/// A workload or a loop that this machine cannot do, or not in time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct NotMeasured {
    /// As on the command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) workload: Option<String>,
    /// As on the command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) r#loop: Option<&'static str>,
    /// In words.
    pub(crate) reason: String,
}

impl NotMeasured {
    /// A workload, for a reason to be added.
    pub(crate) fn of(workload: Workload) -> Self {
        Self {
            workload: Some(workload.to_string()),
            ..Self::default()
        }
    }

    /// A workload that there was no time for.
    pub(crate) fn in_time(workload: Workload) -> Self {
        Self {
            reason: "the minute of a quick run was over".to_owned(),
            ..Self::of(workload)
        }
    }

    /// A loop, for a reason to be added.
    pub(crate) fn on(contender: Contender) -> Self {
        Self {
            r#loop: Some(contender.name()),
            ..Self::default()
        }
    }
}

impl Report {
    /// Puts together what was measured.
    pub(crate) fn new(machine: Machine, rounds: u32, outcome: Outcome) -> Self {
        let Outcome {
            cells,
            not_measured,
            failures: _,
        } = outcome;
        Self {
            machine,
            date: date::now(),
            rounds,
            rows: Row::of_cells(&cells),
            not_measured,
            budgets: Point::of_cells(&cells),
            bounds: Finding::of_cells(&cells),
        }
    }
}
