//! The rows of the table, which are also those of the JSON.

use serde::Serialize;

use crate::cell::Cell;
use crate::contender::Contender;
use crate::sample::Lateness;
use crate::workload::Workload;

/// One workload on one loop, beside the two that it is compared with.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Row {
    /// As on the command line.
    pub(crate) workload: String,
    /// As on the command line.
    pub(crate) r#loop: &'static str,
    /// Nanoseconds of wall time per operation, the median.
    pub(crate) ns_wall: f64,
    /// Nanoseconds of CPU time per operation, the median.
    pub(crate) ns_cpu: f64,
    /// Of the cost that counts: interquartile range divided by the median. It is
    /// CPU time, but wall time for cross-thread and event-storm, and bytes for
    /// memory.
    pub(crate) spread: f64,
    /// Of the cost that counts, in its unit: the lowest of the rounds. It says more
    /// than the median where a daemon has a part in it.
    pub(crate) lowest: f64,
    /// Whether the spread is too great to say anything.
    pub(crate) inconclusive: bool,
    /// The cost that counts divided by the floor's, where that was measured; so
    /// the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) to_floor: Option<f64>,
    /// Divided by that of the host loop's own source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) to_host: Option<f64>,
    /// Divided by that of libvirt's default loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) to_libvirt_default: Option<f64>,
    /// Turns that another source gets beside libvirt's divided by those that it
    /// gets beside one of the host's own: the inverse of a ratio to the host,
    /// and instead of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fairness: Option<f64>,
    /// Bytes of resident memory per operation, the median.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes: Option<f64>,
    /// Operations in a second of wall time, where that is the question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) per_second: Option<f64>,
    /// How late timers fired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lateness_ns: Option<LatenessNs>,
}

/// Percentiles of how late timers fired, in nanoseconds; of each the median of
/// the rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct LatenessNs {
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) p100: u64,
}

impl From<Lateness> for LatenessNs {
    fn from(late: Lateness) -> Self {
        let [p50, p99, p100] = [late.p50, late.p99, late.p100].map(|time| time.as_nanos() as u64);
        Self { p50, p99, p100 }
    }
}

impl Row {
    /// One row for each cell, in the same order.
    pub(crate) fn of_cells(cells: &[Cell]) -> Vec<Self> {
        cells.iter().map(|cell| Self::new(cell, cells)).collect()
    }

    fn new(cell: &Cell, cells: &[Cell]) -> Self {
        let to = |contender| {
            let other = find(cells, cell.workload.reference(), contender)?;
            Some(cell.cost().median / other.cost().median)
        };
        let to_host = cell.contender.host().and_then(to);
        let about_fairness = cell.workload.is_about_fairness();
        Self {
            workload: cell.workload.to_string(),
            r#loop: cell.contender.name(),
            ns_wall: cell.wall.median,
            ns_cpu: cell.cpu.median,
            spread: cell.cost().spread,
            lowest: cell.cost().lowest,
            inconclusive: cell.is_inconclusive(),
            to_floor: to(Contender::Floor),
            to_host: to_host.filter(|_| !about_fairness),
            to_libvirt_default: to(Contender::LibvirtDefault),
            fairness: to_host.filter(|_| about_fairness).map(f64::recip),
            bytes: cell.bytes.map(|bytes| bytes.median),
            per_second: cell.workload.is_a_rate().then(|| 1e9 / cell.wall.median),
            lateness_ns: cell.lateness.map(LatenessNs::from),
        }
    }
}

/// The cell of one workload on one loop, where it was measured.
pub(crate) fn find(cells: &[Cell], workload: Workload, contender: Contender) -> Option<&Cell> {
    cells
        .iter()
        .find(|cell| cell.workload == workload && cell.contender == contender)
}
