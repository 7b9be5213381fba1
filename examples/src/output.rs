//! What a program prints, and to whom.

use std::error::Error;
use std::fmt;
use std::io::{self, Write};

/// Prints to stdout at once, also into a pipe.
///
/// # Errors
///
/// - It cannot be written. If that [is a broken pipe](is_broken_pipe), the
///   program has no more to do.
pub fn print(text: fmt::Arguments<'_>) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_fmt(text)?;
    stdout.flush()
}

/// Tells the person at the terminal. Unlike `eprintln!` it does not panic where
/// stderr is closed or full: there is nowhere left to report that.
pub fn say(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Whether nobody reads our output any more, as after `| head -1`.
pub fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
