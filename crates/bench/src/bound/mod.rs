//! What the figures have to be.

mod list;

use serde::Serialize;

use self::list::bounds;
use crate::cell::Cell;
use crate::contender::Contender;
use crate::row::find;
use crate::workload::Workload;

/// A limit on a ratio of the costs that count, or on one of them.
#[derive(Clone, Debug)]
struct Bound {
    says: String,
    /// The ratio is the product of these …
    over: Vec<(Workload, Contender)>,
    /// … divided by the product of these, or by nothing where there are none.
    under: Vec<(Workload, Contender)>,
    of: Of,
    limit: Limit,
}

/// Which of the rounds stands for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    /// The one in the middle.
    Median,
    /// The lowest, where other processes have a part in what is measured: then
    /// the spread is theirs, and says nothing.
    Lowest,
}

/// A bound and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Finding {
    /// What is compared, in words.
    pub(crate) bound: String,
    pub(crate) limit: Limit,
    /// The ratio of the costs that count: medians, unless the bound says the
    /// lowest. Where there is nothing to divide by, the cost itself.
    pub(crate) ratio: f64,
    pub(crate) verdict: Verdict,
}

/// Which ratios are good.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Limit {
    /// This one and those below it.
    AtMost(f64),
    /// Those below it: one is to be faster than the other, not as fast.
    Below(f64),
    /// This one and those above it.
    AtLeast(f64),
}

impl Limit {
    fn holds(self, ratio: f64) -> bool {
        match self {
            Self::AtMost(limit) => ratio <= limit,
            Self::Below(limit) => ratio < limit,
            Self::AtLeast(limit) => ratio >= limit,
        }
    }
}

/// What the figures say about a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    Met,
    NotMet,
    /// A row that it rests on is inconclusive, and it would be met or not as that
    /// row happens to be.
    Inconclusive,
}

impl Finding {
    /// The bounds whose cells were all measured.
    pub(crate) fn of_cells(cells: &[Cell]) -> Vec<Self> {
        bounds()
            .iter()
            .filter_map(|bound| bound.judge(cells))
            .collect()
    }
}

impl Bound {
    /// On one loop as compared with another.
    fn between(workload: Workload, on: Contender, other: Contender, limit: Limit) -> Self {
        Self {
            says: format!("{workload}: {on} ÷ {other}"),
            over: vec![(workload, on)],
            under: vec![(workload, other)],
            of: Of::Median,
            limit,
        }
    }

    /// The same by the lowest of the rounds.
    fn of_lowest(self) -> Self {
        Self {
            says: format!("{}, lowest", self.says),
            of: Of::Lowest,
            ..self
        }
    }

    fn judge(&self, cells: &[Cell]) -> Option<Finding> {
        let all = |keys: &[(Workload, Contender)]| {
            keys.iter()
                .map(|&(workload, contender)| find(cells, workload, contender))
                .collect::<Option<Vec<_>>>()
        };
        let (over, under) = (all(&self.over)?, all(&self.under)?);
        let cost = |cell: &&Cell| match self.of {
            Of::Median => cell.cost().median,
            Of::Lowest => cell.cost().lowest,
        };
        let product = |cells: &[&Cell]| cells.iter().map(cost).product::<f64>();
        let ratio = product(&over) / product(&under);
        let doubt: f64 = match self.of {
            Of::Median => over.iter().chain(&under).map(|cell| doubt(cell)).product(),
            Of::Lowest => 1.0,
        };
        let verdict = match [ratio / doubt, ratio * doubt].map(|it| self.limit.holds(it)) {
            [true, true] => Verdict::Met,
            [false, false] => Verdict::NotMet,
            _ => Verdict::Inconclusive,
        };
        Some(Finding {
            bound: self.says.clone(),
            limit: self.limit,
            ratio,
            verdict,
        })
    }
}

