//! R2: another loop was first, or gets in between.

use std::sync::{Arc, Barrier};
use std::thread;

use virt_event_libvirt::{InstallError, Reached};

use super::bent::{Bent, Fault};
use super::broken::{ForgetsLibvirt, LeavesAProbe, SaysYes, TrustsTimeouts, YesTheSecondTime};
use super::c::{self, Opaque};
use super::interpose::{self, Six};
use super::registration::{assert_reached, install, is_installed};
use super::{Installer, ProcessCase, TestLoop, foreign, process_case};

pub(super) const CASES: &[ProcessCase] = &[
    process_case!(r02_foreign_loop_first, "registers without a look", SaysYes),
    process_case!(
        r02_libvirts_default_loop_first,
        "registers without a look",
        SaysYes
    ),
    process_case!(
        r02_foreign_loop_that_gives_out_zero,
        "registers without a look",
        SaysYes
    ),
    process_case!(
        r02_foreign_loop_that_takes_nothing,
        "does not verify",
        SaysYes
    ),
    process_case!(
        r02_probe_is_removed_from_a_foreign_loop,
        "leaves its probe",
        LeavesAProbe
    ),
    process_case!(
        r02_default_loop_after_a_foreign_one,
        "registers without a look",
        SaysYes
    ),
    process_case!(
        r02_probes_do_not_reach_the_implementation,
        "leaves its probe",
        LeavesAProbe
    ),
    process_case!(r02_race_lost_entirely, "does not verify", SaysYes),
    process_case!(
        r02_race_lost_by_add_handle,
        "verifies one function",
        TrustsTimeouts
    ),
    process_case!(
        r02_race_lost_by_update_handle,
        "verifies one function",
        TrustsTimeouts
    ),
    process_case!(
        r02_race_lost_by_remove_handle,
        "verifies one function",
        TrustsTimeouts
    ),
    process_case!(r02_race_lost_by_add_timeout, "does not verify", SaysYes),
    process_case!(
        r02_race_lost_by_update_timeout,
        "verifies one function",
        TrustsTimeouts
    ),
    process_case!(
        r02_race_lost_by_remove_timeout,
        "verifies one function",
        TrustsTimeouts
    ),
    process_case!(
        r02_race_lost_by_all_but_add_timeout,
        "verifies one function",
        TrustsTimeouts
    ),
    process_case!(
        r02_race_lost_by_all_but_remove_timeout,
        "does not verify",
        SaysYes
    ),
    process_case!(
        r02_lost_race_leaves_functions_that_refuse,
        "the functions take it that something is installed",
        Bent(Fault::Unguarded)
    ),
    process_case!(
        r02_lost_race_stays_lost,
        "says yes the second time",
        YesTheSecondTime
    ),
    process_case!(
        r02_succeeds_once_all_six_arrive,
        "says yes to everybody",
        SaysYes
    ),
    process_case!(
        r02_real_race_is_found_out,
        "does not tell libvirt",
        ForgetsLibvirt
    ),
];

/// Installs, which must fail, and gives the reason.
fn refused(installer: &dyn Installer) -> InstallError {
    let implementation = TestLoop::new();
    let rejected = installer
        .install(Arc::clone(&implementation))
        .expect_err("libvirt has another loop");
    assert!(Arc::ptr_eq(&rejected.inner, &implementation));
    assert_eq!(Arc::strong_count(&implementation), 2, "somebody kept it");
    assert_eq!(implementation.asked(), []);
    assert!(virt_event::installed().is_none(), "the slot is filled");
    rejected.error
}

fn assert_foreign(error: &InstallError) {
    assert!(matches!(error, InstallError::ForeignLoop), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("breakpoint"),
        "it does not say how to find who: {text}"
    );
}

fn r02_foreign_loop_first(installer: &dyn Installer) {
    foreign::register();
    assert_foreign(&refused(installer));
    assert_eq!(
        c::add_timeout(-1, Opaque::new()),
        2,
        "the loop of before is gone"
    );
}

