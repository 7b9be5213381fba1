//! The developer commands of this repository, behind the alias `cargo xtask`.
//!
//! Built from std alone, so that it runs on a machine that has none of the
//! packages which the other members need: installing those is its first job.
//! `cargo xtask help` lists the commands; docs/testing.md explains them.

mod cargo;
mod ci;
mod dpkg;
mod failure;
mod package;
mod setup;
mod step;
mod task;
mod valgrind;

use std::env;
use std::process::ExitCode;

use crate::failure::Failure;
use crate::package::Purpose;
use crate::task::Task;

fn main() -> ExitCode {
    let task = match Task::parse(env::args_os().skip(1)) {
        Ok(task) => task,
        Err(message) => {
            eprintln!("xtask: {message}");
            return ExitCode::from(2);
        }
    };
    match run(task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<(), Failure> {
    match task {
        Task::Help => {
            print!("{}", task::HELP);
            Ok(())
        }
        Task::Setup => {
            let present = setup::ensure(&[Purpose::Build, Purpose::Test, Purpose::Valgrind])?;
            eprintln!("setup: all {present} packages are there");
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
            setup::ensure(&[Purpose::Build])?;
            Err(cargo::replace_by(cargo::bench(&arguments)))
        }
        Task::Ci => {
            setup::ensure(&[Purpose::Build, Purpose::Test])?;
            ci::run()
        }
        Task::Valgrind(names) => {
            setup::ensure(&[Purpose::Build, Purpose::Test, Purpose::Valgrind])?;
            valgrind::run(&names)
        }
    }
}
