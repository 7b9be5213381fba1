//! The report as text: the table of rows, then the list of bounds.

use std::fmt;

use crate::bound::{Finding, Limit, Verdict};
use crate::machine::Machine;
use crate::report::{NotMeasured, Report};
use crate::row::{LatenessNs, Row};
use crate::statistics::INCONCLUSIVE_ABOVE;

const HEAD: [&str; 10] = [
    "workload",
    "loop",
    "ns CPU/op",
    "ns wall/op",
    "spread",
    "÷ floor",
    "÷ host",
    "÷ libvirt",
    "fairness",
    "",
];

/// What a reader has to know of some workloads.
const NOTES: &[(&str, &str)] = &[
    (
        "cross-thread",
        "both threads are on one processor; spread and ratios are those of the wall time.",
    ),
    (
        "fairness",
        "turns that a source of the host's own gets beside a busy watch of libvirt's ÷ those \
         that it gets beside\na busy source of the host's own. An operation is one such turn.",
    ),
    (
        "update-handle-busy",
        "CPU time of the thread that calls, not of the busy loop.",
    ),
    (
        "update-timeout",
        "one timer is switched on and off, so that no deadline comes before the one known to \
         the kernel;\nupdate-timeout-earlier moves it earlier each time, the dearest case. No \
         bound rests on that.",
    ),
    (
        "timers",
        "late by: of the rounds the median of each percentile, 50, 99 and 100.",
    ),
    (
        "rpc",
        "client CPU of a call that a libvirtd answers; the floor is a client without a loop. \
         So are open-close and its floor.",
    ),
    (
        "event-storm",
        "events a second end to end, from a libvirtd to callbacks on 16 connections, with the \
         calls that cause them;\nspread and ratios are those of the wall time.",
    ),
    (
        "storm",
        "events of a domain, caused while the loop rests. An operation is the delivery of one, \
         without what caused it;\nraw is a C function that only counts, raw-copy one that \
         copies whom the event is about, the others the\nmonitor's; stream has its reader on \
         another thread, on the same processor.",
    ),
    (
        "memory",
        "an operation is one add among 10,000; spread and ratios are those of the resident \
         memory that it takes.",
    ),
];

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.machine)?;
        writeln!(f, "{}; {} interleaved rounds\n", self.date, self.rounds)?;
        write_rows(f, &self.rows)?;
        writeln!(
            f,
            "\nMedians of the rounds. Spread: interquartile range ÷ median, of the CPU time; \
             above {:.0} % a row is inconclusive.\nRatios: CPU time ÷ that of the floor, of the \
             host loop's own source, and of libvirt's default loop.",
            INCONCLUSIVE_ABOVE * 100.0
        )?;
        for (family, note) in NOTES {
            if self.has(family) {
                writeln!(f, "{family}: {note}")?;
            }
        }
        if !self.not_measured.is_empty() {
            writeln!(f, "\nNot measured, nor the bounds that need it")?;
        }
        for absent in &self.not_measured {
            writeln!(f, "  {absent}")?;
        }
        if !self.budgets.is_empty() {
            writeln!(f, "\nBudgets: ping-pong ÷ host, and fairness")?;
        }
        for group in self.budgets.chunk_by(|a, b| a.r#loop == b.r#loop) {
            writeln!(f, "  loop         budget  ÷ host  fairness")?;
            for point in group {
                writeln!(f, "  {point}")?;
            }
        }
        if !self.bounds.is_empty() {
            writeln!(f, "\nBounds")?;
        }
        self.bounds
            .iter()
            .try_for_each(|finding| writeln!(f, "  {finding}"))
    }
}

impl Report {
    /// Whether there are rows of this workload, of any size.
    fn has(&self, family: &str) -> bool {
        let is_of_family = |row: &Row| row.workload.split('/').next() == Some(family);
        self.rows.iter().any(is_of_family)
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cpu,
            cpus,
            system,
            kernel,
            libvirt,
            load_average,
        } = self;
        write!(
            f,
            "{cpu}, {cpus} CPUs; {system}, Linux {kernel}; libvirt {libvirt}; load {load_average}"
        )
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<64} {:>8}  ({})  {}",
            self.bound,
            ratio(self.ratio),
            self.limit,
            self.verdict
        )
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(limit) => write!(f, "at most {limit}"),
            Self::Below(limit) => write!(f, "below {limit}"),
            Self::AtLeast(limit) => write!(f, "at least {limit}"),
        }
    }
}

impl fmt::Display for NotMeasured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match (self.workload.as_deref(), self.r#loop) {
            (Some(workload), Some(on)) => format!("{workload} on {on}"),
            (workload, on) => workload.or(on).unwrap_or_default().to_owned(),
        };
        write!(f, "{name:<24} {}", self.reason)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Met => "met",
            Self::NotMet => "NOT MET",
            Self::Inconclusive => "inconclusive",
        })
    }
}