fn r02_libvirts_default_loop_first(installer: &dyn Installer) {
    virt::event::event_register_default_impl().expect("nothing is registered yet");
    assert_foreign(&refused(installer));
}

fn r02_foreign_loop_that_gives_out_zero(installer: &dyn Installer) {
    foreign::set_next_id(0);
    foreign::register();
    assert_foreign(&refused(installer));
    assert_eq!(foreign::left(), 0, "the probe is still there");
}

/// It cannot be seen by a look, only by verifying.
fn r02_foreign_loop_that_takes_nothing(installer: &dyn Installer) {
    foreign::refuse();
    foreign::register();
    assert_lost(&refused(installer), Reached::default());
}

fn r02_probe_is_removed_from_a_foreign_loop(installer: &dyn Installer) {
    foreign::register();
    assert_foreign(&refused(installer));
    assert_eq!(foreign::adds(), 1, "one probe is enough to see it");
    assert_eq!(foreign::left(), 0, "the probe is still there");
}

fn r02_default_loop_after_a_foreign_one(installer: &dyn Installer) {
    foreign::register();
    match installer.register_default_loop() {
        Err(error) => assert_foreign(&error),
        Ok(_) => panic!("libvirt has another loop"),
    }
    assert_eq!(foreign::left(), 0, "the probe is still there");
}

fn r02_probes_do_not_reach_the_implementation(installer: &dyn Installer) {
    let implementation = install(installer);
    assert_eq!(implementation.asked(), [], "it heard of a probe");
    assert_eq!(implementation.left(), 0);
    assert_eq!(
        c::add_timeout(-1, Opaque::new()),
        1,
        "a probe has used an id"
    );
    assert_eq!(
        c::add_handle(0, 0, Opaque::new()),
        1,
        "a probe has used an id"
    );
}

const ALL: Reached = Reached {
    add_handle: true,
    update_handle: true,
    remove_handle: true,
    add_timeout: true,
    update_timeout: true,
    remove_timeout: true,
};

fn assert_lost(error: &InstallError, expected: Reached) {
    match error {
        InstallError::LostRace { reached } => assert_eq!(*reached, expected),
        error => panic!("the wrong reason: {error}"),
    }
    let text = error.to_string();
    for name in expected.names() {
        assert!(
            text.contains(name),
            "it does not say which functions are ours: {text}"
        );
    }
}

/// The foreign loop gets in after the look, with the functions that `merge`
/// chooses; its second argument is the foreign loop's.
fn lose(installer: &dyn Installer, merge: fn(Six, Six) -> Six, expected: Reached) {
    interpose::at_registration(move |ours, libvirt| libvirt(merge(ours, foreign::six())));
    assert_lost(&refused(installer), expected);
}

fn r02_race_lost_entirely(installer: &dyn Installer) {
    lose(installer, |_, theirs| theirs, Reached::default());
    assert_eq!(foreign::left(), 0, "the probes are still there");
    assert_eq!(
        c::add_timeout(-1, Opaque::new()),
        3,
        "the winner has no loop"
    );
}

/// Cases in which some functions of the foreign loop get in, and after which so
/// many probes cannot be removed, because the function that would is ours.
macro_rules! lost_by {
    ($($case:ident: $merge:expr, $reached:expr, $left:expr;)+) => {$(
        fn $case(installer: &dyn Installer) {
            lose(installer, $merge, $reached);
            assert_eq!(foreign::left(), $left, "other probes are still there");
        }
    )+};
}

