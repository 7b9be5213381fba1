//! How the program ends: what it says, its status, and not too late.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use signal_hook::low_level;

use super::notices::say;
use crate::Failure;
use crate::interrupt::{self, Interrupted};
use crate::output::is_broken_pipe;

/// How long closing may take.
const CLOSING_LIMIT: Duration = Duration::from_secs(5);

/// Says what went wrong, if anything, and gives the exit status.
pub fn conclude(result: &Result<(), Failure>) -> u8 {
    let Some((words, status)) = verdict(result) else {
        return 0;
    };
    say(format_args!("console: {words}"));
    status
}

fn verdict(result: &Result<(), Failure>) -> Option<(String, u8)> {
    match result {
        Ok(()) => None,
        // Nobody reads our output any more, as after `| head -1`.
        Err(error) if is_broken_pipe(&**error) => None,
        Err(error) if error.is::<Interrupted>() => {
            Some((error.to_string(), interrupt::EXIT_STATUS))
        }
        Err(error) => Some((error.to_string(), 1)),
    }
}

/// Ends the process when closing takes too long, unless it is dropped before.
///
/// To close a stream libvirt waits for the daemon, and the daemon, if it has
/// input that the guest does not take, waits for the guest. The kernel closes
/// the connection as well, and then the daemon closes the rest.
#[must_use = "dropping it lifts the limit"]
#[derive(Debug)]
pub struct ClosingLimit(
    #[expect(dead_code, reason = "dropping it says that all is closed")] Sender<()>,
);

impl ClosingLimit {
    /// From now on, for a program that ends with `result`. The terminal must
    /// have been restored.
    ///
    /// # Errors
    ///
    /// - There are no threads left.
    pub fn start(result: &Result<(), Failure>) -> io::Result<Self> {
        let verdict = verdict(result);
        let (sender, closed) = mpsc::channel::<()>();
        thread::Builder::new()
            .name("closing limit".to_owned())
            .spawn(move || {
                if closed.recv_timeout(CLOSING_LIMIT) == Err(RecvTimeoutError::Timeout) {
                    let (words, status) =
                        verdict.unwrap_or(("the host is slow to close the console".to_owned(), 0));
                    say(format_args!("console: {words}"));
                    low_level::exit(status.into());
                }
            })?;
        Ok(Self(sender))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_has_its_status() {
        let error = |error: Failure| Err(error);
        let pipe = io::Error::from(io::ErrorKind::BrokenPipe);
        for (result, status) in [
            (Ok(()), None),
            (error(pipe.into()), None),
            (error(Interrupted.into()), Some(130)),
            (error("the connection is lost".into()), Some(1)),
        ] {
            assert_eq!(verdict(&result).map(|(_, status)| status), status);
        }
    }
}
