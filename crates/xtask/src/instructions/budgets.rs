//! The committed budgets.

use std::collections::BTreeMap;
use std::fmt;

use super::profile::Counts;
use super::toolchain::Toolchain;

/// What a path may be above its budget, which was taken from a count: what
/// another machine's C library makes of it.
const SLACK: f64 = 0.05;

/// The head of the file.
const HEAD: &str = "\
# Instructions for each operation of a hot path, counted by callgrind, and the
# tools that they were counted with. `cargo xtask ci` fails where a path takes
# more than 5 % above; with other tools it only warns. To take new ones, with
# the reason in the commit: cargo xtask instructions --write
";

/// Instructions that an operation of each path may take.
#[derive(Debug, PartialEq)]
pub(crate) struct Budgets {
    /// What they were counted with.
    pub(crate) toolchain: Toolchain,
    of_paths: BTreeMap<String, f64>,
}

impl Budgets {
    /// Those that are just kept.
    pub(crate) fn new(toolchain: Toolchain, counts: &Counts) -> Self {
        Self {
            toolchain,
            of_paths: counts.0.clone(),
        }
    }

    /// Reads comments, lines of `TOOL: VERSION`, and lines of `PATH NUMBER`.
    ///
    /// # Errors
    ///
    /// - A line that is none of these.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut toolchain = Toolchain::default();
        let mut of_paths = BTreeMap::new();
        for line in text.lines() {
            if line.is_empty() || line.starts_with('#') {
            } else if let Some((tool, version)) = line.split_once(": ") {
                toolchain.add(tool, version);
            } else {
                let words = line.split_once(' ');
                let budget = words.and_then(|(path, number)| {
                    Some((path.to_owned(), number.trim().parse::<f64>().ok()?))
                });
                let (path, number) = budget.ok_or_else(|| line.to_owned())?;
                of_paths.insert(path, number);
            }
        }
        Ok(Self {
            toolchain,
            of_paths,
        })
    }

    /// What came of each path that has a budget or was counted.
    pub(crate) fn compare(&self, counts: &Counts) -> Vec<Finding> {
        let counted = counts.0.iter().map(|(path, &count)| {
            let path = path.clone();
            match self.of_paths.get(&path) {
                Some(&budget) => Finding::Counted(Counted {
                    path,
                    count,
                    budget,
                }),
                None => Finding::WithoutBudget(path),
            }
        });
        let gone = self.of_paths.keys();
        let gone = gone.filter(|path| !counts.0.contains_key(*path));
        counted.chain(gone.cloned().map(Finding::Gone)).collect()
    }
}

impl fmt::Display for Budgets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEAD}\n{}", self.toolchain)?;
        let width = self.of_paths.keys().map(String::len).max().unwrap_or(0);
        for (path, number) in &self.of_paths {
            writeln!(f, "{path:<width$} {number:>8.1}")?;
        }
        Ok(())
    }
}

/// What came of one path.
#[derive(Debug, PartialEq)]
pub(crate) enum Finding {
    Counted(Counted),
    /// The program has it, the file has not.
    WithoutBudget(String),
    /// The file has it, the program has not.
    Gone(String),
}

/// A path with what it took and may take.
#[derive(Debug, PartialEq)]
pub(crate) struct Counted {
    path: String,
    count: f64,
    budget: f64,
}

impl Finding {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Counted(counted) => &counted.path,
            Self::WithoutBudget(path) | Self::Gone(path) => path,
        }
    }

    /// Whether it is a reason to fail.
    pub(crate) fn is_bad(&self) -> bool {
        match self {
            Self::Counted(counted) => counted.count > counted.budget * (1.0 + SLACK),
            Self::WithoutBudget(_) | Self::Gone(_) => true,
        }
    }

    /// Whether the budget lies so far above that it would not notice a setback.
    pub(crate) fn is_generous(&self) -> bool {
        match self {
            Self::Counted(counted) => counted.count < counted.budget * (1.0 - SLACK),
            Self::WithoutBudget(_) | Self::Gone(_) => false,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Counted(counted) => {
                let Counted {
                    path,
                    count,
                    budget,
                } = counted;
                let change = (count / budget - 1.0) * 100.0;
                write!(
                    f,
                    "{path:<30} {count:>8.1}, budget {budget:>8.1} ({change:+.1} %)"
                )?;
                f.write_str(if self.is_bad() { "  TOO MANY" } else { "" })
            }
            Self::WithoutBudget(path) => write!(f, "{path:<30} has no budget"),
            Self::Gone(path) => write!(f, "{path:<30} is in the file, but was not counted"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(of: &[(&str, f64)]) -> Counts {
        Counts(
            of.iter()
                .map(|(path, n)| ((*path).to_owned(), *n))
                .collect(),
        )
    }

    #[test]
    fn what_is_written_is_read_again() {
        let toolchain = Toolchain::of("rustc", "rustc 1.0 (a: b)");
        let budgets = Budgets::new(toolchain, &counts(&[("event", 12.5), ("turn", 3.0)]));
        assert_eq!(Budgets::parse(&budgets.to_string()), Ok(budgets));
        assert_eq!(Budgets::parse("turn many\n"), Err("turn many".to_owned()));
    }

    #[test]
    fn a_path_is_on_both_sides_or_bad() {
        let budgets = Budgets::parse("event 100\nturn 100\n").unwrap();
        let findings = budgets.compare(&counts(&[("event", 94.0), ("other", 1.0)]));
        let found: Vec<_> = findings
            .iter()
            .map(|it| (it.name(), it.is_bad(), it.is_generous()))
            .collect();
        assert_eq!(
            found,
            [
                ("event", false, true),
                ("other", true, false),
                ("turn", true, false)
            ]
        );
    }
}
