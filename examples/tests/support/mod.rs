//! What the tests share: programs run as a user runs them.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test has this module, and not each uses all of it"
)]

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// Far more than anything here takes on a busy machine, and under memcheck if
/// `cargo xtask valgrind` says that it is there.
pub fn limit() -> Duration {
    let factor = std::env::var("VIRT_EVENT_SLOWER");
    let factor = factor.ok().and_then(|factor| factor.parse().ok());
    Duration::from_secs(60) * factor.unwrap_or(1)
}

/// Takes nothing: every write fails.
pub fn full() -> Stdio {
    File::options()
        .write(true)
        .open("/dev/full")
        .unwrap()
        .into()
}

/// A running program; killed if the test ends before it does.
pub struct Program {
    child: Child,
    stdout: Receiver<Vec<u8>>,
    stderr: Receiver<Vec<u8>>,
    /// What has been taken out of `stdout`, and not by the test.
    printed: Vec<u8>,
    /// What has been taken out of `stderr` so far.
    seen: Vec<u8>,
}

impl Program {
    pub fn spawn(path: &str, arguments: &[&str], stdout: Stdio, stderr: Stdio) -> Self {
        let mut child = Command::new(path)
            .args(arguments)
            // The messages of libvirt and of the system are compared.
            .env("LC_ALL", "C")
            // No test here may start a daemon.
            .env("LIBVIRT_AUTOSTART", "0")
            // What a program opens that is told no URI.
            .env("LIBVIRT_DEFAULT_URI", "test:///default")
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .unwrap();
        Self {
            stdout: collect(child.stdout.take()),
            stderr: collect(child.stderr.take()),
            child,
            printed: Vec::new(),
            seen: Vec::new(),
        }
    }

    /// Takes the next line of stdout.
    pub fn next_line(&mut self) -> String {
        let deadline = Instant::now() + limit();
        loop {
            if let Some(end) = self.printed.iter().position(|&byte| byte == b'\n') {
                let line: Vec<_> = self.printed.drain(..=end).collect();
                return text(&line[..end]);
            }
            match self.stdout.recv_timeout(remaining(deadline)) {
                Ok(bytes) => self.printed.extend(bytes),
                Err(error) => panic!("no line ({error}): {}", text(&self.printed)),
            }
        }
    }

    /// Waits until stderr contains `words`.
    pub fn wait_for_stderr(&mut self, words: &str) {
        let deadline = Instant::now() + limit();
        while !text(&self.seen).contains(words) {
            match self.stderr.recv_timeout(remaining(deadline)) {
                Ok(bytes) => self.seen.extend(bytes),
                Err(error) => panic!("no `{words}` ({error}): {}", text(&self.seen)),
            }
        }
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("sh")
            .arg("-c")
            .arg(format!("kill -{name} {}", self.child.id()))
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Waits for the end. Both streams end with the process.
    pub fn output(mut self) -> Output {
        let deadline = Instant::now() + limit();
        let stdout = rest(&self.stdout, std::mem::take(&mut self.printed), deadline);
        let stderr = rest(&self.stderr, std::mem::take(&mut self.seen), deadline);
        Output {
            status: self.child.wait().unwrap(),
            stdout,
            stderr,
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Fails if it has ended, as it should have.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a stream on a thread, so that waiting for it can have a deadline.
fn collect(stream: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let Some(mut stream) = stream else { return };
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            if sender.send(buffer[..count].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}

fn rest(stream: &Receiver<Vec<u8>>, mut bytes: Vec<u8>, deadline: Instant) -> Vec<u8> {
    loop {
        match stream.recv_timeout(remaining(deadline)) {
            Ok(more) => bytes.extend(more),
            Err(RecvTimeoutError::Disconnected) => return bytes,
            Err(RecvTimeoutError::Timeout) => panic!("it does not end: {}", text(&bytes)),
        }
    }
}

/// Accepts one connection, or panics after the limit.
pub fn accept(listener: &UnixListener) -> UnixStream {
    listener.set_nonblocking(true).unwrap();
    let deadline = Instant::now() + limit();
    loop {
        match listener.accept() {
            Ok((stream, _)) => return stream,
            Err(error) if Instant::now() > deadline => panic!("nobody connects: {error}"),
            Err(_) => thread::sleep(Duration::from_millis(1)),
        }
    }
}

fn remaining(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Removed with its contents when dropped.
pub struct TemporaryDirectory(PathBuf);

impl TemporaryDirectory {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("virt-event-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
