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

    /// The table in Markdown, with the cells in line, so that its source reads
    /// too.
    pub fn to_markdown(&self) -> String {
        // Backticks around the name.
        let first = self.width_of_names() + 2;
        let widths = self.widths();
        let mut text = format!("| {:first$} |", "case");
        for (title, width) in self.columns.iter().zip(&widths) {
            text.push_str(&format!(" {title:^width$} |"));
        }
        text.push_str(&format!("\n|{:-<1$}|", "", first + 2));
        for width in &widths {
            text.push_str(&format!(":{:-<width$}:|", ""));
        }
        for (name, cells) in &self.rows {
            text.push_str(&format!("\n| {:first$} |", format!("`{name}`")));
            for (cell, width) in cells.iter().zip(&widths) {
                text.push_str(&format!(" {cell:^width$} |"));
            }
        }
        text.push('\n');
        text
    }

    /// In characters, as formatting counts.
    fn width_of_names(&self) -> usize {
        let names = self.rows.iter().map(|(name, _)| name.chars().count());
        names.max().unwrap_or_default()
    }

    /// That of each column, in characters.
    fn widths(&self) -> Vec<usize> {
        let columns = self.columns.iter().enumerate();
        columns
            .map(|(at, title)| {
                let cells = self.rows.iter().map(|(_, cells)| cells[at].chars().count());
                let widest = cells.max().unwrap_or_default();
                widest.max(title.chars().count())
            })
            .collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.width_of_names();
        let widths = self.widths();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::cases;

    #[test]
    fn markdown_is_in_line() {
        let mut table = Table::new(["mine", "their loop"]);
        for (case, cells) in cases().zip([["✓", "–"], ["✓", "unstable"]]) {
            table.row(case, cells);
        }
        let text = table.to_markdown();
        let bars = |line: &str| {
            let at = line.chars().enumerate();
            let bars = at.filter(|(_, sign)| *sign == '|');
            bars.map(|(at, _)| at).collect::<Vec<_>>()
        };
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        for line in &lines {
            assert_eq!(bars(line).len(), 4, "{text}");
            assert_eq!(bars(line), bars(lines[0]), "{text}");
        }
        assert!(lines[1].ends_with(":|"), "{text}");
    }
}
