//! F1 and F2: what C passes in, and what it gets back.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use virt_event::{HandleEvents, Period};

use super::bent::{Bent, Fault};
use super::c::{self, Called, Opaque};
use super::registration::install;
use super::test_loop::{Asked, Mood};
use super::{Installer, ProcessCase, process_case};

pub(super) const CASES: &[ProcessCase] = &[
    process_case!(
        f01_adds_return_the_id,
        "counts from 0",
        Bent(Fault::CountsFromZero)
    ),
    process_case!(
        f01_removals_return_zero_or_minus_one,
        "answers with the id",
        Bent(Fault::RemovalsAnswerWithTheId)
    ),
    process_case!(
        f01_stale_ids_change_nothing,
        "clamps ids to 1",
        Bent(Fault::ClampsIds)
    ),
    process_case!(
        f01_refused_adds_return_minus_one_and_free_nothing,
        "frees what is refused",
        Bent(Fault::FreesWhatIsRefused)
    ),
    process_case!(
        f01_adds_refused_in_disguise_free_nothing,
        "frees what is refused",
        Bent(Fault::FreesWhatIsRefused)
    ),
    process_case!(
        f01_adds_refused_on_another_thread_free_nothing,
        "frees what is refused",
        Bent(Fault::FreesWhatIsRefused)
    ),
    process_case!(
        f01_freed_before_the_add_returns,
        "forgets to free",
        Bent(Fault::ForgetsToFree)
    ),
    process_case!(
        f01_handle_arguments_arrive,
        "asks for every event",
        Bent(Fault::AsksForEverything)
    ),
    process_case!(
        f01_timeout_arguments_arrive,
        "takes −1 for 0",
        Bent(Fault::NothingIsDisabled)
    ),
    process_case!(
        f01_handle_callback_gets_its_arguments,
        "mixes up the arguments",
        Bent(Fault::MixesUpArguments)
    ),
    process_case!(
        f01_timeout_callback_gets_its_arguments,
        "mixes up the arguments",
        Bent(Fault::MixesUpArguments)
    ),
    process_case!(
        f02_null_handle_callback_is_refused,
        "accepts null",
        Bent(Fault::AcceptsNullCallbacks)
    ),
    process_case!(
        f02_null_timeout_callback_is_refused,
        "accepts null",
        Bent(Fault::AcceptsNullCallbacks)
    ),
    process_case!(
        f02_null_free_of_a_handle_frees_nothing,
        "calls null",
        Bent(Fault::CallsNullFrees)
    ),
    process_case!(
        f02_null_free_of_a_timeout_frees_nothing,
        "calls null",
        Bent(Fault::CallsNullFrees)
    ),
    process_case!(
        f02_null_opaque_is_as_good_as_any,
        "refuses it",
        Bent(Fault::RefusesNullOpaque)
    ),
    process_case!(
        f02_free_runs_once_on_the_turning_thread,
        "forgets to free",
        Bent(Fault::ForgetsToFree)
    ),
];

fn f01_adds_return_the_id(installer: &dyn Installer) {
    let implementation = install(installer);
    for id in 1..=3 {
        assert_eq!(c::add_handle(0, 0, Opaque::new()), id);
        assert_eq!(c::add_timeout(-1, Opaque::new()), id);
    }
    assert_eq!(implementation.left(), 6);
}

fn f01_removals_return_zero_or_minus_one(installer: &dyn Installer) {
    install(installer);
    let watch = c::add_handle(0, 0, Opaque::new());
    assert_eq!(c::remove_handle(watch), 0);
    assert_eq!(c::remove_handle(watch), -1);
    let timer = c::add_timeout(-1, Opaque::new());
    assert_eq!(c::remove_timeout(timer), 0);
    assert_eq!(c::remove_timeout(timer), -1);
}

fn f01_stale_ids_change_nothing(installer: &dyn Installer) {
    let implementation = install(installer);
    let (watch, timer) = (Opaque::new(), Opaque::new());
    assert_eq!(c::add_handle(0, 0, watch), 1);
    assert_eq!(c::add_timeout(-1, timer), 1);
    implementation.asked();
    for id in [0, -1, -7, i32::MIN] {
        c::update_handle(id, 15);
        c::update_timeout(id, 0);
        assert_eq!(c::remove_handle(id), -1);
        assert_eq!(c::remove_timeout(id), -1);
        assert_eq!(implementation.asked(), [], "{id} is no id");
    }
    for id in [2, i32::MAX] {
        c::update_handle(id, 15);
        c::update_timeout(id, 0);
        assert_eq!(c::remove_handle(id), -1);
        assert_eq!(c::remove_timeout(id), -1);
    }
    implementation.turn(Duration::ZERO);
    assert_eq!(implementation.left(), 2);
    assert!(watch.untouched() && timer.untouched());
}

