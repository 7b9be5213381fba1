//! What `cargo xtask bench --json` writes.

use std::collections::BTreeMap;

use anyhow::Context;
use serde::Deserialize;

/// All of it, but for what is not shown.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Report {
    /// Where it was measured.
    pub machine: Machine,
    /// When it ended, in UTC, as in `2026-11-22T16:24:09Z`.
    pub date: String,
    /// Rounds of each row.
    pub rounds: u32,
    /// One workload on one loop each.
    pub rows: Vec<Row>,
    /// What the machine could not do.
    pub not_measured: Vec<NotMeasured>,
    /// What a budget buys and costs.
    pub budgets: Vec<Budget>,
    /// What the figures have to be.
    pub bounds: Vec<Bound>,
}

/// A machine.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[allow(missing_docs, reason = "each says what it is")]
pub struct Machine {
    pub cpu: String,
    pub cpus: usize,
    pub system: String,
    pub kernel: String,
    pub libvirt: String,
    pub load_average: String,
}

/// One workload on one loop. Times are nanoseconds of one operation.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Row {
    /// As on the command line.
    pub workload: String,
    /// As on the command line.
    pub r#loop: String,
    /// By the clock.
    pub ns_wall: f64,
    /// Of the processor.
    pub ns_cpu: f64,
    /// Of the cost that counts, the interquartile range divided by the median.
    pub spread: f64,
    /// Of the cost that counts, the lowest of the rounds.
    pub lowest: f64,
    /// Whether the spread is too much.
    pub inconclusive: bool,
    /// Divided by the cost of the bare system calls.
    pub to_floor: Option<f64>,
    /// By that of the host loop's own source.
    pub to_host: Option<f64>,
    /// By that of libvirt's default loop.
    pub to_libvirt_default: Option<f64>,
    /// The turns that another source gets, beside those that it would get.
    pub fairness: Option<f64>,
    /// Of memory.
    pub bytes: Option<f64>,
    /// Operations, by the clock.
    pub per_second: Option<f64>,
    /// Of timers.
    pub lateness_ns: Option<Lateness>,
}

/// Percentiles, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[allow(missing_docs, reason = "each says what it is")]
pub struct Lateness {
    pub p50: f64,
    pub p99: f64,
    pub p100: f64,
}

/// A workload or a loop, or one on the other.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct NotMeasured {
    /// As on the command line.
    pub workload: Option<String>,
    /// As on the command line.
    pub r#loop: Option<String>,
    /// In words.
    pub reason: String,
}

/// One budget on one loop.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Budget {
    /// As on the command line.
    pub r#loop: String,
    /// Iterations of a turn.
    pub budget: u32,
    /// The cost of an event divided by that of the host's own source.
    pub to_host: f64,
    /// The turns that another source gets, beside those that it would get.
    pub fairness: Option<f64>,
    /// Whether a row that it rests on is.
    pub inconclusive: bool,
}

/// A bound and what came of it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Bound {
    /// What is compared, in words.
    pub bound: String,
    /// `at-most`, `below` or `at-least`, and how much.
    pub limit: BTreeMap<String, f64>,
    /// What it is.
    pub ratio: f64,
    /// `met`, `not-met` or `inconclusive`.
    pub verdict: String,
}

impl Report {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// - It is not such a file. The error names the line.
    pub fn parse(json: &str) -> anyhow::Result<Self> {
        serde_json::from_str(json).context("not what `cargo xtask bench --json` writes")
    }

    /// One workload on one loop, where it was measured.
    pub fn row(&self, workload: &str, on: &str) -> Option<&Row> {
        let is_it = |row: &&Row| row.workload == workload && row.r#loop == on;
        self.rows.iter().find(is_it)
    }

    /// The row of the host's own source that a row of ours is compared with.
    pub fn host_of(&self, row: &Row) -> Option<&Row> {
        self.row(&row.workload, &format!("{}-native", row.r#loop))
    }

    /// A row divided by that of libvirt's default loop, and whether that is
    /// conclusive.
    pub fn to_default(&self, row: &Row) -> Option<(f64, bool)> {
        let default = self.row(&row.workload, "libvirt-default")?;
        if row.has_daemon() {
            return Some((row.lowest / default.lowest, true));
        }
        let sure = !row.inconclusive && !default.inconclusive;
        Some((row.to_libvirt_default?, sure))
    }

    /// The day of it, as in `2026-11-22`.
    pub fn day(&self) -> &str {
        self.date.split_once('T').map_or(&self.date, |(day, _)| day)
    }
}

impl Row {
    /// Whether a daemon has a part in it. Then the spread is the daemon's, and the
    /// lowest of the rounds stands for them.
    pub fn has_daemon(&self) -> bool {
        let family = self.workload.split('/').next();
        matches!(family, Some("rpc" | "open-close" | "event-storm"))
    }
}
