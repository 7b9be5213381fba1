//! The counts of a soak: a chart, and a table for those who want the figures.

use std::collections::HashMap;
use std::fmt::Write;

use anyhow::{Context, bail};

use crate::{Curve, Hue, Panel, Weight};

const MIB: f64 = (1 << 20) as f64;

const RESIDENT: &str = "Resident, MiB";

/// The hues of the loops, in the order of the files.
const HUES: [Hue; 4] = [Hue::Blue, Hue::Orange, Hue::Green, Hue::Purple];

/// One soak, as the scene `soak` of the tests writes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Soak {
    /// The loop that it was on.
    pub name: String,
    columns: HashMap<String, usize>,
    rows: Vec<Row>,
}

#[derive(Debug, Clone, PartialEq)]
struct Row {
    phase: String,
    /// One for each column; of the phase, which is none, too.
    numbers: Vec<f64>,
}

impl Soak {
    /// Reads the file of the loop `name`.
    ///
    /// # Errors
    ///
    /// - It is not such a file. The error names the line.
    pub fn parse(name: &str, text: &str) -> anyhow::Result<Self> {
        let mut lines = text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.starts_with('#'));
        let (_, head) = lines.next().context("the file is empty")?;
        let columns: HashMap<_, _> = head
            .split(',')
            .enumerate()
            .map(|(at, column)| (column.to_owned(), at))
            .collect();
        let phase = *columns.get("phase").context("there is no column `phase`")?;
        let mut rows = Vec::new();
        for (number, line) in lines {
            let fields: Vec<_> = line.split(',').collect();
            if fields.len() != columns.len() {
                bail!("line {}: {} fields", number + 1, fields.len());
            }
            let numbers = fields.iter().enumerate().map(|(at, field)| {
                if at == phase {
                    return Ok(0.0);
                }
                let line = number + 1;
                field
                    .parse()
                    .with_context(|| format!("line {line}: `{field}` is no number"))
            });
            rows.push(Row {
                phase: fields[phase].to_owned(),
                numbers: numbers.collect::<anyhow::Result<_>>()?,
            });
        }
        Ok(Self {
            name: name.to_owned(),
            columns,
            rows,
        })
    }

    /// A column in one phase.
    fn values(&self, column: &str, phase: &str) -> anyhow::Result<Vec<f64>> {
        let at = *self
            .columns
            .get(column)
            .with_context(|| format!("there is no column `{column}`"))?;
        let rows = self.rows.iter().filter(|row| row.phase == phase);
        Ok(rows.map(|row| row.numbers[at]).collect())
    }

    fn curve(&self, hue: Hue, of: Kind<'_>) -> anyhow::Result<Curve> {
        let minutes = self.values("seconds", of.phase)?;
        let values = self.values(of.column, of.phase)?;
        Ok(Curve {
            name: format!("{}, {}", self.name, of.words),
            hue,
            weight: of.weight,
            points: minutes
                .into_iter()
                .map(|seconds| seconds / 60.0)
                .zip(values.into_iter().map(|value| value / of.unit))
                .collect(),
        })
    }
}

/// What a curve shows.
#[derive(Debug, Clone, Copy)]
struct Kind<'a> {
    column: &'a str,
    phase: &'a str,
    words: &'a str,
    weight: Weight,
    unit: f64,
}

/// The panels: what came and went, and what stayed.
///
/// # Errors
///
/// - A column is missing.
pub fn panels(soaks: &[Soak]) -> anyhow::Result<Vec<Panel>> {
    let busy = |column, unit| Kind {
        column,
        phase: "busy",
        words: "while all comes and goes",
        weight: Weight::Faint,
        unit,
    };
    let empty = |column, unit| Kind {
        column,
        phase: "empty",
        words: "all closed",
        weight: Weight::Strong,
        unit,
    };
    let panel = |title: &str, kinds: &[Kind<'_>]| -> anyhow::Result<Panel> {
        let mut curves = Vec::new();
        for kind in kinds {
            for (soak, hue) in soaks.iter().zip(HUES) {
                curves.push(soak.curve(hue, *kind)?);
            }
        }
        Ok(Panel {
            title: title.to_owned(),
            // Only there is room below the curves.
            legend: title == RESIDENT,
            curves,
        })
    };
    let both = |title, column, unit| panel(title, &[busy(column, unit), empty(column, unit)]);
    Ok(vec![
        panel("Connections", &[busy("connections", 1.0)])?,
        both("Descriptors", "descriptors", 1.0)?,
        both("Heap in use, MiB", "c_in_use", MIB)?,
        both(RESIDENT, "resident", MIB)?,
    ])
}

