//! Prints the table case × implementation; `cargo xtask conformance`.
//!
//! With `--write` it also writes docs/conformance.md, and the names of the cases
//! into docs/contract.md. Ends with 1 if a result
//! is unexpected or a mutant survives.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;
use std::{env, fs};

use virt_event_conformance::cases::cases;
use virt_event_conformance::{Case, Mutant, Table, child_main};
use virt_event_tests::conformance_page::{self, Words};
use virt_event_tests::contract_page;
use virt_event_tests::exam::{examine, in_parallel, try_mutant};
use virt_event_tests::implementations::{EXAMINED, implementations};

fn main() -> ExitCode {
    child_main(&implementations());
    let mut write = false;
    let mut verbose = false;
    for argument in env::args().skip(1) {
        match argument.as_str() {
            "--write" => write = true,
            "--verbose" => verbose = true,
            _ => {
                eprintln!("usage: conformance [--write] [--verbose]");
                return ExitCode::from(2);
            }
        }
    }
    let cases: Vec<&'static Case> = cases().collect();
    let mut table = Table::new(EXAMINED.iter().map(|it| it.implementation.name));
    let mut words = Words::default();
    let mut unexpected = Vec::new();

    let results = in_parallel(1, cases.len() * EXAMINED.len(), |at| {
        let (case, examined) = (cases[at / EXAMINED.len()], &EXAMINED[at % EXAMINED.len()]);
        let began = Instant::now();
        let result = examine(examined, case);
        if verbose {
            println!(
                "{:?} {} {}",
                began.elapsed(),
                examined.implementation.name,
                case.name
            );
        }
        result
    });
    for (case, row) in cases.iter().copied().zip(results.chunks(EXAMINED.len())) {
        let cells = EXAMINED.iter().zip(row).map(|(examined, result)| {
            let name = examined.implementation.name;
            let (outcome, judged) = result;
            if verbose {
                println!("{name} {}: {outcome}\n", case.name);
            }
            match judged {
                Ok(word) => {
                    words.set(case.name, name, word);
                    (*word).to_owned()
                }
                Err(why) => {
                    unexpected.push(format!("{name} {}: {why}", case.name));
                    format!("{} !", outcome.word())
                }
            }
        });
        let cells: Vec<String> = cells.collect();
        table.row(case, cells);
    }
    print!("{table}");

    let mutants: Vec<&'static Case> = cases
        .iter()
        .copied()
        .filter(|case| matches!(case.mutant, Mutant::Broken { .. }))
        .collect();
    // They spend their time waiting for what does not happen.
    let caught = in_parallel(2, mutants.len(), |at| {
        let began = Instant::now();
        let result = try_mutant(mutants[at]);
        if verbose {
            println!("{:?} mutant {}", began.elapsed(), mutants[at].name);
        }
        result
    });
    let mut survivors = Vec::new();
    for (case, result) in mutants.iter().zip(&caught) {
        match result {
            Ok(outcome) if verbose => println!("mutant {}: {outcome}\n", case.name),
            Ok(_) => {}
            Err(why) => survivors.push(format!("the mutant of {}: {why}", case.name)),
        }
    }

    for line in unexpected.iter().chain(&survivors) {
        println!("\nunexpected: {line}");
    }
    println!(
        "\n{} of {} mutants caught, {} cases without one",
        mutants.len() - survivors.len(),
        mutants.len(),
        cases.len() - mutants.len()
    );
    println!(
        "{} cases, {} implementations, {} unexpected",
        cases.len(),
        EXAMINED.len(),
        unexpected.len()
    );
    if !unexpected.is_empty() || !survivors.is_empty() {
        return ExitCode::FAILURE;
    }
    let written = if write { write_pages(&words) } else { Ok(()) };
    if let Err(why) = written {
        eprintln!("{why}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Brings docs/conformance.md and the names of the cases in docs/contract.md up
/// to date.
fn write_pages(words: &Words) -> Result<(), String> {
    let path = conformance_page::path();
    fs::write(&path, conformance_page::render(words))
        .map_err(|error| format!("{}: {error}", path.display()))?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(contract_page::PATH);
    let page = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    fs::write(&path, contract_page::render(&page)?)
        .map_err(|error| format!("{}: {error}", path.display()))
}