/// By what factor a cell's cost may be wrong: that of an inconclusive one by twice
/// its interquartile range.
fn doubt(cell: &Cell) -> f64 {
    if cell.is_inconclusive() {
        1.0 + 2.0 * cell.cost().spread
    } else {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contender::Contender::*;
    use crate::statistics::Summary;
    use crate::workload::Workload::*;
    use crate::workload::{Beside, Kept};

    fn cell(workload: Workload, contender: Contender, ns: f64, spread: f64) -> Cell {
        Cell::of_cost(workload, contender, ns, spread)
    }

    fn verdict(floor: f64, builtin: f64, spread: f64) -> Verdict {
        let workload = PingPong { idle: 0 };
        let cells = [
            cell(workload, Floor, floor, 0.01),
            cell(workload, Builtin, builtin, spread),
        ];
        let findings = Finding::of_cells(&cells);
        assert_eq!(findings.len(), 1, "only what was measured is judged");
        findings[0].verdict
    }

    #[test]
    fn the_limit_decides() {
        assert_eq!(verdict(1_000.0, 1_149.0, 0.01), Verdict::Met);
        assert_eq!(verdict(1_000.0, 1_151.0, 0.01), Verdict::NotMet);
    }

    #[test]
    fn as_fast_is_not_faster() {
        let verdict = |builtin| {
            let cells = [
                cell(UpdateHandle, LibvirtDefault, 1_000.0, 0.01),
                cell(UpdateHandle, Builtin, builtin, 0.01),
            ];
            let findings = Finding::of_cells(&cells);
            assert_eq!(findings.len(), 1);
            findings[0].verdict
        };
        assert_eq!(verdict(999.0), Verdict::Met);
        assert_eq!(verdict(1_000.0), Verdict::NotMet);
        assert!(Limit::AtMost(1.3).holds(1.3));
    }

    #[test]
    fn a_wide_spread_decides_nothing_near_the_limit() {
        for builtin in [900.0, 1_149.0, 1_151.0, 1_500.0] {
            assert_eq!(verdict(1_000.0, builtin, 0.16), Verdict::Inconclusive);
        }
        assert_eq!(verdict(1_000.0, 800.0, 0.16), Verdict::Met);
        assert_eq!(verdict(1_000.0, 9_000.0, 0.16), Verdict::NotMet);
    }

    #[test]
    fn the_lowest_stands_for_calls_that_a_daemon_answers() {
        let beside = Beside::Idle(500);
        let cell = |contender, lowest| {
            let mut cell = cell(Rpc { beside }, contender, 1_000.0, 0.5);
            cell.cpu.lowest = lowest;
            cell
        };
        let verdict = |builtin| {
            let cells = [cell(LibvirtDefault, 900.0), cell(Builtin, builtin)];
            let findings = Finding::of_cells(&cells);
            assert_eq!(findings.len(), 1);
            findings[0].verdict
        };
        assert_eq!(verdict(449.0), Verdict::Met);
        assert_eq!(verdict(451.0), Verdict::NotMet);
    }

    #[test]
    fn memory_is_limited_by_itself() {
        let verdict = |bytes| {
            let cells = [cell(Memory { of: Kept::Timer }, Builtin, bytes, 0.0)];
            let findings = Finding::of_cells(&cells);
            assert_eq!((findings.len(), findings[0].ratio), (1, bytes));
            findings[0].verdict
        };
        assert_eq!(verdict(200.0), Verdict::Met);
        assert_eq!(verdict(201.0), Verdict::NotMet);
    }

    #[test]
    fn the_growth_of_the_kernel_is_divided_out() {
        let cells = [
            cell(AddRemove { registered: 0 }, Floor, 1_000.0, 0.0),
            cell(AddRemove { registered: 0 }, Builtin, 2_000.0, 0.0),
            cell(AddRemove { registered: 10_000 }, Floor, 1_500.0, 0.0),
            cell(AddRemove { registered: 10_000 }, Builtin, 3_000.0, 0.0),
        ];
        let findings = Finding::of_cells(&cells);
        assert_eq!(findings[0].ratio, 1.0);
        assert_eq!(findings[0].verdict, Verdict::Met);
    }

    #[test]
    fn a_fair_loop_gives_another_source_its_turns() {
        let verdict = |beside_ours| {
            let cells = [
                cell(Fairness, GlibNative, 3_000.0, 0.0),
                cell(Fairness, Glib, beside_ours, 0.0),
            ];
            Finding::of_cells(&cells)[0].verdict
        };
        assert_eq!(verdict(9_000.0), Verdict::Met);
        assert_eq!(verdict(11_000.0), Verdict::NotMet);
    }

    #[test]
    fn threads_that_wait_for_each_other_are_judged_by_wall_time() {
        let cell = |contender, wall| Cell {
            wall: Summary {
                median: wall,
                spread: 0.0,
                lowest: wall,
            },
            ..cell(CrossThread, contender, 1_000.0, 0.5)
        };
        let cells = [cell(Calloop, 2_400.0), cell(CalloopNative, 2_000.0)];
        let finding = &Finding::of_cells(&cells)[0];
        assert_eq!((finding.ratio, finding.verdict), (1.2, Verdict::Met));
    }
}
