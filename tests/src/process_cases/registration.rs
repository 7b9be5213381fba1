//! R1, R3 and R4: one implementation, for the life of the process.

use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use virt_event::{Error, EventImpl, Period};
use virt_event_libvirt::InstallError;

use super::bent::{Bent, Fault};
use super::broken::{
    BlamesTheCaller, BoundToOneThread, ForgetsLibvirt, HidesTheReason, HoldsWeakly, KeepsTheLoser,
    NeverShares, SaysYes,
};
use super::c::{self, Opaque};
use super::test_loop::Asked;
use super::{Installer, ProcessCase, TestLoop, interpose, process_case};

pub(super) const CASES: &[ProcessCase] = &[
    process_case!(
        r01_second_install_is_refused,
        "says yes to everybody",
        SaysYes
    ),
    process_case!(
        r01_loser_comes_back_untouched,
        "keeps the loser",
        KeepsTheLoser
    ),
    process_case!(
        r01_default_loop_after_install_is_refused,
        "says yes to everybody",
        SaysYes
    ),
    process_case!(
        r01_eight_threads_have_one_winner,
        "says yes to everybody",
        SaysYes
    ),
    process_case!(
        r01_an_add_during_install_waits_for_it,
        "the functions refuse until the slot is filled",
        Bent(Fault::DoesNotWait)
    ),
    process_case!(
        r01_second_user_shares_what_is_installed,
        "never shares",
        NeverShares
    ),
    process_case!(r01_eight_threads_share_one, "never shares", NeverShares),
    process_case!(r01_another_type_is_not_shared, "never shares", NeverShares),
    process_case!(
        r01_failed_creation_registers_nothing,
        "hides the reason",
        HidesTheReason
    ),
    process_case!(
        r03_outlives_whoever_installed_it,
        "holds it weakly",
        HoldsWeakly
    ),
    process_case!(
        r03_adds_succeed_while_nobody_drives,
        "serves only the thread that installed it",
        BoundToOneThread
    ),
    process_case!(
        r04_rust_add_before_install_says_what_to_call,
        "says only that it failed",
        BlamesTheCaller
    ),
    process_case!(
        r04_c_add_before_install_is_refused,
        "does not tell libvirt, so that it is refused afterwards as well",
        ForgetsLibvirt
    ),
];

/// Installs a new loop, as the start of a case.
pub(super) fn install(installer: &dyn Installer) -> Arc<TestLoop> {
    let implementation = TestLoop::new();
    if let Err(rejected) = installer.install(Arc::clone(&implementation)) {
        panic!("a first install must succeed: {rejected}");
    }
    implementation
}

/// # Panics
///
/// - Unless libvirt's calls arrive at `implementation`.
pub(super) fn assert_reached(implementation: &TestLoop) {
    implementation.asked();
    let timer = c::add_timeout(-1, Opaque::new());
    let asked = implementation.asked();
    assert_eq!(
        asked,
        [Asked::AddTimeout(Period::DISABLED)],
        "libvirt calls another loop"
    );
    assert_eq!(c::remove_timeout(timer), 0);
    assert_eq!(implementation.asked(), [Asked::RemoveTimeout(timer)]);
}

pub(super) fn is_installed(implementation: &Arc<TestLoop>) -> bool {
    virt_event::installed_as::<TestLoop>().is_some_and(|it| Arc::ptr_eq(&it, implementation))
}

fn r01_second_install_is_refused(installer: &dyn Installer) {
    let first = install(installer);
    let rejected = installer
        .install(TestLoop::new())
        .expect_err("libvirt takes one loop only");
    assert!(
        matches!(rejected.error, InstallError::AlreadyInstalled),
        "{rejected}"
    );
    assert!(is_installed(&first));
    assert_reached(&first);
}

fn r01_loser_comes_back_untouched(installer: &dyn Installer) {
    let _first = install(installer);
    let second = TestLoop::new();
    let rejected = installer
        .install(Arc::clone(&second))
        .expect_err("libvirt takes one loop only");
    assert!(
        Arc::ptr_eq(&rejected.inner, &second),
        "another one came back"
    );
    assert_eq!(Arc::strong_count(&second), 2, "somebody kept it as well");
    assert_eq!(second.asked(), []);
}

