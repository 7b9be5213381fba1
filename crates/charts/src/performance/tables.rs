//! What stands between the comments of a page.

use anyhow::{Context, bail};

use super::grid::{Column, grid};
use super::loops::{self, ADAPTERS, OURS, implementations};
use super::report::{Bound, Lateness, Report, Row};
use crate::number::{between, percent, ratio, time, whole};

/// The figures of this name.
///
/// # Errors
///
/// - There is none of that name.
pub(super) fn figures(report: &Report, name: &str) -> anyhow::Result<String> {
    Ok(match name {
        "machine" => machine(report),
        "headline" => headline(report)?,
        "idle" => idle(report),
        "hosts" => hosts(report),
        "budget" => budget(report),
        "events" => events(report),
        "changes" => changes(report),
        "timers" => timers(report),
        "connections" => connections(report),
        "memory" => memory(report),
        "storm" => storm(report),
        "bounds" => bounds(report),
        "dearer" => dearer(report),
        "not-measured" => not_measured(report),
        _ => bail!("there are no figures `{name}`"),
    })
}

fn machine(report: &Report) -> String {
    let machine = &report.machine;
    format!(
        "Taken on {}: {}, {} CPUs, {}, Linux {}, libvirt {}; load {} at the beginning. \
         Medians of {} interleaved rounds.",
        report.day(),
        machine.cpu,
        machine.cpus,
        machine.system,
        machine.kernel,
        machine.libvirt,
        machine.load_average,
        report.rounds
    )
}

/// The sentence below the chart that says most.
fn headline(report: &Report) -> anyhow::Result<String> {
    let row = |on: &&str| report.row("ping-pong/10000", on);
    let ours: Vec<_> = OURS.iter().filter_map(row).collect();
    let peer = row(&"libvirt-default").context("libvirt's default loop was not measured")?;
    let costs = ours.iter().map(|row| row.ns_cpu);
    let least = costs.clone().reduce(f64::min);
    let (least, most) = least
        .zip(costs.reduce(f64::max))
        .context("no loop of ours was measured")?;
    let sentence = format!(
        "Beside 10,000 idle watches one event costs {} of CPU time on these loops, and {} on \
         libvirt's default loop.",
        between(least, most),
        time(peer.ns_cpu)
    );
    let unsure = ours.iter().any(|row| row.inconclusive) || peer.inconclusive;
    Ok(if unsure {
        format!("{sentence} (Not all of it is conclusive: the machine was busy.)")
    } else {
        sentence
    })
}

fn idle(report: &Report) -> String {
    let sizes = ["0", "10", "100", "1000", "10000"];
    let mut columns: Vec<_> = sizes
        .map(|size| {
            let head = whole(size.parse().unwrap_or_default());
            Column::cpu(&format!("{head} idle"), &format!("ping-pong/{size}"))
        })
        .into();
    columns.push(Column::growth(
        "10,000 ÷ 0",
        "ping-pong/10000",
        "ping-pong/0",
    ));
    grid(report, &loops::everybody(), &columns)
}

fn hosts(report: &Report) -> String {
    let fairness = |row: &Row| row.fairness.map(ratio);
    let columns = [
        Column::cpu("ping-pong, ns", "ping-pong/0"),
        Column::to_host("÷ its host's own source", "ping-pong/0"),
        Column::to_host("64 active watches, ÷ host's", "active/64"),
        Column::to_host("from another thread, ÷ host's", "cross-thread"),
        Column::new("fairness", "fairness", fairness),
    ];
    grid(report, &ADAPTERS, &columns)
}

