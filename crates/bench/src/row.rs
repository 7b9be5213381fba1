//! The rows of the table, which are also those of the JSON.

use serde::Serialize;

use crate::campaign::Cell;
use crate::contender::Contender;
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
    /// Of the time that counts, which is CPU time but for cross-thread:
    /// interquartile range divided by the median.
    pub(crate) spread: f64,
    /// Whether the spread is too great to say anything.
    pub(crate) inconclusive: bool,
    /// The time that counts divided by the floor's, where that was measured;
    /// so the others.
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
}

impl Row {
    /// One row for each cell, in the same order.
    pub(crate) fn of_cells(cells: &[Cell]) -> Vec<Self> {
        cells.iter().map(|cell| Self::new(cell, cells)).collect()
    }

    fn new(cell: &Cell, cells: &[Cell]) -> Self {
        let to = |contender| {
            let other = find(cells, cell.workload.reference(), contender)?;
            Some(cell.time().median / other.time().median)
        };
        let to_host = cell.contender.host().and_then(to);
        let about_fairness = cell.workload.is_about_fairness();
        Self {
            workload: cell.workload.to_string(),
            r#loop: cell.contender.name(),
            ns_wall: cell.wall.median,
            ns_cpu: cell.cpu.median,
            spread: cell.time().spread,
            inconclusive: cell.is_inconclusive(),
            to_floor: to(Contender::Floor),
            to_host: to_host.filter(|_| !about_fairness),
            to_libvirt_default: to(Contender::LibvirtDefault),
            fairness: to_host.filter(|_| about_fairness).map(f64::recip),
        }
    }
}

/// The cell of one workload on one loop, where it was measured.
pub(crate) fn find(cells: &[Cell], workload: Workload, contender: Contender) -> Option<&Cell> {
    cells
        .iter()
        .find(|cell| cell.workload == workload && cell.contender == contender)
}
