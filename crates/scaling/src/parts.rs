//! The tables of docs/scaling.md.

use anyhow::Result;
use clap::ValueEnum;

use crate::child::{DEPTHS, Figures, Measurement, RATES, WORK, take};
use crate::exam;
use crate::loops::Kind;
use crate::table::{Table, microseconds, percent, whole};

/// A section of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// What one loop sustains
    OneLoop,
    /// What two reactors sustain
    Reactors,
    /// Which cases of the contract the prototype fails
    Exam,
}

impl Part {
    pub(crate) const ALL: &[Self] = &[Self::OneLoop, Self::Reactors, Self::Exam];

    pub(crate) fn print(self, rounds: u32, quick: bool) -> Result<()> {
        match self {
            Self::OneLoop => one_loop(rounds, quick),
            Self::Reactors => {
                ping_pong(rounds, quick)?;
                connections(rounds, quick)
            }
            Self::Exam => exam::print(),
        }
    }
}

fn one_loop(rounds: u32, quick: bool) -> Result<()> {
    let [few, some, many, most] = if quick {
        [20, 50, 100, 200]
    } else {
        [100, 500, 1_000, 2_000]
    };
    let measurements = [
        (Kind::Builtin, few),
        (Kind::Builtin, some),
        (Kind::Builtin, many),
        (Kind::Builtin, most),
        (Kind::LibvirtDefault, few),
        (Kind::LibvirtDefault, some),
        (Kind::LibvirtDefault, many),
    ];
    let wholes = measurements.map(|(kind, count)| Measurement::Whole(kind, count));
    let all = take(wholes, rounds, quick)?;
    let lines = || measurements.iter().zip(&all);

    let mut events = Table::new(
        1,
        &[
            "loop",
            "connections",
            "idle",
            "1,000 events/s",
            "10,000 events/s",
            "one waiting in each",
            "100 waiting in each",
            "fill a core",
        ],
    );
    let mut calls = Table::new(
        1,
        &[
            "loop",
            "connections",
            "calls/s of a thread",
            "CPU of a call: loop",
            "caller",
            "libvirtd",
        ],
    );
    for ((kind, count), figures) in lines() {
        let start = [kind.to_string(), whole(*count as f64)];
        let mut cells = start.to_vec();
        cells.push(percent(figures["idle"]));
        cells.extend(RATES.map(|rate| paced(figures, rate)));
        let backlog = |depth| figures[&format!("backlog-{depth}-cpu")];
        cells.extend(DEPTHS.map(|depth| microseconds(backlog(depth))));
        let fill = |depth| whole(1.0 / backlog(depth));
        cells.push(DEPTHS.map(|depth| fill(depth) + "/s").join(" to "));
        events.row(&cells);

        let mut cells = start.to_vec();
        cells.push(whole(figures["call-rate"]));
        let costs = ["loop", "caller", "daemon"].map(|of| figures[&format!("call-{of}")]);
        cells.extend(costs.map(microseconds));
        calls.row(&cells);
    }
    println!("{events}\n{calls}");
    Ok(())
}

/// The share of a processor, and what an event costs; and what became of the
/// rate, where that is too high.
fn paced(figures: &Figures, rate: u32) -> String {
    let of = |what| figures[&format!("paced-{rate}-{what}")];
    let cell = format!("{} ({})", percent(of("share")), microseconds(of("cpu")));
    let reached = of("rate");
    if reached < 0.9 * f64::from(rate) {
        cell + &format!(", {}/s only", whole(reached))
    } else {
        cell
    }
}

fn ping_pong(rounds: u32, quick: bool) -> Result<()> {
    let kinds = [Kind::Builtin, Kind::Sharded(1), Kind::Sharded(2)];
    let measurements = kinds.map(Measurement::PingPong);
    let all = take(measurements, rounds, quick)?;
    let mut table = Table::new(
        1,
        &[
            "work in a callback",
            "builtin: events/s",
            "1 reactor",
            "2 reactors",
            "2 ÷ builtin",
            "CPU of an event: builtin",
            "2 reactors",
            "2 ÷ builtin by CPU",
        ],
    );
    for work in WORK {
        let rates = all.each_ref().map(|it| it[&format!("rate-{work}")]);
        let [cpu, _, cpu_of_two] = all.each_ref().map(|it| it[&format!("cpu-{work}")]);
        let name = match work {
            0 => "none".to_owned(),
            _ => format!("{} multiplications", whole(work as f64)),
        };
        let mut cells = vec![name];
        cells.extend(rates.map(whole));
        cells.push(format!("{:.2}", rates[2] / rates[0]));
        cells.extend([cpu, cpu_of_two].map(microseconds));
        // What two processors could do that have nothing else to do.
        cells.push(format!("{:.2}", 2.0 * cpu / cpu_of_two));
        table.row(&cells);
    }
    println!("{table}");
    Ok(())
}

fn connections(rounds: u32, quick: bool) -> Result<()> {
    let count = if quick { 100 } else { 500 };
    let kinds = [Kind::Builtin, Kind::Sharded(2)];
    let all = take(
        kinds.map(|kind| Measurement::Events(kind, count)),
        rounds,
        quick,
    )?;
    let mut table = Table::new(
        1,
        &[
            &format!("{count} connections"),
            "one waiting in each",
            "100 waiting in each",
            "CPU of an event",
            "flat out",
            "cores for loops",
            "for libvirtd",
            "overlaps in a million",
        ],
    );
    for (kind, figures) in kinds.iter().zip(&all) {
        let of = |name: &str| figures[name];
        let costs = DEPTHS.map(|depth| microseconds(of(&format!("backlog-{depth}-cpu"))));
        table.row(&[
            kind.to_string(),
            whole(of("backlog-1-rate")) + "/s",
            whole(of("backlog-100-rate")) + "/s",
            costs.join(", "),
            whole(of("flat-rate")) + "/s",
            format!("{:.2}", of("flat-share")),
            format!("{:.2}", of("flat-daemon")),
            whole(of("overlaps")),
        ]);
    }
    println!("{table}");
    Ok(())
}
