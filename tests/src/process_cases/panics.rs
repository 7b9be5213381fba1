//! F3: no panic gets into C.

use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::bent::{Bent, Fault};
use super::c::{self, Opaque};
use super::registration::{assert_reached, install};
use super::test_loop::Mood;
use super::{Installer, ProcessCase, process_case};

pub(super) const CASES: &[ProcessCase] = &[
    process_case!(
        f03_panic_in_add_handle,
        "catches nothing",
        Bent(Fault::Unguarded)
    ),
    process_case!(
        f03_panic_in_update_handle,
        "catches nothing",
        Bent(Fault::Unguarded)
    ),
    process_case!(
        f03_panic_in_remove_handle,
        "catches nothing",
        Bent(Fault::Unguarded)
    ),
    process_case!(
        f03_panic_in_add_timeout,
        "catches nothing",
        Bent(Fault::Unguarded)
    ),
    process_case!(
        f03_panic_in_update_timeout,
        "catches nothing",
        Bent(Fault::Unguarded)
    ),
    process_case!(
        f03_panic_in_remove_timeout,
        "catches nothing",
        Bent(Fault::Unguarded)
    ),
    process_case!(
        f03_panic_in_an_add_frees_nothing,
        "frees while it unwinds",
        Bent(Fault::FreesWhatIsRefused)
    ),
    process_case!(
        f03_callback_kept_by_a_panic_is_left_alone,
        "calls and frees what libvirt has freed",
        Bent(Fault::FreesWhatIsRefused)
    ),
    process_case!(
        f03_panic_that_panics_when_dropped,
        "catches nothing",
        Bent(Fault::Unguarded)
    ),
];

/// `call` runs while the implementation panics, beside a watch and a timer
/// with the id 1; the implementation works afterwards.
fn survives(installer: &dyn Installer, mood: Mood, call: impl FnOnce()) {
    let implementation = install(installer);
    let (watch, timer) = (Opaque::new(), Opaque::new());
    assert_eq!(c::add_handle(0, 0, watch), 1);
    assert_eq!(c::add_timeout(-1, timer), 1);
    implementation.set_mood(mood);
    call();
    implementation.set_mood(Mood::Work);
    assert_reached(&implementation);
    assert!(watch.untouched() && timer.untouched());
    assert_eq!(c::remove_handle(1), 0);
    assert_eq!(c::remove_timeout(1), 0);
    implementation.turn(Duration::ZERO);
    assert_eq!((watch.frees().len(), timer.frees().len()), (1, 1));
}

fn f03_panic_in_add_handle(installer: &dyn Installer) {
    survives(installer, Mood::Panic, || {
        assert_eq!(c::add_handle(0, 1, Opaque::new()), -1);
    });
}

fn f03_panic_in_update_handle(installer: &dyn Installer) {
    survives(installer, Mood::Panic, || c::update_handle(1, 1));
}

fn f03_panic_in_remove_handle(installer: &dyn Installer) {
    survives(installer, Mood::Panic, || {
        assert_eq!(c::remove_handle(1), -1)
    });
}

fn f03_panic_in_add_timeout(installer: &dyn Installer) {
    survives(installer, Mood::Panic, || {
        assert_eq!(c::add_timeout(0, Opaque::new()), -1);
    });
}

fn f03_panic_in_update_timeout(installer: &dyn Installer) {
    survives(installer, Mood::Panic, || c::update_timeout(1, 0));
}

fn f03_panic_in_remove_timeout(installer: &dyn Installer) {
    survives(installer, Mood::Panic, || {
        assert_eq!(c::remove_timeout(1), -1)
    });
}

fn f03_panic_that_panics_when_dropped(installer: &dyn Installer) {
    survives(installer, Mood::PanicTwice, || {
        let opaque = Opaque::new();
        assert_eq!(c::add_handle(0, 1, opaque), -1);
        assert_eq!(c::add_timeout(0, opaque), -1);
        c::update_handle(1, 1);
        c::update_timeout(1, 0);
        assert_eq!(c::remove_handle(1), -1);
        assert_eq!(c::remove_timeout(1), -1);
        assert!(opaque.untouched());
    });
}

/// The add is answered with −1, upon which libvirt frees `opaque`.
fn f03_panic_in_an_add_frees_nothing(installer: &dyn Installer) {
    let opaque = Opaque::new();
    survives(installer, Mood::Panic, || {
        assert_eq!(c::add_handle(0, 1, opaque), -1);
        assert_eq!(c::add_timeout(0, opaque), -1);
    });
    assert!(opaque.untouched(), "libvirt frees it a second time");
}

/// The implementation has taken the callback when it panics. libvirt takes it
/// for refused, and frees `opaque`.
fn f03_callback_kept_by_a_panic_is_left_alone(installer: &dyn Installer) {
    let implementation = install(installer);
    implementation.set_mood(Mood::PanicAndKeep);
    let (ours, _theirs) = UnixStream::pair().expect("a socket pair");
    let opaque = Opaque::new();
    assert_eq!(c::add_handle(ours.as_raw_fd(), 2, opaque), -1);
    assert_eq!(c::add_timeout(0, opaque), -1);
    implementation.set_mood(Mood::Work);
    implementation.turn(Duration::ZERO);
    implementation.turn(Duration::ZERO);
    assert_eq!(opaque.calls(), [], "libvirt has freed it");
    assert_eq!(c::remove_handle(1), 0);
    assert_eq!(c::remove_timeout(1), 0);
    implementation.turn(Duration::ZERO);
    assert_eq!(implementation.left(), 0);
    assert_eq!(opaque.frees(), [], "libvirt frees it a second time");
}
