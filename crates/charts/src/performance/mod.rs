//! The figures of the benchmark: charts, and the tables of the pages that show
//! them.
//!
//! A chart is a file here and a line in [`files`], a table a function and a name in
//! `tables.rs`.

mod budget;
mod grid;
mod idle;
mod loops;
mod page;
mod ratios;
mod report;
mod rpc;
mod tables;
mod timers;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

pub use self::report::{Bound, Budget, Lateness, Machine, NotMeasured, Report, Row};

/// What `cargo xtask bench --json` has written.
pub const DATA: &str = "docs/performance.json";

/// Where the charts are.
pub const CHARTS: &str = "docs/performance";

/// Those who have figures between their prose.
const PAGES: [&str; 2] = ["docs/performance.md", "README.md"];

/// All rows.
const COMPLETE: &str = "docs/performance-table.md";

/// Every file below `root` that figures are in, as [`DATA`] makes it.
///
/// # Errors
///
/// - A file cannot be read, or the data is something else.
/// - A page asks for figures that there are not, or does not say where they end.
pub fn files(root: &Path) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let read = |path: &str| {
        fs::read_to_string(root.join(path)).with_context(|| format!("{path} cannot be read"))
    };
    let report = Report::parse(&read(DATA)?).context(DATA)?;
    let charts = [
        ("idle", idle::chart(&report).draw()?),
        ("ratios", ratios::chart(&report).draw()?),
        ("budget", budget::chart(&report).draw()?),
        ("timers", timers::chart(&report).draw()?),
        ("rpc", rpc::chart(&report).draw()?),
    ];
    let charts = charts.map(|(name, svg)| (format!("{CHARTS}/{name}.svg"), svg));
    let mut files = Vec::from(charts);
    files.push((COMPLETE.to_owned(), tables::complete(&report)));
    for path in PAGES {
        let page = page::fill(&read(path)?, |name| tables::figures(&report, name));
        files.push((path.to_owned(), page.context(path)?));
    }
    Ok(files
        .into_iter()
        .map(|(path, text)| (root.join(path), text))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small one.
    pub(super) fn report() -> Report {
        let row = |workload: &str, on: &str, ns: f64, spread: f64, to_host: Option<f64>| {
            serde_json::json!({
                "workload": workload, "loop": on, "ns_cpu": ns, "ns_wall": ns,
                "spread": spread, "lowest": ns, "inconclusive": spread > 0.15, "to_host": to_host,
            })
        };
        let json = serde_json::json!({
            "machine": {
                "cpu": "A processor", "cpus": 2, "system": "A system", "kernel": "6.1",
                "libvirt": "9.0.0", "load_average": "0.10",
            },
            "date": "2026-01-02T03:04:05Z",
            "rounds": 9,
            "rows": [
                row("ping-pong/0", "floor", 500.0, 0.01, None),
                row("ping-pong/10000", "floor", 500.0, 0.01, None),
                row("ping-pong/0", "glib", 1_000.0, 0.02, Some(0.8)),
                row("ping-pong/10000", "glib", 1_100.0, 0.03, Some(1.2)),
                row("ping-pong/0", "glib-native", 1_250.0, 0.2, Some(1.0)),
                row("ping-pong/10000", "glib-native", 900.0, 0.02, Some(1.0)),
                row("ping-pong/10000", "libvirt-default", 2_500_000.0, 0.02, None),
            ],
            "not_measured": [{ "loop": "libvirtaio", "reason": "it is not there" }],
            "budgets": [{
                "loop": "glib", "budget": 4, "to_host": 0.8, "fairness": 0.41,
                "inconclusive": true,
            }],
            "bounds": [{
                "bound": "a bound", "limit": { "at-most": 1.15 }, "ratio": 1.2,
                "verdict": "not-met",
            }],
        });
        Report::parse(&json.to_string()).unwrap()
    }

    #[test]
    fn figures_are_what_the_data_says() {
        for (name, part) in [
            (
                "machine",
                "on 2026-01-02: A processor, 2 CPUs, A system, Linux 6.1",
            ),
            (
                "headline",
                "one event costs 1.10 – 1.10 µs of CPU time on these loops, and 2.50 ms",
            ),
            ("budget", "| 4 | – | – | – | – | *0.80 / 0.41* |"),
            ("bounds", "| a bound | ≤ 1.15 | 1.200 | **not met** |"),
            ("bounds", "0 met, 1 not met, 0 inconclusive."),
            ("dearer", "| ping-pong/10000 | – | glib 1.20 |"),
            ("not-measured", "- libvirtaio: it is not there"),
        ] {
            let figures = tables::figures(&report(), name).unwrap();
            assert!(figures.contains(part), "{part:?} in\n{figures}");
        }
        assert!(tables::figures(&report(), "nothing").is_err());
    }

    #[test]
    fn all_rows_are_in_the_complete_table() {
        let text = tables::complete(&report());
        assert!(
            text.contains("| ping-pong/0 | glib-native | 1,250 | 1,250 | 20.0 % | – | 1.00 | – | *inconclusive* |"),
            "{text}"
        );
        assert!(text.contains("libvirtaio: it is not there"), "{text}");
    }

    #[test]
    fn what_is_missing_is_not_drawn() {
        let report = report();
        let svg = idle::chart(&report).draw().unwrap();
        assert!(svg.contains("default loop: 2.50 ms"), "{svg}");
        assert!(!svg.contains("libvirtaio"), "{svg}");
        for svg in [
            budget::chart(&report).draw(),
            ratios::chart(&report).draw(),
            timers::chart(&report).draw(),
            rpc::chart(&report).draw(),
        ] {
            assert!(svg.unwrap().trim_end().ends_with("</svg>"));
        }
    }
}
