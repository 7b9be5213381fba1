//! What the figures have to be.

mod list;

use serde::Serialize;

use self::list::bounds;
use crate::campaign::Cell;
use crate::contender::Contender;
use crate::row::find;
use crate::workload::Workload;

/// A limit on a ratio of the times that count.
#[derive(Clone, Debug)]
struct Bound {
    says: String,
    /// The ratio is the product of these …
    over: Vec<(Workload, Contender)>,
    /// … divided by the product of these.
    under: Vec<(Workload, Contender)>,
    limit: Limit,
}

/// A bound and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Finding {
    /// What is compared, in words.
    pub(crate) bound: String,
    pub(crate) limit: Limit,
    /// The ratio of the medians of the time that counts: CPU time, but for
    /// cross-thread.
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
    /// A row that it rests on is inconclusive.
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
            limit,
        }
    }

    fn judge(&self, cells: &[Cell]) -> Option<Finding> {
        let all = |keys: &[(Workload, Contender)]| {
            keys.iter()
                .map(|&(workload, contender)| find(cells, workload, contender))
                .collect::<Option<Vec<_>>>()
        };
        let (over, under) = (all(&self.over)?, all(&self.under)?);
        let product =
            |cells: &[&Cell]| cells.iter().map(|cell| cell.time().median).product::<f64>();
        let ratio = product(&over) / product(&under);
        let verdict = if over.iter().chain(&under).any(|cell| cell.is_inconclusive()) {
            Verdict::Inconclusive
        } else if self.limit.holds(ratio) {
            Verdict::Met
        } else {
            Verdict::NotMet
        };
        Some(Finding {
            bound: self.says.clone(),
            limit: self.limit,
            ratio,
            verdict,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contender::Contender::*;
    use crate::statistics::Summary;
    use crate::workload::Workload::*;

    fn cell(workload: Workload, contender: Contender, ns: f64, spread: f64) -> Cell {
        let cpu = Summary { median: ns, spread };
        Cell {
            workload,
            contender,
            cpu,
            wall: cpu,
        }
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
        assert_eq!(verdict(1_000.0, 1_299.0, 0.01), Verdict::Met);
        assert_eq!(verdict(1_000.0, 1_301.0, 0.01), Verdict::NotMet);
    }

    #[test]
    fn as_fast_is_not_faster() {
        let verdict = |builtin| {
            let cells = [
                cell(UpdateHandle, LibvirtDefault, 1_000.0, 0.01),
                cell(UpdateHandle, Builtin, builtin, 0.01),
            ];
            Finding::of_cells(&cells)[0].verdict
        };
        assert_eq!(verdict(999.0), Verdict::Met);
        assert_eq!(verdict(1_000.0), Verdict::NotMet);
        assert!(Limit::AtMost(1.3).holds(1.3));
    }

    #[test]
    fn a_wide_spread_decides_nothing() {
        assert_eq!(verdict(1_000.0, 9_000.0, 0.16), Verdict::Inconclusive);
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
            },
            ..cell(CrossThread, contender, 1_000.0, 0.5)
        };
        let cells = [cell(Calloop, 2_400.0), cell(CalloopNative, 2_000.0)];
        let finding = &Finding::of_cells(&cells)[0];
        assert_eq!((finding.ratio, finding.verdict), (1.2, Verdict::Met));
    }
}
