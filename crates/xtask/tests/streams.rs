//! `xtask` with streams that nobody reads or that are full.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

fn xtask(command: &str, stdout: Stdio, stderr: Stdio) -> Option<i32> {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg(command)
        .stdout(stdout)
        .stderr(stderr)
        .status()
        .unwrap()
        .code()
}

fn full() -> Stdio {
    File::options()
        .write(true)
        .open("/dev/full")
        .unwrap()
        .into()
}

/// The writing end of something whose reader went away.
fn unread() -> Stdio {
    let (reader, writer) = UnixStream::pair().unwrap();
    drop(reader);
    OwnedFd::from(writer).into()
}

#[test]
fn a_reader_of_the_help_that_went_away_is_no_error() {
    let (mut reader, writer) = UnixStream::pair().unwrap();
    let stderr = OwnedFd::from(writer).into();
    assert_eq!(xtask("help", unread(), stderr), Some(0));
    assert_eq!(std::io::read_to_string(&mut reader).unwrap(), "");
}

#[test]
fn help_that_is_lost_is_an_error() {
    assert_eq!(xtask("help", full(), Stdio::null()), Some(1));
}

#[test]
fn the_status_survives_a_stderr_that_takes_nothing() {
    assert_eq!(xtask("bogus", Stdio::null(), full()), Some(2));
    assert_eq!(xtask("bogus", Stdio::null(), unread()), Some(2));
    assert_eq!(xtask("help", full(), full()), Some(1));
}
