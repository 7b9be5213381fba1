//! What the guests boot from.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use super::RigError;
use super::program::{ASSEMBLER, LINKER, Program};

/// A boot sector: it says READY on the first serial port and echoes.
const SOURCE: &str = include_str!("../../guest/echo.S");

/// Two threads of one test may want the image at once.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Makes sure that the image is at `path`.
pub(super) fn ensure(path: &Path) -> Result<(), RigError> {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    if path.is_file() {
        return Ok(());
    }
    let object = path.with_extension("o");
    let linked = path.with_extension("linked");
    run(ASSEMBLER, &["--32", "-o"], &[&object, Path::new("-")])?;
    run(
        LINKER,
        &[
            "-m",
            "elf_i386",
            "-Ttext",
            "0x7c00",
            "--oformat",
            "binary",
            "-o",
        ],
        &[&linked, &object],
    )?;
    fs::rename(&linked, path).map_err(RigError::system(format!("make {}", path.display())))
}

/// Runs a program with the source on its standard input.
fn run(program: Program, options: &[&str], files: &[&Path]) -> Result<(), RigError> {
    let path = program.path()?;
    let cannot = || format!("run {}", path.display());
    let mut child = Command::new(&path)
        .args(options)
        .args(files)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(RigError::system(cannot()))?;
    // The linker does not read it, and may be gone by now.
    let _ = child
        .stdin
        .take()
        .map(|mut input| input.write_all(SOURCE.as_bytes()));
    let output = child
        .wait_with_output()
        .map_err(RigError::system(cannot()))?;
    if !output.status.success() {
        return Err(RigError::Failed {
            what: format!("{} ended with {}", path.display(), output.status),
            printed: String::from_utf8_lossy(&output.stderr).into_owned(),
        });
    }
    Ok(())
}
