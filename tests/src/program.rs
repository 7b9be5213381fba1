//! The example programs, built, and run as a user runs them.

use std::env;
use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::rig::{RigError, patience, wait_until};

/// Where the example program `name` is. The first call builds all of them,
/// because cargo builds the programs of a test's own package only, and where
/// somebody else has built them, they may be old.
///
/// # Panics
///
/// - They do not build. Cargo has said why on stderr.
pub fn program(name: &str) -> PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(build).join(name)
}

fn build() -> PathBuf {
    // TARGET/PROFILE/deps/TEST
    let test = env::current_exe().expect("the path of this test");
    let profile = test.ancestors().nth(2).expect("cargo's directories");
    let target = profile.parent().expect("cargo's directories");
    let name = match profile.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let status = Command::new(env::var_os("CARGO").expect("run by cargo"))
        .args(["build", "--quiet", "--locked", "--profile", name])
        .args(["--package", "virt-event-examples", "--bins"])
        .arg("--target-dir")
        .arg(target)
        .status()
        .expect("cargo build");
    assert!(status.success(), "cargo build: {status}");
    profile.to_owned()
}

/// A running program, whose output is read line by line. Killed when dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    stdout: Lines,
    stderr: Lines,
}

impl Program {
    /// Starts the example program `name`.
    ///
    /// # Errors
    ///
    /// - It cannot be started.
    pub fn start<A: AsRef<OsStr>>(
        name: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> io::Result<Self> {
        let mut child = Command::new(program(name))
            .args(arguments)
            // The messages of libvirt and of the system are compared.
            .env("LC_ALL", "C")
            .env("LIBVIRT_AUTOSTART", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        Ok(Self {
            stdout: Lines::of("stdout", child.stdout.take()),
            stderr: Lines::of("stderr", child.stderr.take()),
            child,
        })
    }

    /// What it prints.
    pub fn stdout(&mut self) -> &mut Lines {
        &mut self.stdout
    }

    /// What it tells the user.
    pub fn stderr(&mut self) -> &mut Lines {
        &mut self.stderr
    }

    /// Sends it a signal.
    ///
    /// # Panics
    ///
    /// - It has ended.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// - It does not end.
    pub fn end(mut self) -> Result<Ended, RigError> {
        let mut status = None;
        wait_until("the program ends", || {
            status = self.child.try_wait().ok().flatten();
            status.is_some()
        })?;
        Ok(Ended {
            status: status.expect("it was waited for"),
            stdout: self.stdout.rest(),
            stderr: self.stderr.rest(),
        })
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Fails if it has ended, as it should have.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a program ended, and what it printed that was not taken before.
#[derive(Debug)]
pub struct Ended {
    /// Its status.
    pub status: ExitStatus,
    /// The rest of stdout.
    pub stdout: Vec<String>,
    /// The rest of stderr.
    pub stderr: Vec<String>,
}

/// One of a program's outputs. It is read by a thread, so that waiting for it
/// can have a deadline.
#[derive(Debug)]
pub struct Lines {
    name: &'static str,
    lines: Receiver<String>,
    /// For the error.
    last: String,
}

impl Lines {
    fn of(name: &'static str, output: Option<impl Read + Send + 'static>) -> Self {
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let Some(output) = output else { return };
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            name,
            lines,
            last: String::new(),
        }
    }

    /// The next line, if it comes in time.
    pub fn within(&mut self, time: Duration) -> Option<String> {
        self.lines.recv_timeout(time).ok()
    }

    /// Takes lines until there is one with `words` in it; that one.
    ///
    /// # Panics
    ///
    /// - There is none.
    pub fn wait_for(&mut self, words: &str) -> String {
        let began = Instant::now();
        loop {
            match self
                .lines
                .recv_timeout(patience().saturating_sub(began.elapsed()))
            {
                Ok(line) if line.contains(words) => return line,
                Ok(line) => self.last = line,
                Err(error) => panic!(
                    "no `{words}` on {} ({error}); the last line was `{}`",
                    self.name, self.last
                ),
            }
        }
    }

    /// All that is left, after the end of the program.
    fn rest(&mut self) -> Vec<String> {
        let began = Instant::now();
        let mut lines = Vec::new();
        loop {
            match self
                .lines
                .recv_timeout(patience().saturating_sub(began.elapsed()))
            {
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Disconnected) => return lines,
                Err(RecvTimeoutError::Timeout) => panic!("{} stays open: {lines:?}", self.name),
            }
        }
    }
}