fn r01_default_loop_after_install_is_refused(installer: &dyn Installer) {
    let first = install(installer);
    match installer.register_default_loop() {
        Err(InstallError::AlreadyInstalled) => {}
        Err(error) => panic!("the wrong reason: {error}"),
        Ok(_) => panic!("libvirt takes one loop only"),
    }
    assert_reached(&first);
}

fn r01_eight_threads_have_one_winner(installer: &dyn Installer) {
    let ready = Barrier::new(8);
    let race = || {
        let implementation = TestLoop::new();
        ready.wait();
        let answer = installer.install(Arc::clone(&implementation));
        (implementation, answer)
    };
    let mut winners = Vec::new();
    thread::scope(|scope| {
        let racers: Vec<_> = (0..8).map(|_| scope.spawn(race)).collect();
        for racer in racers {
            let (implementation, answer) = racer.join().expect("no panic");
            let Err(rejected) = answer else {
                winners.push(implementation);
                continue;
            };
            assert!(
                matches!(rejected.error, InstallError::AlreadyInstalled),
                "{rejected}"
            );
            assert!(Arc::ptr_eq(&rejected.inner, &implementation));
            assert_eq!(implementation.asked(), []);
        }
    });
    assert_eq!(winners.len(), 1, "as many threads were told that they won");
    assert!(is_installed(&winners[0]));
    assert_reached(&winners[0]);
}

/// Between libvirt's taking the functions and the filling of the slot, another
/// thread may already open a connection.
fn r01_an_add_during_install_waits_for_it(installer: &dyn Installer) {
    let opaque = Opaque::new();
    let (sender, receiver) = mpsc::channel();
    interpose::at_registration(move |six, libvirt| {
        libvirt(six);
        let (started, thread_id) = mpsc::channel();
        let finished = Arc::new(AtomicBool::new(false));
        let adding = {
            let finished = Arc::clone(&finished);
            thread::spawn(move || {
                started
                    .send(rustix::thread::gettid())
                    .expect("it is awaited");
                let id = c::add_timeout(1000, opaque);
                finished.store(true, Ordering::Release);
                id
            })
        };
        let thread_id = thread_id.recv().expect("it is sent").as_raw_nonzero();
        let began = Instant::now();
        // Asleep it waits for the decision; it sleeps for nothing else for long.
        while !finished.load(Ordering::Acquire) && !sleeps(thread_id.get()) {
            assert!(began.elapsed() < Duration::from_secs(10));
            thread::yield_now();
        }
        sender.send(adding).expect("it is awaited");
    });
    let implementation = install(installer);
    let adding = receiver.recv().expect("it was registered");
    assert_eq!(adding.join().expect("no panic"), 1, "the add was refused");
    assert_eq!(
        implementation.asked(),
        [Asked::AddTimeout(Period::millis(1000))]
    );
    assert!(opaque.untouched());
}

fn sleeps(thread_id: i32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/self/task/{thread_id}/stat")) else {
        return false;
    };
    // The state follows the name, which stands in parentheses.
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| rest.trim_start().starts_with('S'))
}

fn r01_second_user_shares_what_is_installed(installer: &dyn Installer) {
    let first = installer
        .installed_or_install(&|| Ok(TestLoop::new()))
        .expect("nothing is installed yet");
    let second = installer
        .installed_or_install(&|| panic!("there is one already"))
        .expect("it is of the same type");
    assert!(Arc::ptr_eq(&first, &second));
    assert!(is_installed(&first));
    assert_reached(&first);
}

fn r01_eight_threads_share_one(installer: &dyn Installer) {
    let ready = Barrier::new(8);
    let share = || {
        ready.wait();
        installer.installed_or_install(&|| Ok(TestLoop::new()))
    };
    let shared: Vec<_> = thread::scope(|scope| {
        let users: Vec<_> = (0..8).map(|_| scope.spawn(share)).collect();
        let answers = users.into_iter().map(|user| user.join().expect("no panic"));
        answers
            .map(|answer| answer.expect("they are of the same type"))
            .collect()
    });
    for user in &shared {
        assert!(is_installed(user), "a thread got one that is not installed");
    }
    assert_reached(&shared[0]);
}

