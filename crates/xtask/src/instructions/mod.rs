//! The instructions of the hot paths, counted by callgrind and held against
//! committed budgets.

mod budgets;
mod profile;
mod toolchain;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use self::budgets::{Budgets, Finding};
use self::profile::Counts;
use self::toolchain::Toolchain;
use crate::cargo::{self, cargo, root};
use crate::failure::Failure;
use crate::say::say;
use crate::step;

/// Where the budgets are, from the root of the workspace.
const BUDGETS: &str = "crates/hot-paths/budgets.txt";

/// What takes new budgets in the place of the old ones.
const WRITE: &str = "--write";

/// Counts, and compares with the budgets or writes new ones.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let write = match arguments {
        [] => false,
        [argument] if argument == WRITE => true,
        _ => {
            return Err(Failure::new(format!(
                "`instructions` takes `{WRITE}` or nothing"
            )));
        }
    };
    let toolchain = Toolchain::find()?;
    let counts = count()?;
    if write {
        return record(&Budgets::new(toolchain, &counts));
    }
    let text = fs::read_to_string(root().join(BUDGETS))
        .map_err(|error| Failure::new(format!("cannot read {BUDGETS}: {error}")))?;
    let budgets = Budgets::parse(&text)
        .map_err(|wrong| Failure::new(format!("{BUDGETS}: cannot understand {wrong:?}")))?;
    judge(&budgets, &toolchain, &counts)
}

fn judge(budgets: &Budgets, toolchain: &Toolchain, counts: &Counts) -> Result<(), Failure> {
    let findings = budgets.compare(counts);
    for finding in &findings {
        say!("  {finding}");
    }
    let (bad, rest): (Vec<_>, Vec<_>) = findings.iter().partition(|finding| finding.is_bad());
    if rest.iter().any(|finding| finding.is_generous()) {
        say!(
            "instructions: budgets that are far above may be lowered: cargo xtask instructions {WRITE}"
        );
    }
    if bad.is_empty() {
        say!(
            "instructions: {} paths within their budgets",
            findings.len()
        );
        return Ok(());
    }
    let names: Vec<_> = bad.iter().map(|finding| finding.name()).collect();
    let what = format!("not within the budgets of {BUDGETS}: {}", names.join(", "));
    let differences = budgets.toolchain.differences(toolchain);
    // What another compiler makes of the same source is not the source's fault;
    // a path that is missing is.
    if bad
        .iter()
        .all(|finding| matches!(finding, Finding::Counted(_)))
        && !differences.is_empty()
    {
        say!("instructions: warning: {what}");
        say!("instructions: but the budgets were taken with other tools:");
        for difference in differences {
            say!("  {difference}");
        }
        return Ok(());
    }
    Err(Failure::new(format!(
        "{what}; find out why, or take new ones with `cargo xtask instructions {WRITE}`"
    )))
}

fn record(budgets: &Budgets) -> Result<(), Failure> {
    fs::write(root().join(BUDGETS), budgets.to_string())
        .map_err(|error| Failure::new(format!("cannot write {BUDGETS}: {error}")))?;
    say!("instructions: wrote {BUDGETS}");
    Ok(())
}

/// Runs the program under callgrind.
fn count() -> Result<Counts, Failure> {
    cargo::run(cargo(["build", "--quiet", "--release", "-p", "hot-paths"]))?;
    let target = target_directory()?;
    let profile = target.join("hot-paths.callgrind");
    // An old one must not be taken for the new one.
    let _ = fs::remove_file(&profile);
    let mut command = callgrind(&target.join("release/hot-paths"), &profile);
    let line = step::line(&command);
    let output = command
        .output()
        .map_err(|error| Failure::new(format!("cannot run `{line}`: {error}")))?;
    if !output.status.success() {
        return Err(Failure::new(format!("`{line}` failed ({})", output.status)));
    }
    let printed = String::from_utf8_lossy(&output.stdout);
    let text = fs::read_to_string(&profile)
        .map_err(|error| Failure::new(format!("cannot read {}: {error}", profile.display())))?;
    Counts::new(&printed, &text)
        .map_err(|path| Failure::new(format!("callgrind did not see the path {path:?}")))
}

fn callgrind(program: &Path, profile: &Path) -> Command {
    let mut command = Command::new("valgrind");
    command
        .current_dir(root())
        .args(["--tool=callgrind", "--quiet"])
        // Each line by itself, which is easier to read.
        .args(["--compress-strings=no", "--compress-pos=no"])
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(program)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    command
}

/// Where cargo puts what it builds: this program is in `debug/` or the like.
fn target_directory() -> Result<PathBuf, Failure> {
    let program = std::env::current_exe().ok();
    program
        .and_then(|path| path.ancestors().nth(2).map(Path::to_path_buf))
        .ok_or_else(|| Failure::new("this program cannot find itself"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_budgets_can_be_read() {
        let text = fs::read_to_string(root().join(BUDGETS)).unwrap();
        let budgets = Budgets::parse(&text).unwrap();
        assert_eq!(budgets.to_string(), text, "as --write would write them");
    }

    fn judged(toolchain: &str, printed: &str, instructions: u64) -> Result<(), Failure> {
        let text = "rustc: one\n\nupdate_handle 100.0\n";
        let budgets = Budgets::parse(text).unwrap();
        let profile = format!(
            "fn=hot_paths::path::change::update_handle\n\
             cfn=hot_paths::counted\ncalls=1 0\n0 {instructions}\n"
        );
        let counts = Counts::new(printed, &profile).unwrap();
        judge(&budgets, &Toolchain::of("rustc", toolchain), &counts)
    }

    #[test]
    fn five_percent_are_forgiven_and_no_more() {
        let printed = "update_handle 1000\n";
        assert!(judged("one", printed, 104_900).is_ok());
        let message = judged("one", printed, 105_100).unwrap_err().to_string();
        assert!(message.contains("update_handle"), "{message}");
        assert!(message.contains("--write"), "{message}");
    }

    #[test]
    fn another_compiler_only_warns() {
        assert!(judged("two", "update_handle 1000\n", 200_000).is_ok());
    }

    #[test]
    fn a_path_that_is_gone_is_an_error_whatever_the_compiler() {
        for toolchain in ["one", "two"] {
            let message = judged(toolchain, "", 1).unwrap_err().to_string();
            assert!(message.contains("update_handle"), "{message}");
        }
    }
}