fn f01_refused_adds_return_minus_one_and_free_nothing(installer: &dyn Installer) {
    adds_free_nothing_in(Mood::Refuse, installer);
}

/// The callback comes back inside another one, as from an implementation that
/// wraps a second one.
fn f01_adds_refused_in_disguise_free_nothing(installer: &dyn Installer) {
    adds_free_nothing_in(Mood::RefuseInDisguise, installer);
}

/// A loop on another thread refuses, and drops what it got.
fn f01_adds_refused_on_another_thread_free_nothing(installer: &dyn Installer) {
    adds_free_nothing_in(Mood::RefuseElsewhere, installer);
}

/// The loop's thread was quick to call, remove and free. libvirt may hold
/// locks in the add, so the free comes with a turn.
fn f01_freed_before_the_add_returns(installer: &dyn Installer) {
    let implementation = install(installer);
    let opaques = [Opaque::new(), Opaque::new()];
    implementation.set_mood(Mood::FinishElsewhere);
    assert_eq!(c::add_handle(0, 1, opaques[0]), 1);
    implementation.set_mood(Mood::FinishElsewhere);
    assert!(c::add_timeout(0, opaques[1]) >= 1);
    for opaque in opaques {
        assert!(opaque.frees().is_empty(), "freed inside the add");
    }
    implementation.turn(Duration::ZERO);
    implementation.turn(Duration::ZERO);
    for opaque in opaques {
        assert_eq!(opaque.frees().len(), 1);
    }
    assert_eq!(implementation.left(), 0);
}

fn adds_free_nothing_in(mood: Mood, installer: &dyn Installer) {
    let implementation = install(installer);
    implementation.set_mood(mood);
    let opaque = Opaque::new();
    assert_eq!(c::add_handle(0, 1, opaque), -1);
    assert_eq!(c::add_timeout(0, opaque), -1);
    assert!(opaque.frees().is_empty(), "libvirt frees it a second time");

    // What was refused once is not forgotten the next time.
    implementation.set_mood(Mood::Work);
    let timer = c::add_timeout(0, opaque);
    assert_eq!(timer, 1);
    assert_eq!(c::remove_timeout(timer), 0);
    implementation.turn(Duration::ZERO);
    assert_eq!(opaque.frees().len(), 1);
}

fn f01_handle_arguments_arrive(installer: &dyn Installer) {
    let implementation = install(installer);
    let cases = [
        (0, HandleEvents::empty()),
        (1, HandleEvents::READABLE),
        (2, HandleEvents::WRITABLE),
        (12, HandleEvents::ERROR | HandleEvents::HANGUP),
        (1 << 30, HandleEvents::empty()),
        (
            i32::MIN | 3,
            HandleEvents::READABLE | HandleEvents::WRITABLE,
        ),
    ];
    for (raw, events) in cases {
        let watch = c::add_handle(7, raw, Opaque::new());
        assert_eq!(
            implementation.asked(),
            [Asked::AddHandle(7, events)],
            "{raw:#x}"
        );
        c::update_handle(watch, raw);
        assert_eq!(
            implementation.asked(),
            [Asked::UpdateHandle(watch, events)],
            "{raw:#x}"
        );
        assert_eq!(c::remove_handle(watch), 0);
        assert_eq!(implementation.asked(), [Asked::RemoveHandle(watch)]);
    }
    // What to do with a bad descriptor is for the implementation to say.
    c::add_handle(-1, 1, Opaque::new());
    assert_eq!(
        implementation.asked(),
        [Asked::AddHandle(-1, HandleEvents::READABLE)]
    );
}

fn f01_timeout_arguments_arrive(installer: &dyn Installer) {
    let implementation = install(installer);
    let cases = [
        (-1, Period::DISABLED),
        (i32::MIN, Period::DISABLED),
        (0, Period::EVERY_ITERATION),
        (1, Period::millis(1)),
        (i32::MAX, Period::millis(i32::MAX as u32)),
    ];
    for (raw, period) in cases {
        let timer = c::add_timeout(raw, Opaque::new());
        assert_eq!(implementation.asked(), [Asked::AddTimeout(period)], "{raw}");
        c::update_timeout(timer, raw);
        assert_eq!(
            implementation.asked(),
            [Asked::UpdateTimeout(timer, period)],
            "{raw}"
        );
        assert_eq!(c::remove_timeout(timer), 0);
        assert_eq!(implementation.asked(), [Asked::RemoveTimeout(timer)]);
    }
}

