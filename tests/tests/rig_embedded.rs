//! The driver for QEMU inside the test's process: one for each process, hence
//! each test in one.

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use virt::connect::Connect;
use virt_event_loop::EventLoop;
use virt_event_tests::rig::{Embedded, Guest, RigError};

#[test]
fn a_guest_is_created_and_destroyed() -> Result<(), RigError> {
    Embedded::play("a_guest_is_created_and_destroyed", |embedded| {
        let event_loop = EventLoop::install().unwrap().spawn().unwrap();
        let connection = Connect::open(Some(&embedded.uri())).unwrap();
        let guest = Guest::create_paused(&connection, embedded.guests(), "guest").unwrap();
        let process = guest.process().unwrap();
        guest.domain().destroy().unwrap();
        assert!(process.has_ended());
        drop((guest, connection));
        drop(event_loop.stop().unwrap());
    })
}

/// See `all_goes_well_without_user_namespaces` of the test `rig`. The program
/// has to be where others than root can reach it, so it is copied there.
#[test]
fn a_guest_is_created_without_user_namespaces() -> Result<(), Box<dyn std::error::Error>> {
    let elsewhere = tempfile::tempdir()?;
    fs::set_permissions(elsewhere.path(), Permissions::from_mode(0o755))?;
    let program = env::current_exe()?;
    let copy = elsewhere.path().join("test");
    fs::copy(&program, &copy)?;
    let supervisor = "rig-supervisor";
    let built = program.ancestors().nth(2).expect("cargo's directories");
    fs::copy(built.join(supervisor), elsewhere.path().join(supervisor))?;
    let output = Command::new(copy)
        .args(["a_guest_is_created_and_destroyed", "--exact", "--nocapture"])
        .env("VIRT_EVENT_RIG_NO_NAMESPACES", "")
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(said.contains("1 passed"), "{said}");
    Ok(())
}

#[test]
fn a_scene_that_leaves_a_guest_behind() -> Result<(), RigError> {
    Embedded::play("a_scene_that_leaves_a_guest_behind", |embedded| {
        let event_loop = EventLoop::install().unwrap().spawn().unwrap();
        let connection = Connect::open(Some(&embedded.uri())).unwrap();
        let guest = Guest::create_paused(&connection, embedded.guests(), "guest").unwrap();
        std::mem::forget((guest, event_loop));
    })
}

#[test]
fn a_scene_that_panics_is_an_error_with_what_it_printed() {
    let test = "a_scene_that_panics_is_an_error_with_what_it_printed";
    let played = Embedded::play(test, |_| panic!("on purpose"));
    let error = played.unwrap_err().to_string();
    assert!(error.contains("on purpose"), "{error}");
}

#[test]
fn a_name_without_a_test_is_an_error() {
    let error = Embedded::play("no_such_test", |_| {}).unwrap_err();
    assert!(error.to_string().contains("there is no test no_such_test"));
}
