//! What the program tells the user while the guest has the terminal.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::endpoint::Endpoint;
use super::relay::Relay;
use super::terminal::Terminal;

/// How long a message waits for a stderr that takes nothing.
const LIMIT: Duration = Duration::from_secs(1);

/// Tells things on stderr.
pub struct Notices {
    /// None where stderr cannot be written: there is nowhere left to tell that.
    stderr: Option<Endpoint>,
    /// Stderr is the terminal that stdout is, so both go one way, in order.
    through: Option<Arc<Relay>>,
    terminal: Option<Arc<Terminal>>,
}

impl Notices {
    /// Told through `relay` where that writes to the same terminal.
    pub fn new(relay: &Arc<Relay>, terminal: Option<Arc<Terminal>>) -> Self {
        let stderr = Endpoint::writer(io::stderr()).ok();
        let is_stdout =
            (stderr.as_ref()).is_some_and(|stderr| stderr.is_same_device(relay.stdout()));
        Self {
            through: is_stdout.then(|| Arc::clone(relay)),
            stderr,
            terminal,
        }
    }

    /// Shows `[words]` on a line of its own. Not for the loop's thread: it waits
    /// a little for a stderr that is not the guest's terminal.
    pub fn tell(&self, words: impl fmt::Display) {
        let is_raw = self
            .terminal
            .as_ref()
            .is_some_and(|terminal| terminal.is_raw());
        let Some(stderr) = &self.stderr else { return };
        let line = if is_raw && stderr.is_terminal() {
            format!("\r\n[{words}]\r\n")
        } else {
            format!("[{words}]\n")
        };
        match &self.through {
            Some(relay) => relay.interject(&line),
            None => write(stderr, &line),
        }
    }
}

/// Tells the person at the terminal, after the end of everything else. A stderr
/// that takes nothing for a second is not told.
pub fn say(line: fmt::Arguments<'_>) {
    if let Ok(stderr) = Endpoint::writer(io::stderr()) {
        write(&stderr, &format!("{line}\n"));
    }
}

fn write(stderr: &Endpoint, text: &str) {
    let began = Instant::now();
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match stderr.write(rest) {
            Ok(Some(count)) => rest = &rest[count..],
            Ok(None) if began.elapsed() < LIMIT => stderr.wait_writable(LIMIT),
            _ => return,
        }
    }
}
