//! Tables with a row for each loop.

use super::report::{Report, Row};
use crate::number::{percent, ratio, whole};

/// A column: its head, and what it shows of a loop.
pub(super) struct Column {
    head: String,
    cell: Box<Show>,
}

/// What there is to say of a loop.
type Show = dyn Fn(&Report, &str) -> Option<Cell>;

/// A figure and what it rests on.
struct Cell {
    text: String,
    /// Where it says anything.
    spread: Option<f64>,
    inconclusive: bool,
}

impl Cell {
    fn of(rows: &[&Row], text: String) -> Self {
        Self {
            text,
            spread: rows.iter().map(|row| row.spread).reduce(f64::max),
            inconclusive: rows.iter().any(|row| row.inconclusive),
        }
    }

    fn shown(&self) -> String {
        match self.spread.filter(|_| self.inconclusive) {
            Some(spread) => format!("*{} ({})*", self.text, percent(spread)),
            None => self.text.clone(),
        }
    }
}

impl Column {
    /// A figure of the rows of `workload`.
    pub(super) fn new(
        head: &str,
        workload: &str,
        figure: impl Fn(&Row) -> Option<String> + 'static,
    ) -> Self {
        let workload = workload.to_owned();
        Self {
            head: head.to_owned(),
            cell: Box::new(move |report, on| {
                let row = report.row(&workload, on)?;
                Some(Cell::of(&[row], figure(row)?))
            }),
        }
    }

    /// Nanoseconds of the processor.
    pub(super) fn cpu(head: &str, workload: &str) -> Self {
        Self::new(head, workload, |row| Some(whole(row.ns_cpu)))
    }

    /// Microseconds, of the lowest round.
    pub(super) fn lowest(head: &str, workload: &str) -> Self {
        let workload = workload.to_owned();
        Self {
            head: head.to_owned(),
            cell: Box::new(move |report, on| {
                let lowest = report.row(&workload, on)?.lowest;
                Some(Cell::of(&[], format!("{:.1}", lowest / 1e3)))
            }),
        }
    }

    /// The cost divided by that of the host's own source.
    pub(super) fn to_host(head: &str, workload: &str) -> Self {
        let workload = workload.to_owned();
        Self {
            head: head.to_owned(),
            cell: Box::new(move |report, on| {
                let row = report.row(&workload, on)?;
                let text = ratio(row.to_host?);
                Some(Cell::of(&[row, report.host_of(row)?], text))
            }),
        }
    }

    /// The processor time of one workload divided by that of another.
    pub(super) fn growth(head: &str, over: &str, under: &str) -> Self {
        let (over, under) = (over.to_owned(), under.to_owned());
        Self {
            head: head.to_owned(),
            cell: Box::new(move |report, on| {
                let rows = [report.row(&over, on)?, report.row(&under, on)?];
                Some(Cell::of(&rows, ratio(rows[0].ns_cpu / rows[1].ns_cpu)))
            }),
        }
    }
}

/// The table of those loops that have any of these figures, and below it what the
/// spread is.
pub(super) fn grid(report: &Report, loops: &[&str], columns: &[Column]) -> String {
    let mut text = String::from("|");
    for column in columns {
        text += &format!(" | {}", column.head);
    }
    text += &format!(" |\n|---|{}\n", "--:|".repeat(columns.len()));
    let mut all = Vec::new();
    for on in loops {
        let cells: Vec<_> = columns
            .iter()
            .map(|column| (column.cell)(report, on))
            .collect();
        if cells.iter().all(Option::is_none) {
            continue;
        }
        text += &format!("| {on} |");
        for cell in &cells {
            let shown = cell.as_ref().map_or("–".to_owned(), Cell::shown);
            text += &format!(" {shown} |");
        }
        text.push('\n');
        all.extend(cells.into_iter().flatten());
    }
    text + "\n" + &note(&all)
}

/// How much the rounds differ, where that says anything.
fn note(cells: &[Cell]) -> String {
    let spreads = |inconclusive| {
        let cells = cells.iter();
        cells
            .filter(move |cell| cell.inconclusive == inconclusive)
            .filter_map(|cell| cell.spread)
    };
    let most = spreads(false).reduce(f64::max).map(percent);
    let mut note = String::new();
    if spreads(true).next().is_some() {
        note += "*In italics*: inconclusive, with the spread of its rounds. ";
    }
    if let Some(most) = most {
        note += &if note.is_empty() {
            format!("Spread at most {most}.")
        } else {
            format!("That of the others is at most {most}.")
        };
    }
    note.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::tests::report;
    use super::*;

    #[test]
    fn what_is_inconclusive_says_so() {
        let columns = [
            Column::cpu("0 idle", "ping-pong/0"),
            Column::to_host("÷ host", "ping-pong/0"),
            Column::growth("growth", "ping-pong/10000", "ping-pong/0"),
        ];
        let table = grid(&report(), &["floor", "glib", "nobody"], &columns);
        assert_eq!(
            table,
            "| | 0 idle | ÷ host | growth |\n\
             |---|--:|--:|--:|\n\
             | floor | 500 | – | 1.00 |\n\
             | glib | 1,000 | *0.80 (20 %)* | 1.10 |\n\
             \n\
             *In italics*: inconclusive, with the spread of its rounds. That of the others is at \
             most 3 %."
        );
        let table = grid(&report(), &["floor"], &columns[..1]);
        assert!(table.ends_with("\n\nSpread at most 1 %."), "{table}");
    }
}
