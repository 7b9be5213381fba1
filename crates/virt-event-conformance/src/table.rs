use std::fmt;

use crate::Case;

/// Outcomes, case by case and implementation by implementation, as text.
///
/// ```
/// use virt_event_conformance::{Table, cases::cases};
///
/// let mut table = Table::new(["mine", "theirs"]);
/// for case in cases().take(1) {
///     table.row(case, ["pass", "fail !"]);
/// }
/// let text = table.to_string();
/// assert_eq!(text.lines().count(), 2);
/// assert!(text.contains("theirs"));
/// ```
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<String>,
    rows: Vec<(&'static str, Vec<String>)>,
}

impl Table {
    /// A table with a column for each implementation.
    pub fn new(columns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            columns: columns.into_iter().map(Into::into).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a case, with a cell for each column.
    ///
    /// # Panics
    ///
    /// - If the numbers of cells and columns differ.
    pub fn row(&mut self, case: &'static Case, cells: impl IntoIterator<Item = impl Into<String>>) {
        let cells: Vec<String> = cells.into_iter().map(Into::into).collect();
        assert_eq!(cells.len(), self.columns.len(), "one cell for each column");
        self.rows.push((case.name, cells));
    }

    /// The table in Markdown.
    pub fn to_markdown(&self) -> String {
        let mut text = format!("| case | {} |\n", self.columns.join(" | "));
        text.push_str(&format!("|---{}|\n", "|---".repeat(self.columns.len())));
        for (name, cells) in &self.rows {
            text.push_str(&format!("| `{name}` | {} |\n", cells.join(" | ")));
        }
        text
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.rows.iter().map(|(name, _)| name.len());
        let first = names.max().unwrap_or_default();
        let widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, title)| {
                let cells = self.rows.iter().map(|(_, cells)| cells[at].len());
                cells.chain([title.len()]).max().unwrap_or_default()
            })
            .collect();
        let mut line = |name: &str, cells: &[String]| {
            let mut line = format!("{name:first$}");
            for (cell, width) in cells.iter().zip(&widths) {
                line.push_str(&format!("  {cell:width$}"));
            }
            writeln!(f, "{}", line.trim_end())
        };
        line("", &self.columns)?;
        for (name, cells) in &self.rows {
            line(name, cells)?;
        }
        Ok(())
    }
}
