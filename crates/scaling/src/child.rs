//! One measurement in a process of its own.
//!
//! It prints its figures, one on a line: a name, a space and a number.

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Error, Result, ensure};

use crate::connections::{Connections, Cost, PING};
use crate::loops::Kind;
use crate::ping_pong::PingPong;
use crate::table::median;

/// The rates of events that are looked at, a second.
pub(crate) const RATES: [u32; 2] = [1_000, 10_000];

/// How many events wait in each connection.
pub(crate) const DEPTHS: [u64; 2] = [1, 100];

/// How many multiplications a callback does.
pub(crate) const WORK: [u64; 3] = [0, 1_000, 10_000];

/// How often a backlog is worked off in a process.
const BACKLOGS: usize = 3;

/// How many events there are where there is no rate.
const FLAT_OUT: usize = 40_000;

/// What a child measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Measurement {
    /// So many connections: what they cost while nothing happens, what events
    /// cost, and what calls cost.
    Whole(Kind, usize),
    /// So many connections: as many events as there can be.
    Events(Kind, usize),
    /// Watches without connections.
    PingPong(Kind),
}

/// Figures by name. Times are in seconds.
pub(crate) type Figures = BTreeMap<String, f64>;

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(kind, count) => write!(f, "whole/{kind}/{count}"),
            Self::Events(kind, count) => write!(f, "events/{kind}/{count}"),
            Self::PingPong(kind) => write!(f, "ping-pong/{kind}"),
        }
    }
}

impl FromStr for Measurement {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let words: Vec<_> = name.split('/').collect();
        Ok(match *words {
            ["whole", kind, count] => Self::Whole(kind.parse()?, count.parse()?),
            ["events", kind, count] => Self::Events(kind.parse()?, count.parse()?),
            ["ping-pong", kind] => Self::PingPong(kind.parse()?),
            _ => anyhow::bail!("nothing is measured by the name of {name}"),
        })
    }
}

/// Takes measurements, each as often as there are rounds, and returns the
/// medians.
pub(crate) fn take<const N: usize>(
    measurements: [Measurement; N],
    rounds: u32,
    quick: bool,
) -> Result<[Figures; N]> {
    let mut all = measurements.map(|_| BTreeMap::<String, Vec<f64>>::new());
    for round in 1..=rounds {
        for (measurement, figures) in measurements.iter().zip(&mut all) {
            eprintln!("round {round} of {rounds}: {measurement}");
            for (name, number) in run(measurement, quick)? {
                figures.entry(name).or_default().push(number);
            }
        }
    }
    Ok(all.map(|figures| {
        let medians = figures.into_iter().map(|(name, it)| (name, median(it)));
        medians.collect()
    }))
}

fn run(measurement: &Measurement, quick: bool) -> Result<Figures> {
    let program = env::current_exe().context("this program cannot find itself")?;
    let output = Command::new(program)
        .arg(format!("--measure={measurement}"))
        .args(quick.then_some("--quick"))
        .stderr(Stdio::inherit())
        .output()
        .context("a child cannot be started")?;
    ensure!(output.status.success(), "{measurement}: {}", output.status);
    let text = String::from_utf8(output.stdout)?;
    text.lines()
        .map(|line| {
            let (name, number) = line.split_once(' ').context("no figure")?;
            Ok((name.to_owned(), number.parse()?))
        })
        .collect()
}

/// The child's side.
pub(crate) fn measure(measurement: Measurement, quick: bool) -> Result<()> {
    let time = |seconds| Duration::from_secs(if quick { 1 } else { seconds });
    match measurement {
        Measurement::Whole(kind, count) => {
            let mut connections = Connections::open(kind, count)?;
            // Pings would count as calls.
            calls(&connections)?;
            let ping = u64::from(PING.unsigned_abs());
            connections.keep_alive(time(ping))?;
            // Two of them on each.
            say("idle", connections.idle(time(2 * ping))?);
            for rate in RATES {
                paced(&mut connections, rate, time(4))?;
            }
            backlogs(&mut connections)?;
        }
        Measurement::Events(kind, count) => {
            let mut connections = Connections::open(kind, count)?;
            connections.keep_alive(Duration::ZERO)?;
            backlogs(&mut connections)?;
            flat_out(&mut connections)?;
        }
        Measurement::PingPong(kind) => {
            let ping_pong = PingPong::new(kind)?;
            for work in WORK {
                let (rate, each) = ping_pong.run(work, time(2))?;
                say(&format!("rate-{work}"), rate);
                say(&format!("cpu-{work}"), each.as_secs_f64());
            }
        }
    }
    Ok(())
}

fn paced(connections: &mut Connections, rate: u32, time: Duration) -> Result<()> {
    let interval = Duration::from_secs(1) * connections.len() as u32 / rate;
    let causes = time.as_secs_f64() / interval.as_secs_f64();
    let cost = connections.events(causes.ceil() as u32, Some(interval))?;
    say(&format!("paced-{rate}-share"), cost.share());
    say(&format!("paced-{rate}-cpu"), cost.each());
    say(&format!("paced-{rate}-rate"), cost.rate());
    Ok(())
}

fn backlogs(connections: &mut Connections) -> Result<()> {
    for depth in DEPTHS {
        let costs: Vec<_> = (0..BACKLOGS)
            .map(|_| connections.backlog(depth))
            .collect::<Result<_>>()?;
        let middle = |of: fn(&Cost) -> f64| median(costs.iter().map(of).collect());
        say(&format!("backlog-{depth}-cpu"), middle(Cost::each));
        say(&format!("backlog-{depth}-rate"), middle(Cost::rate));
    }
    Ok(())
}

fn calls(connections: &Connections) -> Result<()> {
    let calls = 2_000;
    let cost = connections.calls(calls)?;
    let each = |time: Duration| time.as_secs_f64() / calls as f64;
    say("call-rate", 1.0 / each(cost.took));
    say("call-loop", each(cost.loops));
    say("call-caller", each(cost.caller));
    say("call-daemon", each(cost.daemon));
    Ok(())
}

fn flat_out(connections: &mut Connections) -> Result<()> {
    let causes = (FLAT_OUT / connections.len()).max(10);
    let cost = connections.events(causes as u32, None)?;
    say("flat-rate", cost.rate());
    say("flat-share", cost.share());
    let took = cost.took.as_secs_f64();
    say("flat-daemon", cost.daemon.as_secs_f64() / took);
    let (events, overlaps) = connections.overlaps();
    say("overlaps", overlaps as f64 / events as f64 * 1e6);
    Ok(())
}

fn say(name: &str, number: f64) {
    println!("{name} {number}");
}

impl Cost {
    /// The processor time that the loops need for an event, in seconds.
    fn each(&self) -> f64 {
        self.loops.as_secs_f64() / self.events as f64
    }

    /// Events a second.
    fn rate(&self) -> f64 {
        self.events as f64 / self.took.as_secs_f64()
    }

    /// The share of a processor that the loops need.
    fn share(&self) -> f64 {
        self.loops.as_secs_f64() / self.window.as_secs_f64()
    }
}
