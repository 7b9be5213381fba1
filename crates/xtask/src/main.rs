//! The developer commands of this repository, behind the alias `cargo xtask`.
//!
//! Built from std alone, so that it runs on a machine that has none of the
//! packages which the other members need: installing those is its first job.
//! `cargo xtask help` lists the commands; docs/testing.md explains them.

mod cargo;
mod ci;
mod dpkg;
mod failure;
mod instructions;
mod package;
mod say;
mod setup;
mod step;
mod task;
mod valgrind;

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::failure::Failure;
use crate::package::Purpose;
use crate::say::say;
use crate::step::Step;
use crate::task::Task;

fn main() -> ExitCode {
    let task = match Task::parse(env::args_os().skip(1)) {
        Ok(task) => task,
        Err(message) => {
            say!("xtask: {message}");
            return ExitCode::from(2);
        }
    };
    match run(task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<(), Failure> {
    match task {
        Task::Help => print_help(),
        Task::Setup => {
            let present = setup::ensure(&[Purpose::Build, Purpose::Test, Purpose::Valgrind])?;
            say!("setup: all {present} packages are there");
            Ok(())
        }
        Task::Demo(arguments) => {
            setup::ensure(&[Purpose::Build])?;
            Err(cargo::replace_by(cargo::demo(&arguments)))
        }
        Task::Test(arguments) => {
            setup::ensure(&[Purpose::Build, Purpose::Test])?;
            Err(cargo::replace_by(cargo::test(&arguments)))
        }
        Task::Conformance(arguments) => {
            setup::ensure(&[Purpose::Build, Purpose::Test])?;
            Err(cargo::replace_by(cargo::conformance(&arguments)))
        }
        Task::Bench(arguments) => {
            setup::ensure(&[Purpose::Build, Purpose::Bench])?;
            // A daemon of the benchmark's ends with its supervisor, which is
            // looked for beside the benchmark.
            cargo::run(cargo::supervisor("bench"))?;
            Err(cargo::replace_by(cargo::bench(&arguments)))
        }
        // It needs no package of the system's.
        Task::Charts => Err(cargo::replace_by(cargo::charts())),
        Task::Scaling(arguments) => {
            setup::ensure(&[Purpose::Build, Purpose::Test])?;
            cargo::run(cargo::supervisor("scaling"))?;
            Err(cargo::replace_by(cargo::scaling(&arguments)))
        }
        Task::Instructions(arguments) => {
            setup::ensure(&[Purpose::Build, Purpose::Valgrind])?;
            instructions::run(&arguments)
        }
        Task::Ci => {
            setup::ensure(&[Purpose::Build, Purpose::Test, Purpose::Valgrind])?;
            ci::run()
        }
        Task::Soak => {
            setup::ensure(&[Purpose::Build, Purpose::Test])?;
            // What is drawn is what this soak has counted, or nothing.
            cargo::soak_counts().try_for_each(|file| forget(&file))?;
            Step::new("soak", cargo::soak()).run("1/2")?;
            Step::new("chart", cargo::soak_chart()).run("2/2")
        }
        Task::Valgrind(names) => {
            setup::ensure(&[Purpose::Build, Purpose::Test, Purpose::Valgrind])?;
            valgrind::run(&names)
        }
    }
}

/// Removes a file that may not be there.
fn forget(file: &Path) -> Result<(), Failure> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Failure::new(format!(
            "cannot remove {}: {error}",
            file.display()
        ))),
        _ => Ok(()),
    }
}

fn print_help() -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = stdout
        .write_all(task::HELP.as_bytes())
        .and_then(|()| stdout.flush());
    match written {
        // Nobody reads any more, as after `| head -1`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::new(format!("cannot print the help: {error}"))),
        Ok(()) => Ok(()),
    }
}
