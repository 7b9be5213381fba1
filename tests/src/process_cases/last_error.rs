//! F5: libvirt's last error is garbage before it is initialised and reset.

use virt_event_libvirt::InstallError;

use super::broken::{ForgetsLibvirt, HidesTheReason, LooksTooEarly, SaysYes};
use super::registration::{assert_reached, install};
use super::{Installer, ProcessCase, TestLoop, foreign, interpose, process_case};

pub(super) const CASES: &[ProcessCase] = &[
    process_case!(
        f05_install_initialises_before_it_looks,
        "looks too early",
        LooksTooEarly
    ),
    process_case!(
        f05_refusal_initialises_before_it_looks,
        "looks too early",
        LooksTooEarly
    ),
    process_case!(
        f05_default_loop_initialises_before_it_looks,
        "looks too early",
        LooksTooEarly
    ),
    process_case!(
        f05_outward_initialises_before_it_looks,
        "looks too early",
        LooksTooEarly
    ),
    process_case!(
        f05_failed_initialisation_is_an_error,
        "says yes to everybody",
        SaysYes
    ),
    process_case!(
        f05_failed_initialisation_can_be_repeated,
        "does not tell libvirt",
        ForgetsLibvirt
    ),
    process_case!(
        f05_default_loop_reports_libvirts_own_words,
        "hides the reason",
        HidesTheReason
    ),
];

const LOOKS: [&str; 3] = [
    "virGetLastError",
    "virGetLastErrorCode",
    "virGetLastErrorMessage",
];

/// That libvirt was initialised and reset first of all.
fn assert_order() {
    let called = interpose::take_called();
    let first = called.iter().take(2).copied();
    assert!(
        first.eq(["virInitialize", "virResetLastError"]),
        "libvirt's functions were called in this order: {called:?}"
    );
}

fn f05_install_initialises_before_it_looks(installer: &dyn Installer) {
    install(installer);
    assert_order();
}

fn f05_refusal_initialises_before_it_looks(installer: &dyn Installer) {
    foreign::register();
    interpose::take_called();
    let answer = installer.install(TestLoop::new());
    assert!(answer.is_err(), "libvirt has another loop");
    assert_order();
}

fn f05_default_loop_initialises_before_it_looks(installer: &dyn Installer) {
    interpose::fail_next("virEventRegisterDefaultImpl");
    assert!(
        installer.register_default_loop().is_err(),
        "it was told to fail"
    );
    assert_order();
}

fn f05_outward_initialises_before_it_looks(installer: &dyn Installer) {
    foreign::register();
    interpose::take_called();
    assert!(installer.registered().is_some());
    assert_order();
}

fn f05_failed_initialisation_is_an_error(installer: &dyn Installer) {
    interpose::fail_next("virInitialize");
    let rejected = installer
        .install(TestLoop::new())
        .expect_err("libvirt does not work");
    match &rejected.error {
        InstallError::Libvirt(error) => {
            assert!(error.to_string().contains("initialised"), "{error}");
        }
        error => panic!("the wrong reason: {error}"),
    }
    let called = interpose::take_called();
    assert!(
        !called.iter().any(|called| LOOKS.contains(called)),
        "there is nothing to look at yet: {called:?}"
    );
    assert!(virt_event::installed().is_none());
}

fn f05_failed_initialisation_can_be_repeated(installer: &dyn Installer) {
    interpose::fail_next("virInitialize");
    drop(installer.install(TestLoop::new()));
    if virt_event::installed().is_none() {
        assert_reached(&install(installer));
    } else {
        panic!("it was installed in a libvirt that does not work");
    }
}

fn f05_default_loop_reports_libvirts_own_words(installer: &dyn Installer) {
    interpose::fail_next("virEventRegisterDefaultImpl");
    match installer.register_default_loop() {
        Err(InstallError::Libvirt(error)) => {
            // The function that fails in its place leaves the error of a
            // connection to a file that does not exist.
            assert!(
                error.message().contains("nowhere/to/be/found"),
                "not libvirt's words: {error}"
            );
            assert_ne!(error.code(), 0);
        }
        Err(error) => panic!("the wrong reason: {error}"),
        Ok(_) => panic!("it was told to fail"),
    }
}
