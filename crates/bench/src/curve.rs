//! Speed and fairness against the budget.

use std::fmt;

use serde::Serialize;

use crate::cell::Cell;
use crate::contender::Contender;
use crate::row::find;
use crate::table::ratio;
use crate::workload::Workload;

/// What a budget buys on one loop, and what it costs the loop's other sources.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Point {
    /// As on the command line.
    pub(crate) r#loop: &'static str,
    /// Iterations that a turn may have.
    pub(crate) budget: u32,
    /// CPU time of an event divided by that of the host's own source.
    pub(crate) to_host: f64,
    /// Turns that another source gets, divided by those that it gets beside a
    /// source of the host's own. Not where they need not wait for each other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fairness: Option<f64>,
    /// Whether a row that it rests on is.
    pub(crate) inconclusive: bool,
}

impl Point {
    /// Those whose cells were measured, by loop and then by budget.
    pub(crate) fn of_cells(cells: &[Cell]) -> Vec<Self> {
        let budgets = |contender: &Contender| {
            let new = |workload: &Workload| Self::new(*contender, workload.budget()?, cells);
            let ping_pong = |w: &&Workload| w.family() == "ping-pong-budget";
            let workloads = Workload::ALL.iter().filter(ping_pong);
            workloads.filter_map(new).collect::<Vec<_>>()
        };
        Contender::ALL.iter().flat_map(budgets).collect()
    }

    fn new(contender: Contender, budget: u32, cells: &[Cell]) -> Option<Self> {
        let host = contender.host()?;
        let to_host = |workload: Workload| {
            let cell = find(cells, workload, contender)?;
            let other = find(cells, workload.reference(), host)?;
            let is_inconclusive = cell.is_inconclusive() || other.is_inconclusive();
            Some((cell.cost().median / other.cost().median, is_inconclusive))
        };
        let event = to_host(Workload::PingPongBudget { budget })?;
        let turn = to_host(Workload::FairnessBudget { budget });
        Some(Self {
            r#loop: contender.name(),
            budget,
            to_host: event.0,
            fairness: turn.map(|turn| turn.0.recip()),
            inconclusive: event.1 || turn.is_some_and(|turn| turn.1),
        })
    }
}

/// A line of the report.
impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<11}  {:>6}  {:>6}  {:>8}",
            self.r#loop,
            self.budget,
            ratio(self.to_host),
            self.fairness.map_or_else(|| "–".to_owned(), ratio)
        )?;
        f.write_str(if self.inconclusive {
            "  inconclusive"
        } else {
            ""
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_a_cost_and_a_share() {
        let cell = |workload, contender, median| Cell::of_cost(workload, contender, median, 0.0);
        let mut cells = vec![
            cell(Workload::PingPong { idle: 0 }, Contender::GlibNative, 10.0),
            cell(Workload::Fairness, Contender::GlibNative, 20.0),
            cell(Workload::PingPongBudget { budget: 4 }, Contender::Glib, 8.0),
            cell(
                Workload::FairnessBudget { budget: 4 },
                Contender::Glib,
                50.0,
            ),
        ];
        let points = Point::of_cells(&cells);
        assert_eq!(points.len(), 1);
        assert_eq!((points[0].budget, points[0].r#loop), (4, "glib"));
        assert_eq!((points[0].to_host, points[0].fairness), (0.8, Some(0.4)));
        cells.pop();
        assert_eq!(Point::of_cells(&cells)[0].fairness, None);
        cells.pop();
        assert_eq!(Point::of_cells(&cells), []);
    }
}