lost_by! {
    r02_race_lost_by_add_handle:
        |ours, theirs| Six { add_handle: theirs.add_handle, ..ours },
        Reached { add_handle: false, ..ALL }, 1;
    r02_race_lost_by_update_handle:
        |ours, theirs| Six { update_handle: theirs.update_handle, ..ours },
        Reached { update_handle: false, ..ALL }, 0;
    r02_race_lost_by_remove_handle:
        |ours, theirs| Six { remove_handle: theirs.remove_handle, ..ours },
        Reached { remove_handle: false, ..ALL }, 0;
    r02_race_lost_by_add_timeout:
        |ours, theirs| Six { add_timeout: theirs.add_timeout, ..ours },
        Reached { add_timeout: false, ..ALL }, 1;
    r02_race_lost_by_update_timeout:
        |ours, theirs| Six { update_timeout: theirs.update_timeout, ..ours },
        Reached { update_timeout: false, ..ALL }, 0;
    r02_race_lost_by_remove_timeout:
        |ours, theirs| Six { remove_timeout: theirs.remove_timeout, ..ours },
        Reached { remove_timeout: false, ..ALL }, 0;
    r02_race_lost_by_all_but_add_timeout:
        |ours, theirs| Six { add_timeout: ours.add_timeout, ..theirs },
        Reached { add_timeout: true, ..Reached::default() }, 0;
    r02_race_lost_by_all_but_remove_timeout:
        |ours, theirs| Six { remove_timeout: ours.remove_timeout, ..theirs },
        Reached { remove_timeout: true, ..Reached::default() }, 1;
}

fn r02_lost_race_leaves_functions_that_refuse(installer: &dyn Installer) {
    lose(
        installer,
        |ours, theirs| Six {
            update_timeout: theirs.update_timeout,
            ..ours
        },
        Reached {
            update_timeout: false,
            ..ALL
        },
    );
    let opaque = Opaque::new();
    let use_it = || {
        assert_eq!(c::add_handle(0, 1, opaque), -1);
        assert_eq!(c::add_timeout(0, opaque), -1);
        c::update_handle(1, 1);
        assert_eq!(c::remove_handle(1), -1);
        assert_eq!(c::remove_timeout(1), -1);
    };
    use_it();
    thread::spawn(use_it).join().expect("no panic");
    assert!(opaque.untouched());
    let error = virt_event::add_timeout(virt_event::Period::DISABLED, || {}).expect_err("no loop");
    assert!(matches!(error, virt_event::Error::NotInstalled), "{error}");
    assert!(installer.registered().is_none(), "half a loop is none");
}

fn r02_lost_race_stays_lost(installer: &dyn Installer) {
    let expected = Reached {
        remove_handle: false,
        ..ALL
    };
    lose(
        installer,
        |ours, theirs| Six {
            remove_handle: theirs.remove_handle,
            ..ours
        },
        expected,
    );
    assert_lost(&refused(installer), expected);
    assert!(installer.register_default_loop().is_err());
    assert_lost(&refused(installer), expected);
}

/// Another thread was seen half-way through writing, and gave way after all.
fn r02_succeeds_once_all_six_arrive(installer: &dyn Installer) {
    interpose::fail_next("virEventRemoveTimeout");
    assert_lost(
        &refused(installer),
        Reached {
            remove_timeout: false,
            ..ALL
        },
    );
    let implementation = install(installer);
    assert!(is_installed(&implementation));
    assert_reached(&implementation);
}

/// Whoever wins, the answer is true.
fn r02_real_race_is_found_out(installer: &dyn Installer) {
    let implementation = TestLoop::new();
    let ready = Barrier::new(2);
    let answer = thread::scope(|scope| {
        scope.spawn(|| {
            ready.wait();
            foreign::register();
        });
        ready.wait();
        installer.install(Arc::clone(&implementation))
    });
    match answer {
        Ok(()) => assert_reached(&implementation),
        Err(rejected) => {
            assert!(Arc::ptr_eq(&rejected.inner, &implementation));
            assert!(
                matches!(
                    rejected.error,
                    InstallError::ForeignLoop | InstallError::LostRace { .. }
                ),
                "{rejected}"
            );
            c::add_timeout(-1, Opaque::new());
            assert_eq!(implementation.asked(), [], "it won without knowing");
        }
    }
}