/// The figures as Markdown: what was there, when all was closed, in the first
/// third and in the last one; and how much had been done.
///
/// # Errors
///
/// - A column is missing, or there are fewer than three rounds.
pub fn table(soaks: &[Soak]) -> anyhow::Result<String> {
    let mut text = "| all closed, medians | ".to_owned();
    for soak in soaks {
        write!(text, "{0}, first third | {0}, last third | ", soak.name)?;
    }
    write!(text, "\n|---|{}\n", "--:|".repeat(2 * soaks.len()))?;
    for (words, column, unit, digits) in [
        ("descriptors", "descriptors", 1.0, 0),
        ("watches", "watches", 1.0, 0),
        ("timers", "timers", 1.0, 0),
        ("Rust's allocations", "allocations", 1.0, 0),
        ("their bytes, KiB", "bytes", 1024.0, 1),
        ("heap in use, KiB", "c_in_use", 1024.0, 0),
        ("resident, MiB", "resident", MIB, 1),
    ] {
        write!(text, "| {words} | ")?;
        for soak in soaks {
            let values = soak.values(column, "empty")?;
            let third = values.len() / 3;
            let first = median(&values[..third]).context("too few rounds")?;
            let last = median(&values[values.len() - third..]).context("too few rounds")?;
            write!(
                text,
                "{:.digits$} | {:.digits$} | ",
                first / unit,
                last / unit
            )?;
        }
        text.push('\n');
    }
    for soak in soaks {
        write!(text, "\n{}:", soak.name)?;
        for column in [
            "opened",
            "subscribed",
            "heard",
            "calls",
            "created",
            "replaced",
            "frozen",
            "excused",
        ] {
            let all = soak.values(column, "empty")?;
            write!(text, " {column} {}", all.last().context("no round")?)?;
        }
        text.push('\n');
    }
    Ok(text)
}

fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "# loop builtin, seed 1\nseconds,phase,connections,watches,timers,\
                        descriptors,allocations,bytes,c_in_use,resident,opened,subscribed,heard,\
                        calls,excused,created,replaced,frozen\n";

    fn soak(rounds: usize) -> Soak {
        let mut text = HEAD.to_owned();
        for round in 0..rounds {
            let at = 60 * round;
            writeln!(text, "{at},busy,80,81,90,170,9,9,9,9,1,1,1,1,1,1,1,1").unwrap();
            writeln!(
                text,
                "{at}.5,empty,0,0,0,16,49,2048,1048576,{},{round},1,1,1,1,1,1,1",
                2 * 1024 * 1024
            )
            .unwrap();
        }
        Soak::parse("builtin", &text).unwrap()
    }

    #[test]
    fn a_curve_is_a_column_in_a_phase() {
        let panels = panels(&[soak(3)]).unwrap();
        let connections = &panels[0].curves[0];
        assert_eq!(connections.points, [(0.0, 80.0), (1.0, 80.0), (2.0, 80.0)]);
        let heap = &panels[2].curves[1];
        assert_eq!(heap.weight, Weight::Strong);
        assert_eq!(heap.points[0], (0.5 / 60.0, 1.0));
        crate::draw(&panels, "minutes").unwrap();
    }

    #[test]
    fn the_table_compares_the_beginning_and_the_end() {
        let table = table(&[soak(6)]).unwrap();
        assert!(table.contains("| descriptors | 16 | 16 | "), "{table}");
        assert!(
            table.contains("| heap in use, KiB | 1024 | 1024 | "),
            "{table}"
        );
        assert!(table.contains("builtin: opened 5 "), "{table}");
        assert!(super::table(&[soak(2)]).is_err());
    }

    #[test]
    fn what_is_no_such_file_is_refused_with_the_line() {
        assert!(Soak::parse("x", "").is_err());
        assert!(Soak::parse("x", "a,b\n1,2\n").is_err());
        let short = Soak::parse("x", "seconds,phase\n1,busy\n2\n").unwrap_err();
        assert!(short.to_string().contains("line 3"), "{short}");
        let word = Soak::parse("x", "seconds,phase\none,busy\n").unwrap_err();
        assert!(word.to_string().contains("`one`"), "{word}");
        let lacks = Soak::parse("x", "seconds,phase\n1,busy\n").unwrap();
        assert!(panels(&[lacks]).is_err());
    }
}
