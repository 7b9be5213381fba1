//! The peer that asyncio programs have: libvirtaio, of libvirt's own bindings
//! for Python.
//!
//! Its child is a program in Python, which does the same through the same
//! functions, and of which the interpreter is a good part.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use anyhow::{Context, Error, Result, bail};

use crate::workload::Workload;

const PROGRAM: &str = include_str!("libvirtaio.py");

/// The interpreter that the system's packages are for comes first; another one
/// on the PATH may not see them.
const INTERPRETERS: [&str; 2] = ["/usr/bin/python3", "python3"];

/// Whether this machine has it.
///
/// # Errors
///
/// - It has not; the message says what would help.
pub(crate) fn is_there() -> Result<()> {
    interpreter().map(drop)
}

/// Runs the program in the place of this process. Comes back only with an
/// error.
pub(crate) fn replace_this_by(workload: Workload) -> Error {
    match interpreter() {
        Ok(interpreter) => Command::new(interpreter)
            .args(["-c", PROGRAM])
            .arg(workload.to_string())
            .exec()
            .into(),
        Err(error) => error,
    }
}

fn interpreter() -> Result<&'static str> {
    for interpreter in INTERPRETERS {
        // `eventfd` came with Python 3.10.
        let imported = Command::new(interpreter)
            .args(["-c", "import libvirtaio, os; os.eventfd"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        match imported {
            Ok(status) if status.success() => return Ok(interpreter),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(error).with_context(|| format!("{interpreter} cannot be run"));
            }
        }
    }
    bail!(
        "no Python here has libvirtaio (Debian package python3-libvirt; cargo xtask bench installs it)"
    )
}
