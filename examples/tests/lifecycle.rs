//! The program `lifecycle`, run as a user runs it.

mod support;

use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Stdio;

use support::{Program, TemporaryDirectory, accept, full, text};

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
    let socket = directory.path().join("socket");
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
    let nowhere = TemporaryDirectory::new("refused").path().join("socket");
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

/// The program, started.
struct Lifecycle;

impl Lifecycle {
    fn start(arguments: &[&str]) -> Program {
        Self::start_into(arguments, Stdio::piped())
    }

    fn start_into(arguments: &[&str], stdout: Stdio) -> Program {
        Self::spawn(arguments, stdout, Stdio::piped())
    }

    fn spawn(arguments: &[&str], stdout: Stdio, stderr: Stdio) -> Program {
        Program::spawn(env!("CARGO_BIN_EXE_lifecycle"), arguments, stdout, stderr)
    }
}
