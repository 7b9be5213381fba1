//! What the figures have to be.

use serde::Serialize;

use crate::campaign::Cell;
use crate::contender::Contender::{self, Builtin, Floor, LibvirtDefault};
use crate::row::{find, is_inconclusive};
use crate::workload::Workload::{self, AddRemove, PingPong, UpdateHandle, UpdateTimeout};

/// A limit on a ratio of CPU times.
#[derive(Clone, Copy, Debug)]
struct Bound {
    says: &'static str,
    /// The ratio is the product of these …
    over: &'static [(Workload, Contender)],
    /// … divided by the product of these.
    under: &'static [(Workload, Contender)],
    limit: Limit,
}

/// Another bound is another element.
const BOUNDS: &[Bound] = &[
    Bound {
        says: "ping-pong, 0 idle: builtin ÷ floor",
        over: &[(PingPong { idle: 0 }, Builtin)],
        under: &[(PingPong { idle: 0 }, Floor)],
        limit: Limit::AtMost(1.3),
    },
    Bound {
        says: "ping-pong, builtin: 10,000 idle ÷ 0 idle",
        over: &[(PingPong { idle: 10_000 }, Builtin)],
        under: &[(PingPong { idle: 0 }, Builtin)],
        limit: Limit::AtMost(1.15),
    },
    Bound {
        says: "update-handle: builtin ÷ libvirt-default",
        over: &[(UpdateHandle, Builtin)],
        under: &[(UpdateHandle, LibvirtDefault)],
        limit: Limit::Below(1.0),
    },
    Bound {
        says: "update-timeout (on and off): builtin ÷ libvirt-default",
        over: &[(UpdateTimeout, Builtin)],
        under: &[(UpdateTimeout, LibvirtDefault)],
        limit: Limit::Below(1.0),
    },
    // A term that grows with the number registered, however cheap (a scan of
    // 10,000 packed integers takes about 3 µs), would at least double the cost
    // of a pair. The kernel's own set is a tree, so it grows a little; that
    // is the floor's, and divided out.
    Bound {
        says: "add-remove: growth from 0 to 10,000 registered, builtin ÷ floor",
        over: &[
            (AddRemove { registered: 10_000 }, Builtin),
            (AddRemove { registered: 0 }, Floor),
        ],
        under: &[
            (AddRemove { registered: 0 }, Builtin),
            (AddRemove { registered: 10_000 }, Floor),
        ],
        limit: Limit::AtMost(1.3),
    },
];

/// A bound and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Finding {
    /// What is compared, in words.
    pub(crate) bound: &'static str,
    pub(crate) limit: Limit,
    /// The ratio of the medians of CPU time.
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
}

impl Limit {
    fn holds(self, ratio: f64) -> bool {
        match self {
            Self::AtMost(limit) => ratio <= limit,
            Self::Below(limit) => ratio < limit,
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
        BOUNDS
            .iter()
            .filter_map(|bound| bound.judge(cells))
            .collect()
    }
}

impl Bound {
    fn judge(&self, cells: &[Cell]) -> Option<Finding> {
        let all = |keys: &[(Workload, Contender)]| {
            keys.iter()
                .map(|&(workload, contender)| find(cells, workload, contender))
                .collect::<Option<Vec<_>>>()
        };
        let (over, under) = (all(self.over)?, all(self.under)?);
        let product = |cells: &[&Cell]| cells.iter().map(|cell| cell.cpu.median).product::<f64>();
        let ratio = product(&over) / product(&under);
        let verdict = if over.iter().chain(&under).any(|cell| is_inconclusive(cell)) {
            Verdict::Inconclusive
        } else if self.limit.holds(ratio) {
            Verdict::Met
        } else {
            Verdict::NotMet
        };
        Some(Finding {
            bound: self.says,
            limit: self.limit,
            ratio,
            verdict,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::Summary;

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
    fn every_bound_rests_on_a_workload_that_exists() {
        for (workload, _) in BOUNDS.iter().flat_map(|b| b.over.iter().chain(b.under)) {
            assert!(Workload::ALL.contains(workload), "{workload}");
        }
    }
}