fn r01_another_type_is_not_shared(installer: &dyn Installer) {
    let other: Arc<Box<dyn EventImpl>> = Arc::new(Box::new(TestLoop::new()));
    virt_event_libvirt::install(other).expect("nothing is installed yet");
    let created = AtomicU32::new(0);
    let answer = installer.installed_or_install(&|| {
        created.fetch_add(1, Ordering::Relaxed);
        Ok(TestLoop::new())
    });
    assert!(matches!(answer, Err(InstallError::AlreadyInstalled)));
    assert_eq!(created.into_inner(), 0, "one was created in vain");
}

fn r01_failed_creation_registers_nothing(installer: &dyn Installer) {
    let failure = || io::Error::other("there is no epoll here");
    match installer.installed_or_install(&|| Err(failure())) {
        Err(error @ InstallError::Create(_)) => {
            assert!(
                error.to_string().contains("there is no epoll here"),
                "{error}"
            );
        }
        Err(error) => panic!("the wrong reason: {error}"),
        Ok(_) => panic!("nothing was created"),
    }
    assert_eq!(c::add_timeout(-1, Opaque::new()), -1, "libvirt has a loop");
    assert_reached(&install(installer));
}

fn r03_outlives_whoever_installed_it(installer: &dyn Installer) {
    drop(install(installer));
    let opaque = Opaque::new();
    assert_eq!(
        c::add_timeout(0, opaque),
        1,
        "it went with whoever installed it"
    );
    let installed = virt_event::installed_as::<TestLoop>().expect("it is there for ever");
    thread::spawn(move || installed.turn_until("a call", || !opaque.calls().is_empty()))
        .join()
        .expect("the timer is served");
}

fn r03_adds_succeed_while_nobody_drives(installer: &dyn Installer) {
    let implementation = install(installer);
    let first_host = Arc::clone(&implementation);
    thread::spawn(move || first_host.turn(Duration::ZERO))
        .join()
        .expect("a turn");
    // The host is gone now, with its thread.
    let opaque = Opaque::new();
    let timer = thread::spawn(|| c::add_timeout(0, opaque))
        .join()
        .expect("no panic");
    assert_eq!(timer, 1, "it went with its host");
    assert!(opaque.untouched());
    let second_host = thread::spawn(move || {
        implementation.turn_until("a call", || !opaque.calls().is_empty());
        assert_eq!(c::remove_timeout(timer), 0);
        implementation.turn_until("the free", || !opaque.frees().is_empty());
        thread::current().id()
    });
    let second_host = second_host.join().expect("the timer is served");
    assert!(opaque.calls().iter().all(|call| call.thread == second_host));
    assert_eq!(opaque.frees(), [second_host]);
}

fn r04_rust_add_before_install_says_what_to_call(installer: &dyn Installer) {
    match installer.add_timeout(Period::EVERY_ITERATION) {
        Err(error @ Error::NotInstalled) => {
            let text = error.to_string();
            assert!(
                text.contains("`install`"),
                "it does not say what to call: {text}"
            );
        }
        Err(error) => panic!("the wrong reason: {error}"),
        Ok(_) => panic!("nothing is installed"),
    }
    let implementation = install(installer);
    drop(
        installer
            .add_timeout(Period::EVERY_ITERATION)
            .expect("installed"),
    );
    implementation.turn(Duration::ZERO);
    assert_eq!(implementation.left(), 0);
}

fn r04_c_add_before_install_is_refused(installer: &dyn Installer) {
    let opaque = Opaque::new();
    assert_eq!(c::add_timeout(0, opaque), -1);
    assert_eq!(c::add_handle(0, 1, opaque), -1);
    c::update_timeout(1, 0);
    c::update_handle(1, 0);
    assert_eq!(c::remove_timeout(1), -1);
    assert_eq!(c::remove_handle(1), -1);
    assert!(opaque.untouched());
    let implementation = install(installer);
    assert_eq!(implementation.asked(), [], "it heard of what came before");
    assert_eq!(c::add_timeout(-1, opaque), 1);
}
