//! The program on a terminal of its own.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::process::{Child, Command};

use rustix::process::{Pid, Signal, kill_process};

use super::PseudoTerminal;
use crate::program::program;
use crate::rig::wait_until;

/// Runs the program and says with what status it ended. It reads a line before
/// it ends, since the terminal hangs up with it, and its modes are gone then.
///
/// The trap keeps Ctrl-C to the program.
const SHELL: &str = "trap : INT; \"$@\"; printf 'status=%s\\n' $?; read -r line";

/// A `console` on a terminal that controls its session, below a shell that
/// outlives it. Killed when dropped.
#[derive(Debug)]
pub struct OnTerminal {
    /// What the user sees and types on.
    pub terminal: PseudoTerminal,
    modes_before: String,
    shell: Child,
    console: Pid,
}

impl OnTerminal {
    /// Starts `console` with these arguments.
    ///
    /// # Errors
    ///
    /// - It cannot be started, or does not build.
    pub fn start<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> io::Result<Self> {
        let terminal = PseudoTerminal::open()?;
        let modes_before = terminal.modes();
        let shell = Command::new("setsid")
            .args(["--ctty", "sh", "-c", SHELL, "sh"])
            .arg(program("console"))
            .args(arguments)
            .env("LC_ALL", "C")
            .env("LIBVIRT_AUTOSTART", "0")
            .stdin(terminal.slave()?)
            .stdout(terminal.slave()?)
            .stderr(terminal.slave()?)
            .spawn()?;
        let mut console = None;
        let started = wait_until("console starts", || {
            console = child_named_console(shell.id());
            console.is_some()
        });
        let mut own = Self {
            terminal,
            modes_before,
            shell,
            // Never used if there is none.
            console: console.unwrap_or(Pid::INIT),
        };
        match started {
            Ok(()) => Ok(own),
            Err(late) => {
                own.kill();
                Err(io::Error::other(late))
            }
        }
    }

    /// Sends the program, and only that, a signal.
    ///
    /// # Panics
    ///
    /// - It has ended.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.console, signal).expect("console runs");
    }

    /// The number of the program's process.
    pub fn pid(&self) -> Pid {
        self.console
    }

    /// Whether the terminal's modes are what they were before the program.
    pub fn is_restored(&self) -> bool {
        self.terminal.modes() == self.modes_before
    }

    /// Waits for the program's end; its status, and what it printed before.
    ///
    /// # Panics
    ///
    /// - It does not end, or has left the terminal in other modes.
    pub fn end(mut self) -> (u8, String) {
        let before = self.terminal.wait_for(b"status=");
        let status = self.terminal.wait_for(b"\n");
        let status = String::from_utf8_lossy(&status).trim().parse();
        assert_eq!(self.terminal.modes(), self.modes_before);
        let before = String::from_utf8_lossy(&before).into_owned();
        (status.expect("a number"), before)
    }

    fn kill(&mut self) {
        // Both fail if they have ended.
        if self.console != Pid::INIT {
            let is_own = child_named_console(self.shell.id()) == Some(self.console);
            let _ = is_own.then(|| kill_process(self.console, Signal::KILL));
        }
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The process that the shell has started, once it is the program.
fn child_named_console(shell: u32) -> Option<Pid> {
    let children = fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).ok()?;
    let child = children.split_whitespace().next()?.parse().ok()?;
    let name = fs::read_to_string(format!("/proc/{child}/comm")).ok()?;
    (name.trim() == "console")
        .then(|| Pid::from_raw(child))
        .flatten()
}
