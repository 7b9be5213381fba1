//! The rows of the table, which are also those of the JSON.

use serde::Serialize;

use crate::campaign::Cell;
use crate::contender::Contender;
use crate::statistics::INCONCLUSIVE_ABOVE;
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
    /// Of the CPU time: interquartile range divided by the median.
    pub(crate) spread: f64,
    /// Whether the spread is too great to say anything.
    pub(crate) inconclusive: bool,
    /// CPU time divided by the floor's, where that was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) to_floor: Option<f64>,
    /// CPU time divided by that of libvirt's default loop, where that was
    /// measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) to_libvirt_default: Option<f64>,
}

impl Row {
    /// One row for each cell, in the same order.
    pub(crate) fn of_cells(cells: &[Cell]) -> Vec<Self> {
        cells.iter().map(|cell| Self::new(cell, cells)).collect()
    }

    fn new(cell: &Cell, cells: &[Cell]) -> Self {
        let to = |contender| {
            let other = find(cells, cell.workload, contender)?;
            Some(cell.cpu.median / other.cpu.median)
        };
        Self {
            workload: cell.workload.to_string(),
            r#loop: cell.contender.name(),
            ns_wall: cell.wall.median,
            ns_cpu: cell.cpu.median,
            spread: cell.cpu.spread,
            inconclusive: is_inconclusive(cell),
            to_floor: to(Contender::Floor),
            to_libvirt_default: to(Contender::LibvirtDefault),
        }
    }
}

/// The cell of one workload on one loop, where it was measured.
pub(crate) fn find(cells: &[Cell], workload: Workload, contender: Contender) -> Option<&Cell> {
    cells
        .iter()
        .find(|cell| cell.workload == workload && cell.contender == contender)
}

/// Whether the rounds of a cell differ too much to conclude from them.
pub(crate) fn is_inconclusive(cell: &Cell) -> bool {
    cell.cpu.spread > INCONCLUSIVE_ABOVE
}