fn f01_handle_callback_gets_its_arguments(installer: &dyn Installer) {
    let implementation = install(installer);
    let (ours, mut theirs) = UnixStream::pair().expect("a socket pair");
    theirs.write_all(&[0]).expect("there is room");
    c::add_handle(0, 0, Opaque::new());
    let opaque = Opaque::new();
    let watch = c::add_handle(ours.as_raw_fd(), 3, opaque);
    implementation.turn_until("a call", || !opaque.calls().is_empty());
    let expected = Called {
        id: watch,
        ready: Some((ours.as_raw_fd(), 3)),
        thread: thread::current().id(),
    };
    assert_eq!(opaque.calls()[0], expected);
}

fn f01_timeout_callback_gets_its_arguments(installer: &dyn Installer) {
    let implementation = install(installer);
    c::add_timeout(-1, Opaque::new());
    let opaque = Opaque::new();
    let timer = c::add_timeout(0, opaque);
    implementation.turn_until("a call", || !opaque.calls().is_empty());
    let expected = Called {
        id: timer,
        ready: None,
        thread: thread::current().id(),
    };
    assert_eq!(opaque.calls()[0], expected);
}

fn f02_null_handle_callback_is_refused(installer: &dyn Installer) {
    let implementation = install(installer);
    let opaque = Opaque::new();
    assert_eq!(c::add_handle_without_callback(0, opaque), -1);
    assert_eq!(implementation.asked(), [], "the implementation got it");
    assert!(opaque.untouched(), "libvirt frees it");
}

fn f02_null_timeout_callback_is_refused(installer: &dyn Installer) {
    let implementation = install(installer);
    let opaque = Opaque::new();
    assert_eq!(c::add_timeout_without_callback(opaque), -1);
    assert_eq!(implementation.asked(), [], "the implementation got it");
    assert!(opaque.untouched(), "libvirt frees it");
}

fn f02_null_free_of_a_handle_frees_nothing(installer: &dyn Installer) {
    let implementation = install(installer);
    let opaque = Opaque::new();
    assert_eq!(c::add_handle_without_free(0, opaque), 1);
    assert_eq!(c::remove_handle(1), 0);
    implementation.turn_until("it is gone", || implementation.left() == 0);
    assert!(opaque.untouched());
}

fn f02_null_free_of_a_timeout_frees_nothing(installer: &dyn Installer) {
    let implementation = install(installer);
    let opaque = Opaque::new();
    assert_eq!(c::add_timeout_without_free(opaque), 1);
    implementation.turn_until("a call", || !opaque.calls().is_empty());
    assert_eq!(c::remove_timeout(1), 0);
    implementation.turn_until("it is gone", || implementation.left() == 0);
    assert_eq!(opaque.frees(), []);
}

fn f02_null_opaque_is_as_good_as_any(installer: &dyn Installer) {
    let implementation = install(installer);
    let (ours, _theirs) = UnixStream::pair().expect("a socket pair");
    assert_eq!(c::add_handle_without_opaque(ours.as_raw_fd()), 1);
    assert_eq!(c::add_timeout_without_opaque(), 1);
    implementation.turn(Duration::ZERO);
    assert_eq!(c::remove_handle(1), 0);
    assert_eq!(c::remove_timeout(1), 0);
    implementation.turn_until("they are gone", || implementation.left() == 0);
}

fn f02_free_runs_once_on_the_turning_thread(installer: &dyn Installer) {
    let implementation = install(installer);
    let (watch, timer) = (Opaque::new(), Opaque::new());
    thread::spawn(|| {
        let id = c::add_handle(0, 0, watch);
        assert_eq!(c::remove_handle(id), 0);
        let id = c::add_timeout(-1, timer);
        assert_eq!(c::remove_timeout(id), 0);
    })
    .join()
    .expect("no panic");
    assert!(
        watch.untouched() && timer.untouched(),
        "freed inside the removal"
    );
    implementation.turn(Duration::ZERO);
    implementation.turn(Duration::ZERO);
    assert_eq!(watch.frees(), [thread::current().id()]);
    assert_eq!(timer.frees(), [thread::current().id()]);
}
