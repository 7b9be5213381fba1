//! The program `lifecycle`, run as a user runs it.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// Far more than anything here takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

const DRAINED: &str = "drained: 0 handles, 0 timers left\n";

#[test]
fn the_scenario_shows_its_four_events_and_leaves_nothing() {
    let loops = ["builtin", "mio", "tokio", "calloop", "glib"];
    let chosen = loops.iter().map(|name| vec!["--loop", name]);
    for arguments in chosen.chain([vec![]]) {
        let output = Lifecycle::start(&arguments).output();
        assert_eq!(
            text(&output.stdout),
            format!(
                "test: suspended (paused)\n\
                 test: resumed (unpaused)\n\
                 test: stopped (destroyed)\n\
                 test: started (booted)\n\
                 {DRAINED}"
            )
        );
        assert_eq!(text(&output.stderr), "");
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn interrupting_what_follows_a_uri_drains() {
    let interrupted = [
        ("INT", "builtin"),
        ("TERM", "builtin"),
        ("INT", "mio"),
        ("INT", "tokio"),
        ("INT", "calloop"),
        ("INT", "glib"),
    ];
    for (signal, name) in interrupted {
        let arguments = ["--uri", "test:///default", "--loop", name];
        let mut lifecycle = Lifecycle::start(&arguments);
        lifecycle.wait_for_stderr("following test:///default");
        lifecycle.signal(signal);
        let output = lifecycle.output();
        assert_eq!(text(&output.stdout), DRAINED);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
}

#[test]
fn interrupting_a_connection_that_does_not_open_ends_at_once() {
    // A daemon that accepts and never answers: opening would take for ever.
    let directory = TemporaryDirectory::new("silent");
    let socket = directory.0.join("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    let uri = format!("test+unix:///default?socket={}", socket.display());
    let lifecycle = Lifecycle::start(&["--uri", &uri]);
    let _accepted = accept(&listener);
    lifecycle.signal("INT");
    let output = lifecycle.output();
    assert_eq!(
        text(&output.stderr),
        "lifecycle: interrupted while opening the connection\n"
    );
    assert_eq!(output.status.code(), Some(130));
}

#[test]
fn libvirts_message_is_printed_once() {
    let nowhere = TemporaryDirectory::new("refused").0.join("socket");
    let refused = format!("test+unix:///default?socket={}", nowhere.display());
    for (uri, words) in [
        ("test://[", "Unable to parse URI test://["),
        (refused.as_str(), "Failed to connect socket"),
    ] {
        let output = Lifecycle::start(&["--uri", uri]).output();
        let stderr = text(&output.stderr);
        assert!(stderr.contains(words), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert_eq!(text(&output.stdout), "");
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn a_bad_option_is_named() {
    for (arguments, words) in [
        (&["--loop", "qt"][..], "`--loop qt`"),
        (&["--url", "x"], "--url"),
        (&["--uri"], "`--uri` needs a value"),
    ] {
        let output = Lifecycle::start(arguments).output();
        let stderr = text(&output.stderr);
        assert!(stderr.contains(words), "{stderr}");
        assert!(stderr.contains("--help"), "{stderr}");
        assert_eq!(output.status.code(), Some(2));
    }
}

#[test]
fn help_is_printed_to_stdout() {
    let output = Lifecycle::start(&["--help"]).output();
    assert!(text(&output.stdout).starts_with("Usage: lifecycle"));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_reader_that_went_away_is_no_error() {
    let (reader, writer) = UnixStream::pair().unwrap();
    drop(reader);
    let output =
        Lifecycle::start_into(&[], Stdio::from(std::os::fd::OwnedFd::from(writer))).output();
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn output_that_is_lost_is_an_error() {
    let output = Lifecycle::start_into(&[], full()).output();
    assert!(text(&output.stderr).contains("No space left"));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn help_that_is_lost_is_an_error() {
    let output = Lifecycle::start_into(&["--help"], full()).output();
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_stderr_that_takes_nothing_changes_no_status() {
    for (arguments, status) in [
        (&["--url", "x"][..], 2),
        (&["--uri", "test://["], 1),
        (&[], 0),
    ] {
        let output = Lifecycle::spawn(arguments, Stdio::piped(), full()).output();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}");
    }
}

/// Takes nothing: every write fails.
fn full() -> Stdio {
    File::options()
        .write(true)
        .open("/dev/full")
        .unwrap()
        .into()
}

/// A running `lifecycle`; killed if the test ends before it does.
struct Lifecycle {
    child: Child,
    stdout: Receiver<Vec<u8>>,
    stderr: Receiver<Vec<u8>>,
    /// What has been taken out of `stderr` so far.
    seen: Vec<u8>,
}

impl Lifecycle {
    fn start(arguments: &[&str]) -> Self {
        Self::start_into(arguments, Stdio::piped())
    }

    fn start_into(arguments: &[&str], stdout: Stdio) -> Self {
        Self::spawn(arguments, stdout, Stdio::piped())
    }

    fn spawn(arguments: &[&str], stdout: Stdio, stderr: Stdio) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_lifecycle"))
            .args(arguments)
            // The messages of libvirt and of the system are compared.
            .env("LC_ALL", "C")
            // No test here may start a daemon.
            .env("LIBVIRT_AUTOSTART", "0")
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .unwrap();
        Self {
            stdout: collect(child.stdout.take()),
            stderr: collect(child.stderr.take()),
            child,
            seen: Vec::new(),
        }
    }

    /// Waits until stderr contains `words`.
    fn wait_for_stderr(&mut self, words: &str) {
        let deadline = Instant::now() + LIMIT;
        while !text(&self.seen).contains(words) {
            match self.stderr.recv_timeout(remaining(deadline)) {
                Ok(bytes) => self.seen.extend(bytes),
                Err(error) => panic!("no `{words}` ({error}): {}", text(&self.seen)),
            }
        }
    }

    fn signal(&self, name: &str) {
        let status = Command::new("sh")
            .arg("-c")
            .arg(format!("kill -{name} {}", self.child.id()))
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Waits for the end. Both streams end with the process.
    fn output(mut self) -> Output {
        let deadline = Instant::now() + LIMIT;
        let stdout = rest(&self.stdout, Vec::new(), deadline);
        let stderr = rest(&self.stderr, std::mem::take(&mut self.seen), deadline);
        Output {
            status: self.child.wait().unwrap(),
            stdout,
            stderr,
        }
    }
}

impl Drop for Lifecycle {
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
            Err(RecvTimeoutError::Timeout) => panic!("lifecycle does not end: {}", text(&bytes)),
        }
    }
}

/// Accepts one connection, or panics after the limit.
fn accept(listener: &UnixListener) -> UnixStream {
    listener.set_nonblocking(true).unwrap();
    let deadline = Instant::now() + LIMIT;
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

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Removed with its contents when dropped.
struct TemporaryDirectory(PathBuf);

impl TemporaryDirectory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("virt-event-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
