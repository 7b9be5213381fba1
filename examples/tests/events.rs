//! The program `events`, run as a user runs it. That it shows events is looked
//! at in `tests/tests/programs.rs`, since those of `test:///default` stay in
//! their process.

mod support;

use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Stdio;

use virt_event_monitor::EventKind;

use support::{Program, TemporaryDirectory, accept, full, text};

const LOOPS: [&str; 5] = ["builtin", "mio", "tokio", "calloop", "glib"];

#[test]
fn the_list_has_a_line_for_each_kind() {
    let output = events(&["--list"]).output();
    let printed = text(&output.stdout);
    let names: Vec<_> = printed
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let kinds: Vec<_> = EventKind::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(names, kinds);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn an_interrupt_ends_it_in_order() {
    for name in LOOPS {
        for signal in ["INT", "TERM"] {
            let mut events = events(&["--uri", "test:///default", "--loop", name]);
            events.wait_for_stderr("following `test:///default`");
            events.signal(signal);
            let output = events.output();
            assert_eq!(text(&output.stdout), "");
            assert_eq!(output.status.code(), Some(0), "{output:?}");
        }
    }
}

#[test]
fn an_interrupt_before_the_count_is_told_apart() {
    let mut events = events(&["--uri", "test:///default", "--count", "1"]);
    events.wait_for_stderr("following");
    events.signal("INT");
    assert_eq!(events.output().status.code(), Some(130));
}

#[test]
fn a_time_in_which_nothing_came_has_a_status() {
    for name in LOOPS {
        let output = events(&[
            "--uri",
            "test:///default",
            "--timeout",
            "0.2",
            "--loop",
            name,
        ])
        .output();
        assert_eq!(text(&output.stdout), "");
        assert_eq!(output.status.code(), Some(3), "{output:?}");
    }
}

#[test]
fn without_a_uri_it_is_libvirts_default() {
    let stderr = follow(&[]);
    assert_eq!(
        stderr,
        "events: following libvirt's default URI until Ctrl-C\n"
    );
}

#[test]
fn of_all_kinds_those_that_are_not_reported_are_left_out_with_a_note() {
    let stderr = follow(&["--all"]);
    let left_out: Vec<_> = stderr
        .lines()
        .filter(|line| line.contains("left out"))
        .collect();
    assert_eq!(left_out.len(), 2, "{stderr}");
    assert!(left_out[0].contains("`secret-lifecycle`"), "{stderr}");
    assert!(left_out[1].contains("`secret-value-changed`"), "{stderr}");
}

#[test]
fn a_named_kind_that_is_not_reported_is_an_error() {
    let output = events(&["--kind", "secret-lifecycle", "--kind", "lifecycle"]).output();
    let stderr = text(&output.stderr);
    assert!(
        stderr.starts_with("events: cannot subscribe to `secret-lifecycle`: "),
        "{stderr}"
    );
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_domain_is_found_by_name_uuid_and_id() {
    for domain in ["test", "6695eb01-f6a4-8304-79aa-97f2502e193f", "1"] {
        // Of what happens to a domain, everything is reported.
        let stderr = follow(&["--domain", domain, "--all"]);
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}

#[test]
fn a_domain_that_is_not_there_is_an_error() {
    for domain in ["nobody", "7", "6695eb01-f6a4-8304-79aa-97f2502e1930"] {
        let output = events(&["--domain", domain]).output();
        let stderr = text(&output.stderr);
        assert!(
            stderr.contains(&format!("no domain with the name, UUID or id `{domain}`")),
            "{stderr}"
        );
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn a_bad_option_is_named() {
    for (arguments, words) in [
        (&["--kind", "lifecicle"][..], "`--kind lifecicle`"),
        (&["--loop", "qt"], "`--loop qt`"),
        (&["--count", "0"], "`--count 0`"),
        (&["--url", "x"], "--url"),
    ] {
        let output = events(arguments).output();
        let stderr = text(&output.stderr);
        assert!(stderr.contains(words), "{stderr}");
        assert!(stderr.contains("--help"), "{stderr}");
        assert_eq!(output.status.code(), Some(2));
    }
}

#[test]
fn libvirts_message_is_printed_once() {
    // The first connection is not opened again: the URI may be wrong.
    for arguments in [
        &["--uri", "test://["][..],
        &["--uri=test://[", "--reconnect"],
    ] {
        let output = events(arguments).output();
        let stderr = text(&output.stderr);
        assert!(stderr.contains("cannot open `test://[`: "), "{stderr}");
        assert!(stderr.contains("Unable to parse URI"), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn a_connection_that_does_not_open_can_be_given_up() {
    // A daemon that accepts and never answers: opening would take for ever.
    let directory = TemporaryDirectory::new("mute");
    let socket = directory.path().join("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    let uri = format!("test+unix:///default?socket={}", socket.display());
    for (option, words, status) in [
        (None, "interrupted", 130),
        (Some("--reconnect"), "interrupted", 130),
        (Some("--timeout=0.2"), "timed out", 3),
    ] {
        let arguments: Vec<_> = ["--uri", &uri].into_iter().chain(option).collect();
        let events = events(&arguments);
        let accepted = (status == 130).then(|| accept(&listener));
        if accepted.is_some() {
            events.signal("INT");
        }
        let output = events.output();
        assert_eq!(
            text(&output.stderr),
            format!("events: {words} while opening the connection\n")
        );
        assert_eq!(output.status.code(), Some(status));
    }
}

#[test]
fn help_is_printed_to_stdout() {
    let output = events(&["--help"]).output();
    let printed = text(&output.stdout);
    assert!(printed.starts_with("Usage: events"));
    assert!(printed.lines().all(|line| line.len() <= 80), "{printed}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_reader_that_went_away_is_no_error() {
    let (reader, writer) = UnixStream::pair().unwrap();
    drop(reader);
    let output = spawn(&["--list"], Stdio::from(OwnedFd::from(writer))).output();
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn output_that_is_lost_is_an_error() {
    let output = spawn(&["--list"], full()).output();
    assert!(text(&output.stderr).contains("No space left"));
    assert_eq!(output.status.code(), Some(1));
}

/// Follows until the program misses nothing; what it told the user.
fn follow(arguments: &[&str]) -> String {
    let mut events = events(arguments);
    events.wait_for_stderr("following");
    events.signal("INT");
    let output = events.output();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    text(&output.stderr)
}

fn events(arguments: &[&str]) -> Program {
    spawn(arguments, Stdio::piped())
}

fn spawn(arguments: &[&str], stdout: Stdio) -> Program {
    let program = env!("CARGO_BIN_EXE_events");
    Program::spawn(program, arguments, stdout, Stdio::piped())
}
