//! The program without a terminal.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::program::program;
use crate::rig::wait_until;

/// A `console` that reads from what it is given and prints into files. Killed
/// when dropped.
#[derive(Debug)]
pub struct Piped {
    child: Child,
    directory: tempfile::TempDir,
}

/// How it ended, and what it printed.
#[derive(Debug)]
pub struct Ended {
    /// Of the program.
    pub status: ExitStatus,
    /// All of stdout.
    pub stdout: Vec<u8>,
    /// All of stderr.
    pub stderr: String,
}

impl Piped {
    /// Starts `console` with these arguments.
    ///
    /// # Errors
    ///
    /// - It cannot be started, or does not build.
    pub fn start<A: AsRef<OsStr>>(
        arguments: impl IntoIterator<Item = A>,
        stdin: impl Into<Stdio>,
    ) -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        let child = Command::new(program("console"))
            .args(arguments)
            .env("LC_ALL", "C")
            .env("LIBVIRT_AUTOSTART", "0")
            .stdin(stdin)
            .stdout(File::create(directory.path().join("stdout"))?)
            .stderr(File::create(directory.path().join("stderr"))?)
            .spawn()?;
        Ok(Self { child, directory })
    }

    /// What it reads from, if that is a pipe.
    pub fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// What it has printed on stdout so far.
    pub fn stdout(&self) -> Vec<u8> {
        fs::read(self.directory.path().join("stdout")).unwrap_or_default()
    }

    /// What it has printed on stderr so far.
    pub fn stderr(&self) -> String {
        let bytes = fs::read(self.directory.path().join("stderr")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Sends it a signal.
    ///
    /// # Panics
    ///
    /// - There is no such process.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("console runs");
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// - It does not end.
    pub fn end(mut self) -> Result<Ended, Box<dyn std::error::Error>> {
        let mut status = None;
        wait_until("console ends", || {
            status = self.child.try_wait().ok().flatten();
            status.is_some()
        })?;
        Ok(Ended {
            status: status.ok_or("no status")?,
            stdout: self.stdout(),
            stderr: self.stderr(),
        })
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        // Fails if it has ended, as it should have.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
