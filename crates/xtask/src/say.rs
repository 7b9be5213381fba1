//! What the person at the terminal is told.

/// Writes a line to stderr, as `eprintln!` does, but does not panic where
/// stderr is closed or full: the exit status still says what happened.
macro_rules! say {
    ($($argument:tt)*) => {{
        use std::io::Write as _;
        if cfg!(test) {
            // Only this is captured by the test harness.
            eprintln!($($argument)*);
        } else {
            // There is nowhere left to report a failure.
            let _ = writeln!(std::io::stderr(), $($argument)*);
        }
    }};
}

pub(crate) use say;
