//! Every test of the workspace under memcheck.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::slice;
use std::time::Instant;

use super::exceptions::{EXCEPTIONS, Exception, What};
use super::{built_tests, memcheck};
use crate::failure::Failure;
use crate::say::say;
use crate::step::Step;

/// Runs everything but what [`EXCEPTIONS`] name, and does not stop at a failure;
/// with `names`, only the programs that are called so.
pub(super) fn run(names: &[&String]) -> Result<(), Failure> {
    let began = Instant::now();
    let programs = wanted(built()?, names)?;
    let count = programs.len();
    let mut failed = Vec::new();
    let mut left_out = 0;
    for (index, path) in programs.iter().enumerate() {
        let position = format!("{}/{count}", index + 1);
        let name = name(path);
        let exceptions: Vec<_> = of(&name).collect();
        for exception in &exceptions {
            say!("==> {position} {name}: {exception}");
        }
        if exceptions.iter().any(|it| it.what == What::All) {
            left_out += 1;
            continue;
        }
        for command in commands(path, &exceptions) {
            if let Err(failure) = Step::new("under memcheck", command).run(&position) {
                say!("xtask: {failure}");
                failed.push(name.clone());
            }
        }
    }
    let minutes = began.elapsed().as_secs_f64() / 60.0;
    say!(
        "valgrind: {} programs in {minutes:.0} min, {left_out} left out",
        count - left_out
    );
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "valgrind: failed: {}",
        failed.join(", ")
    )))
}

/// What runs the tests of a program: one command for most, and one for those
/// whose leaks do not count.
fn commands(path: &Path, exceptions: &[&Exception]) -> Vec<Command> {
    let run = |leaks_of: Option<&str>| {
        let mut command = memcheck(path, leaks_of.is_none());
        command.arg("--test-threads=2");
        // An empty name is in all names.
        command.args(leaks_of);
        for exception in exceptions {
            let skipped = match exception.what {
                What::All => &[],
                What::Tests(names) => names,
                What::LeaksOf(_) if leaks_of.is_some() => &[],
                What::LeaksOf(ref name) => slice::from_ref(name),
            };
            command.args(skipped.iter().map(|test| format!("--skip={test}")));
        }
        command
    };
    let without_leaks = exceptions.iter().find_map(|it| match it.what {
        What::LeaksOf(name) => Some(name),
        What::All | What::Tests(_) => None,
    });
    match without_leaks {
        None => vec![run(None)],
        Some("") => vec![run(Some(""))],
        Some(name) => vec![run(None), run(Some(name))],
    }
}

/// Builds the tests of all packages, and says where they are.
fn built() -> Result<Vec<PathBuf>, Failure> {
    let built = built_tests(&["--workspace"])?;
    if built.is_empty() {
        return Err(Failure::new("cargo named no executable of a test"));
    }
    Ok(built)
}

/// Those of `programs` that are called as one of `names`, if there are any.
fn wanted(programs: Vec<PathBuf>, names: &[&String]) -> Result<Vec<PathBuf>, Failure> {
    let is_there = |wanted: &str| programs.iter().any(|path| name(path) == wanted);
    if let Some(unknown) = names.iter().find(|wanted| !is_there(wanted)) {
        return Err(Failure::new(format!("there is no test called `{unknown}`")));
    }
    let is_wanted = |path: &PathBuf| names.is_empty() || names.contains(&&name(path));
    Ok(programs.into_iter().filter(is_wanted).collect())
}

/// What a test's program is called, without what cargo adds.
fn name(path: &Path) -> String {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let name = file.rsplit_once('-').map_or(&*file, |(name, _)| name);
    name.to_owned()
}

fn of(name: &str) -> impl Iterator<Item = &'static Exception> {
    EXCEPTIONS
        .iter()
        .filter(move |exception| exception.programs.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cargo::root;
    use crate::step::line;

    #[test]
    fn a_program_is_named_without_its_hash() {
        let path = Path::new("target/debug/deps/monitor_close-3096caf38e03df00");
        assert_eq!(name(path), "monitor_close");
    }

    #[test]
    fn names_choose_every_program_that_is_called_so() {
        let programs = || ["a/install-01", "a/install-02", "a/drive-03"].map(PathBuf::from);
        let chosen = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            let names: Vec<_> = names.iter().collect();
            wanted(programs().to_vec(), &names)
        };
        assert_eq!(chosen(&[]).ok(), Some(programs().to_vec()));
        assert_eq!(
            chosen(&["install"]).ok(),
            Some(programs()[..2].to_vec()),
            "in two packages"
        );
        let refused = chosen(&["drive", "instal"]).unwrap_err().to_string();
        assert!(refused.contains("`instal`"), "{refused}");
    }

    #[test]
    fn tests_whose_leaks_do_not_count_are_run_by_themselves() {
        let said = |name: &str| {
            let exceptions: Vec<_> = of(name).collect();
            commands(Path::new(name), &exceptions)
                .iter()
                .map(line)
                .collect::<Vec<_>>()
        };
        let [most, rest] = &said("host_cases")[..] else {
            panic!("{:?}", said("host_cases"));
        };
        assert!(most.contains("--leak-check=full"), "{most}");
        assert!(most.contains("--skip=in_a_forked_child"), "{most}");
        assert!(rest.contains("--leak-check=no"), "{rest}");
        assert!(rest.contains(" in_a_forked_child"), "{rest}");
        for command in [most, rest] {
            assert!(command.contains("--skip=mutant"), "{command}");
        }
        let [all] = &said("monitor_fork")[..] else {
            panic!("{:?}", said("monitor_fork"));
        };
        assert!(all.contains("--leak-check=no"), "{all}");
        assert!(!all.contains("--skip"), "{all}");
    }

    #[test]
    fn an_exception_is_of_something_that_there_is() {
        let root = root();
        let is_there = |name: &&str| {
            let test = |package: &Path| {
                let tests = package.join("tests");
                tests.join(format!("{name}.rs")).is_file() || tests.join(name).is_dir()
            };
            let mut packages: Vec<_> = std::fs::read_dir(root.join("crates"))
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .collect();
            packages.extend(["tests", "examples", "examples/smol-adapter"].map(|it| root.join(it)));
            packages.iter().any(|package| {
                let own = package.file_name().unwrap().to_string_lossy();
                own.replace('-', "_") == **name || test(package)
            })
        };
        for exception in EXCEPTIONS {
            for program in exception.programs {
                assert!(is_there(program), "{program}");
            }
            assert!(!exception.reason.is_empty());
        }
        assert!(of("stack").all(|exception| exception.what != What::All));
    }
}
