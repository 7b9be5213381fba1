//! The figures of docs/scaling.md, as the tables that are in it.
//!
//! ```text
//! cargo xtask scaling [--quick] [--rounds N] [PART...]
//! ```
//!
//! A loop is registered with libvirt for the life of a process, and so each
//! measurement is a child process, with a libvirtd of its own. Rounds are
//! interleaved; a cell is the median of its rounds.

mod child;
mod clock;
mod connections;
mod eventfd;
mod exam;
mod loops;
mod parts;
mod ping_pong;
mod table;
mod tally;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::child::Measurement;
use crate::parts::Part;

/// What one loop sustains, and whether two reactors sustain more.
#[derive(Debug, Parser)]
struct Arguments {
    /// What to measure; everything unless said.
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// How often each measurement is taken.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Few connections, for a look.
    #[arg(long)]
    quick: bool,
    /// What a child is to measure.
    #[arg(long, hide = true)]
    measure: Option<Measurement>,
}

fn main() -> ExitCode {
    exam::child_main();
    let arguments = Arguments::parse();
    let result = match &arguments.measure {
        Some(measurement) => child::measure(*measurement, arguments.quick),
        None => print(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn print(arguments: &Arguments) -> Result<()> {
    if cfg!(debug_assertions) {
        eprintln!("warning: built without optimisation");
    }
    let parts = match &*arguments.parts {
        [] => Part::ALL,
        some => some,
    };
    for part in parts {
        part.print(arguments.rounds, arguments.quick)?;
    }
    Ok(())
}