fn budget(report: &Report) -> String {
    let on = |on: &str, budget: u32| {
        let mut points = report.budgets.iter();
        points.find(|point| point.r#loop == on && point.budget == budget)
    };
    let mut budgets: Vec<_> = report.budgets.iter().map(|point| point.budget).collect();
    budgets.sort_unstable();
    budgets.dedup();
    let mut text = format!(
        "| budget | {} |\n|--:|{}\n",
        ADAPTERS.join(" | "),
        "---|".repeat(ADAPTERS.len())
    );
    let mut unsure = false;
    for budget in budgets {
        text += &format!("| {budget} |");
        for point in ADAPTERS.iter().map(|name| on(name, budget)) {
            let shown = point.map_or("–".to_owned(), |point| {
                unsure |= point.inconclusive;
                let fairness = point
                    .fairness
                    .map(|fairness| format!(" / {}", ratio(fairness)));
                let both = ratio(point.to_host) + &fairness.unwrap_or_default();
                if point.inconclusive {
                    format!("*{both}*")
                } else {
                    both
                }
            });
            text += &format!(" {shown} |");
        }
        text.push('\n');
    }
    if unsure {
        text += "\n*In italics*: a row that it rests on is inconclusive.";
    }
    text
}

fn events(report: &Report) -> String {
    let rate = |row: &Row| row.per_second.map(whole);
    let wall = |row: &Row| Some(whole(row.ns_wall));
    let columns = [
        Column::cpu("64 active watches, ns CPU", "active/64"),
        Column::new("from another thread, ns elapsed", "cross-thread", wall),
        Column::new("zero timer, a second", "zero-timer", rate),
    ];
    grid(report, &loops::everybody(), &columns)
}

fn changes(report: &Report) -> String {
    let columns = [
        Column::cpu("`update_handle`", "update-handle"),
        Column::cpu("the same, busy loop", "update-handle-busy"),
        Column::cpu("add + remove, 0 registered", "add-remove/0"),
        Column::cpu("1,000", "add-remove/1000"),
        Column::cpu("10,000", "add-remove/10000"),
        Column::cpu("`update_timeout`", "update-timeout"),
        Column::cpu("the same, always earlier", "update-timeout-earlier"),
    ];
    grid(report, &with_floor(), &columns)
}

fn timers(report: &Report) -> String {
    let late = |head: &str, workload: &str, of: fn(Lateness) -> f64| {
        Column::new(head, workload, move |row| {
            Some(format!("{:.2}", of(row.lateness_ns?) / 1e6))
        })
    };
    let columns = [
        Column::cpu("at once, ns CPU", "timers/together"),
        Column::cpu("spread out, ns CPU", "timers/spread"),
        late("spread out, ms late: 50 %", "timers/spread", |late| {
            late.p50
        }),
        late("99 %", "timers/spread", |late| late.p99),
        late("100 %", "timers/spread", |late| late.p100),
        late("at once, ms late: 50 %", "timers/together", |late| late.p50),
        late("100 %", "timers/together", |late| late.p100),
    ];
    grid(report, &implementations(), &columns)
}

fn connections(report: &Report) -> String {
    let rate = |row: &Row| row.per_second.map(whole);
    let columns = [
        Column::lowest("call, µs CPU", "rpc/alone"),
        Column::lowest("beside 500 idle connections", "rpc/idle-500"),
        Column::lowest("4 threads", "rpc/threads-4"),
        Column::lowest("open + close", "open-close"),
        Column::new("events a second, 16 connections", "event-storm/16", rate),
    ];
    grid(report, &with_floor(), &columns)
}

fn memory(report: &Report) -> String {
    let bytes = |row: &Row| row.bytes.map(whole);
    let columns = [
        Column::new("bytes for a watch", "memory/watch", bytes),
        Column::new("bytes for a timer", "memory/timer", bytes),
    ];
    grid(report, &implementations(), &columns)
}

fn storm(report: &Report) -> String {
    let cost = |subscriber| report.row(&format!("storm/{subscriber}"), "builtin");
    let mut text =
        String::from("| subscriber | CPU of one event | ÷ counts | ÷ copies | spread |\n");
    text += "|---|--:|--:|--:|--:|\n";
    for (subscriber, words) in [
        ("raw", "a C function that only counts"),
        (
            "raw-copy",
            "a C function that copies name, UUID and number of the domain",
        ),
        ("callback", "`subscribe::<Lifecycle>().callback(…)`"),
        ("any", "`subscribe_any([Lifecycle]).callback(…)`"),
        ("stream", "`lifecycle()`, a stream read on another thread"),
    ] {
        let Some(row) = cost(subscriber) else {
            continue;
        };
        let to =
            |other| cost(other).map_or("–".to_owned(), |other| ratio(row.ns_cpu / other.ns_cpu));
        text += &format!(
            "| {words} | {} ns | {} | {} | {}{} |\n",
            whole(row.ns_cpu),
            to("raw"),
            to("raw-copy"),
            percent(row.spread),
            if row.inconclusive {
                ", inconclusive"
            } else {
                ""
            }
        );
    }
    text
}

impl Bound {
    fn limit_in_words(&self) -> String {
        let words = self.limit.iter().map(|(kind, limit)| match &**kind {
            "at-most" => format!("≤ {limit}"),
            "at-least" => format!("≥ {limit}"),
            "below" => format!("< {limit}"),
            other => format!("{other} {limit}"),
        });
        words.collect::<Vec<_>>().join(", ")
    }
}

fn bounds(report: &Report) -> String {
    let count = |verdict: &str| {
        let bounds = report.bounds.iter();
        bounds.filter(|bound| bound.verdict == verdict).count()
    };
    let mut text = format!(
        "{} met, {} not met, {} inconclusive.\n\n",
        count("met"),
        count("not-met"),
        count("inconclusive")
    );
    text += "| bound | limit | measured | |\n|---|--:|--:|---|\n";
    for bound in &report.bounds {
        let verdict = match &*bound.verdict {
            "not-met" => "**not met**",
            "inconclusive" => "*inconclusive*",
            other => other,
        };
        let limit = bound.limit_in_words();
        // More digits than elsewhere: some are near their limits.
        let measured = match bound.ratio {
            ratio if (0.1..10.0).contains(&ratio) => format!("{ratio:.3}"),
            other => ratio(other),
        };
        text += &format!("| {} | {limit} | {measured} | {verdict} |\n", bound.bound);
    }
    text
}

/// Where a loop of ours costs more than what it is compared with.
fn dearer(report: &Report) -> String {
    let mut workloads: Vec<&str> = Vec::new();
    for row in &report.rows {
        let is_about_a_budget = row.workload.contains("-budget/");
        if !is_about_a_budget && !workloads.contains(&&*row.workload) {
            workloads.push(&row.workload);
        }
    }
    let list = |workload: &str, to: &dyn Fn(&Row) -> Option<(f64, bool)>| {
        let dearer = OURS.iter().filter_map(|on| {
            let (by, sure) = to(report.row(workload, on)?)?;
            let text = format!("{on} {}", ratio(by));
            let shown = if sure { text } else { format!("*{text}*") };
            (by > 1.0).then_some(shown)
        });
        let list = dearer.collect::<Vec<_>>().join(", ");
        if list.is_empty() {
            "–".to_owned()
        } else {
            list
        }
    };
    let to_host = |row: &Row| {
        let host = report.host_of(row)?;
        Some((row.to_host?, !row.inconclusive && !host.inconclusive))
    };
    let mut text =
        String::from("| workload | × libvirt's default loop | × its host's own source |\n");
    text += "|---|---|---|\n";
    for workload in workloads {
        let peer = list(workload, &|row| report.to_default(row));
        let host = list(workload, &to_host);
        if (&*peer, &*host) != ("–", "–") {
            text += &format!("| {workload} | {peer} | {host} |\n");
        }
    }
    if text.contains('*') {
        text += "\n*In italics*: a row that it rests on is inconclusive.";
    }
    text
}

fn not_measured(report: &Report) -> String {
    if report.not_measured.is_empty() {
        return "Everything was measured.".to_owned();
    }
    let mut text = String::from("Not measured:\n\n");
    for absent in &report.not_measured {
        let names = [&absent.workload, &absent.r#loop];
        let names: Vec<_> = names.into_iter().flatten().map(String::as_str).collect();
        text += &format!("- {}: {}\n", names.join(" on "), absent.reason);
    }
    text
}

/// Every row there is, as a page of its own.
pub(super) fn complete(report: &Report) -> String {
    let mut text = format!(
        "# All rows\n\n\
         Every row of [performance.json](performance.json), which [performance.md](performance.md) \
         is made from; written by `cargo xtask charts`.\n\n\
         {}\n\n\
         `cargo xtask bench --json docs/performance.json`; `--workload` and `--loop` with the \
         names below measure a row again.\n\n\
         CPU and elapsed time are nanoseconds of one operation. Spread: interquartile range ÷ \
         median, of what counts: the CPU time, but the elapsed time in `cross-thread` and \
         `event-storm`, and the bytes in `memory`. The ratios are of that, too: to the bare \
         system calls, to the host loop's own source, to libvirt's default loop.\n\n\
         {}\n\n\
         | workload | loop | CPU | elapsed | spread | ÷ floor | ÷ host | ÷ libvirt | |\n\
         |---|---|--:|--:|--:|--:|--:|--:|---|\n",
        machine(report),
        not_measured(report).trim_end()
    );
    for row in &report.rows {
        let optional = |value: Option<f64>| value.map_or("–".to_owned(), ratio);
        text += &format!(
            "| {} | {} | {} | {} | {:.1} % | {} | {} | {} | {} |\n",
            row.workload,
            row.r#loop,
            whole(row.ns_cpu),
            whole(row.ns_wall),
            row.spread * 100.0,
            optional(row.to_floor),
            optional(row.to_host),
            optional(row.to_libvirt_default),
            remarks(row)
        );
    }
    text
}

/// What some rows say besides.
fn remarks(row: &Row) -> String {
    let late = row.lateness_ns.map(|late| {
        let [p50, p99, p100] = [late.p50, late.p99, late.p100].map(|ns| ns / 1e6);
        format!("late by {p50:.2}, {p99:.2}, {p100:.2} ms (50, 99, 100 %)")
    });
    let remarks = [
        row.fairness
            .map(|share| format!("fairness {}", ratio(share))),
        row.bytes.map(|bytes| format!("{} bytes", whole(bytes))),
        row.per_second
            .map(|rate| format!("{} a second", whole(rate))),
        late,
        row.has_daemon()
            .then(|| format!("lowest {}", whole(row.lowest))),
        row.inconclusive.then(|| "*inconclusive*".to_owned()),
    ];
    remarks.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn with_floor() -> Vec<&'static str> {
    let mut loops = loops::FLOORS.to_vec();
    loops.extend(implementations());
    loops
}
