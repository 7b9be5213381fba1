//! What each loop costs, beside the floor of the kernel and its peers.
//!
//! ```text
//! cargo run --release -p bench -- [--quick] [--rounds N] [--workload W] [--loop L] [--json FILE]
//! ```
//!
//! Prints a table of CPU and wall time per operation, then the bounds that
//! this project set itself and whether they hold. It is an instrument, not a
//! gate: whatever it finds, it succeeds, unless it cannot measure something that
//! this machine has.
//!
//! # How it measures
//!
//! Each cell of the table, a [`workload`] on a [`contender`], is a [`child`]
//! process, because a loop is registered with libvirt for the life of a
//! process. The [`campaign`] lets them do their rounds in turns. A loop is
//! entered through libvirt's C functions ([`libvirt`]), but for the floor and
//! the native ones: those show what the same host loop costs without libvirt,
//! by the same code with the host's own kind of source. libvirtaio's child is a
//! program in Python. The storms are not about loops: all are on the built-in one,
//! and compare subscriptions. What is about connections has a libvirtd of the
//! benchmark's own.
//!
//! # How it grows
//!
//! - A loop: a file in [`host`], and its line in [`contender`].
//! - A workload: a file in [`workload`], and its lines there.
//! - A bound: an element in [`bound`].

mod arguments;
mod bound;
mod campaign;
mod cell;
mod child;
mod contender;
mod curve;
mod date;
mod event_fd;
mod gate;
mod host;
mod libvirt;
mod machine;
mod report;
mod row;
mod runner;
mod sample;
mod statistics;
mod table;
mod workload;

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;

use crate::arguments::Arguments;
use crate::machine::Machine;
use crate::report::Report;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = if arguments.serve {
        serve(&arguments)
    } else {
        measure(&arguments)
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // On one line, whatever RUST_BACKTRACE says. A child has told its
            // parent, and the user shall hear of it once.
            if !arguments.serve {
                eprintln!("error: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

/// The child's part.
fn serve(arguments: &Arguments) -> Result<()> {
    let (contender, workload) = arguments.cell().context("a child has one cell")?;
    child::serve(contender, workload, arguments.place())
}

/// The user's part.
fn measure(arguments: &Arguments) -> Result<()> {
    if cfg!(debug_assertions) {
        eprintln!("warning: built without optimisation; use cargo run --release");
    }
    let campaign = arguments.campaign();
    // Before the measurement, which takes a while and must not be lost.
    let json = arguments.json.as_deref().map(create).transpose()?;
    let machine = Machine::look();
    let outcome = campaign.run()?;
    let failures = outcome.failures;
    let report = Report::new(machine, campaign.rounds, outcome);
    write!(io::stdout(), "{report}")?;
    if let Some(mut file) = json {
        serde_json::to_writer_pretty(&mut file, &report)?;
        writeln!(file)?;
    }
    // After the report: what was measured is not lost.
    ensure!(failures == 0, "rows that could not be measured: {failures}");
    Ok(())
}

fn create(path: &Path) -> Result<File> {
    File::create(path).with_context(|| format!("{} cannot be written", path.display()))
}
