//! Tables in Markdown, and numbers in them.

use std::fmt;

/// All columns but the first ones are numbers.
pub(crate) struct Table {
    lines: Vec<String>,
}

impl Table {
    /// One with so many columns of words before those of numbers.
    pub(crate) fn new(words: usize, titles: &[&str]) -> Self {
        let mut table = Self { lines: Vec::new() };
        table.line(titles.iter().copied());
        let rules = (0..titles.len()).map(|at| if at < words { "---" } else { "--:" });
        table
            .lines
            .push(format!("|{}|", rules.collect::<Vec<_>>().join("|")));
        table
    }

    pub(crate) fn row(&mut self, cells: &[String]) {
        self.line(cells.iter().map(String::as_str));
    }

    fn line<'a>(&mut self, cells: impl Iterator<Item = &'a str>) {
        let cells: Vec<_> = cells.collect();
        self.lines.push(format!("| {} |", cells.join(" | ")));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// With commas between thousands.
pub(crate) fn whole(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// With two digits at least.
pub(crate) fn microseconds(seconds: f64) -> String {
    let number = seconds * 1e6;
    match number {
        ..9.95 => format!("{number:.1} µs"),
        _ => format!("{} µs", whole(number)),
    }
}

pub(crate) fn percent(share: f64) -> String {
    let number = share * 100.0;
    match number {
        ..9.95 => format!("{number:.1} %"),
        _ => format!("{number:.0} %"),
    }
}

/// The one in the middle.
///
/// # Panics
///
/// - If there are none.
pub(crate) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    match numbers.len() % 2 {
        0 => f64::midpoint(numbers[middle - 1], numbers[middle]),
        _ => numbers[middle],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(whole(999.4), "999");
        assert_eq!(whole(1_000.0), "1,000");
        assert_eq!(whole(1_234_567.0), "1,234,567");
        assert_eq!(microseconds(1.23e-6), "1.2 µs");
        assert_eq!(microseconds(1.234e-3), "1,234 µs");
        assert_eq!(percent(0.0123), "1.2 %");
        assert_eq!(percent(1.0), "100 %");
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn a_table_is_markdown() {
        let mut table = Table::new(1, &["name", "figure"]);
        table.row(&["a".to_owned(), "1".to_owned()]);
        let text = "| name | figure |\n|---|--:|\n| a | 1 |\n";
        assert_eq!(table.to_string(), text);
    }
}