fn write_rows(f: &mut fmt::Formatter<'_>, rows: &[Row]) -> fmt::Result {
    let lines: Vec<_> = [HEAD.map(str::to_owned)]
        .into_iter()
        .chain(rows.iter().map(line))
        .collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max();
    let widths: [usize; HEAD.len()] = std::array::from_fn(|column| width(column).unwrap_or(0));
    for (index, line) in lines.iter().enumerate() {
        // A gap before each workload.
        if index > 0 && line[0] != lines[index - 1][0] {
            writeln!(f)?;
        }
        write!(
            f,
            "{:<w0$}  {:<w1$}",
            line[0],
            line[1],
            w0 = widths[0],
            w1 = widths[1]
        )?;
        for column in 2..HEAD.len() - 1 {
            write!(f, "  {:>width$}", line[column], width = widths[column])?;
        }
        writeln!(f, "  {}", line[HEAD.len() - 1])?;
    }
    Ok(())
}

fn line(row: &Row) -> [String; HEAD.len()] {
    let optional = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), ratio);
    [
        row.workload.clone(),
        row.r#loop.to_owned(),
        whole(row.ns_cpu),
        whole(row.ns_wall),
        format!("{:.1} %", row.spread * 100.0),
        optional(row.to_floor),
        optional(row.to_host),
        optional(row.to_libvirt_default),
        optional(row.fairness),
        note(row),
    ]
}

/// What some rows say besides.
fn note(row: &Row) -> String {
    let bytes = row.bytes.map(|bytes| format!("{bytes:.0} bytes"));
    let rate = row
        .per_second
        .map(|rate| format!("{} a second", whole(rate)));
    let late = row.lateness_ns.map(|late| format!("late by {late}"));
    let inconclusive = row.inconclusive.then(|| "inconclusive".to_owned());
    let notes = [bytes, rate, late, inconclusive].into_iter().flatten();
    notes.collect::<Vec<_>>().join(", ")
}

impl fmt::Display for LatenessNs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99, p100] = [self.p50, self.p99, self.p100].map(|ns| ns as f64 / 1e6);
        write!(f, "{p50:.2}, {p99:.2}, {p100:.2} ms")
    }
}

/// A whole number, with a comma before each group of three digits.
fn whole(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Three significant digits from 0.01 to 1,000, and at least as many outside.
pub(crate) fn ratio(value: f64) -> String {
    let decimals = match value {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 0.1 => 2,
        v if v >= 0.01 => 3,
        _ => 5,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::Point;

    #[test]
    fn numbers_are_grouped() {
        for (value, text) in [
            (0.4, "0"),
            (58.0, "58"),
            (999.6, "1,000"),
            (16_900.0, "16,900"),
            (1_970_000.0, "1,970,000"),
        ] {
            assert_eq!(whole(value), text);
        }
    }

    #[test]
    fn ratios_keep_their_digits() {
        for (value, text) in [
            (1234.5, "1234"),
            (12.34, "12.3"),
            (1.234, "1.23"),
            (0.5678, "0.57"),
            (0.05678, "0.057"),
            (0.000_912, "0.00091"),
        ] {
            assert_eq!(ratio(value), text);
        }
    }

    #[test]
    fn the_report_shows_rows_and_bounds() {
        let row = |r#loop, inconclusive| Row {
            workload: "ping-pong/0".to_owned(),
            r#loop,
            ns_wall: 1_700.0,
            ns_cpu: 1_650.0,
            spread: 0.021,
            lowest: 1_600.0,
            inconclusive,
            to_floor: Some(1.0),
            to_host: None,
            to_libvirt_default: None,
            fairness: Some(0.4),
            bytes: Some(97.6),
            per_second: Some(588_235.0),
            lateness_ns: Some(LatenessNs {
                p50: 60_000,
                p99: 1_000_000,
                p100: 2_500_000,
            }),
        };
        let report = Report {
            machine: Machine {
                cpu: "A processor".to_owned(),
                cpus: 2,
                system: "A system".to_owned(),
                kernel: "6.1".to_owned(),
                libvirt: "9.0.0".to_owned(),
                load_average: "0.00".to_owned(),
            },
            date: "2026-01-01T00:00:00Z".to_owned(),
            rounds: 9,
            rows: vec![row("floor", false), row("builtin", true)],
            not_measured: vec![NotMeasured {
                workload: Some("ping-pong/10000".to_owned()),
                reason: "a reason".to_owned(),
                ..NotMeasured::default()
            }],
            budgets: vec![Point {
                r#loop: "glib",
                budget: 16,
                to_host: 0.6,
                fairness: Some(0.1),
                inconclusive: false,
            }],
            bounds: vec![Finding {
                bound: "something".to_owned(),
                limit: Limit::AtMost(1.3),
                ratio: 1.0,
                verdict: Verdict::Inconclusive,
            }],
        };
        let text = report.to_string();
        for part in [
            "ping-pong/0  floor        1,650       1,700   2.1 %     1.00       –          –      0.40  98",
            "0.40  98 bytes, 588,235 a second, late by 0.06, 1.00, 2.50 ms, inconclusive",
            "  glib             16    0.60      0.10\n",
            "ping-pong/10000          a reason",
            "(at most 1.3)  inconclusive",
        ] {
            assert!(text.contains(part), "{part:?} in\n{text}");
        }
    }
}
