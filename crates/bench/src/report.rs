//! All that a run found out. Its text is in [`table`](crate::table).

use serde::Serialize;

use crate::bound::Finding;
use crate::campaign::Cell;
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
    /// Those whose rows were all measured.
    pub(crate) bounds: Vec<Finding>,
}

impl Report {
    /// Puts together what was measured.
    pub(crate) fn new(machine: Machine, rounds: u32, cells: &[Cell]) -> Self {
        Self {
            machine,
            date: date::now(),
            rounds,
            rows: Row::of_cells(cells),
            bounds: Finding::of_cells(cells),
        }
    }
}
