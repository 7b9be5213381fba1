//! The way out: the functions of whatever loop libvirt has, in Rust.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use virt_event::{Error, EventImpl, HandleCallback, HandleEvents, Period, TimeoutCallback};
use virt_event_libvirt::default_loop;

use super::broken::{ForgetsLibvirt, SaysYes};
use super::broken_outward::{Twist, Twisted};
use super::registration::install;
use super::test_loop::Asked;
use super::{Installer, ProcessCase, foreign, process_case};

pub(super) const CASES: &[ProcessCase] = &[
    process_case!(
        f01_outward_nothing_before_a_loop_is_registered,
        "says yes to everybody",
        SaysYes
    ),
    process_case!(
        f01_outward_calls_reach_the_installed_loop,
        "does not tell libvirt",
        ForgetsLibvirt
    ),
    process_case!(
        f01_outward_calls_reach_a_foreign_loop,
        "removes anything",
        Twisted(Twist::RemovesAnything)
    ),
    process_case!(
        f01_outward_calls_reach_the_default_loop,
        "calls nothing",
        Twisted(Twist::CallsNothing)
    ),
    process_case!(
        f01_outward_refused_callbacks_come_back,
        "frees the refused",
        Twisted(Twist::FreesTheRefused)
    ),
    process_case!(
        f01_outward_refusal_of_a_bad_descriptor_says_so,
        "hides the reason",
        Twisted(Twist::HidesTheReason)
    ),
    process_case!(
        f01_outward_id_zero_is_refused_and_removed,
        "takes 0 for an id",
        Twisted(Twist::TakesZeroForAnId)
    ),
    process_case!(
        f01_outward_id_zero_gives_the_callback_back,
        "frees the refused",
        Twisted(Twist::FreesTheRefused)
    ),
    process_case!(
        f03_outward_panic_in_a_callback_ends_there,
        "lets panics through",
        Twisted(Twist::LetsPanicsThrough)
    ),
    process_case!(
        f03_outward_panic_under_libvirts_default_loop,
        "lets panics through",
        Twisted(Twist::LetsPanicsThrough)
    ),
];

fn registered(installer: &dyn Installer) -> Box<dyn EventImpl> {
    installer.registered().expect("libvirt has a loop")
}

/// A callback, and how often it was called. The count has two owners until
/// the callback is freed.
fn counting_timeout() -> (TimeoutCallback, Arc<AtomicU32>) {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let callback = TimeoutCallback::new(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    (callback, calls)
}

fn counting_handle() -> (HandleCallback, Arc<AtomicU32>) {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let callback = HandleCallback::new(move |_, _, _| {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    (callback, calls)
}

fn f01_outward_nothing_before_a_loop_is_registered(installer: &dyn Installer) {
    assert!(installer.registered().is_none(), "libvirt has no loop");
    foreign::register();
    assert!(installer.registered().is_some());
    assert_eq!(foreign::left(), 0, "the probe is still there");
}

fn f01_outward_calls_reach_the_installed_loop(installer: &dyn Installer) {
    let implementation = install(installer);
    let events = registered(installer);
    assert_eq!(implementation.asked(), [], "no probe is needed");
    let (callback, calls) = counting_timeout();
    let timer = events
        .add_timeout(Period::EVERY_ITERATION, callback)
        .expect("taken");
    implementation.turn_until("a call", || calls.load(Ordering::Relaxed) > 0);
    events.update_timeout(timer, Period::DISABLED);
    events.remove_timeout(timer).expect("it is there");
    implementation.turn_until("the free", || Arc::strong_count(&calls) == 1);
    assert_eq!(
        implementation.asked(),
        [
            Asked::AddTimeout(Period::EVERY_ITERATION),
            Asked::UpdateTimeout(timer.get(), Period::DISABLED),
            Asked::RemoveTimeout(timer.get()),
        ]
    );
}

fn f01_outward_calls_reach_a_foreign_loop(installer: &dyn Installer) {
    foreign::register();
    let events = registered(installer);
    let (callback, calls) = counting_handle();
    let watch = events
        .add_handle(0, HandleEvents::READABLE, callback)
        .expect("taken");
    foreign::fire(watch.get());
    foreign::fire(watch.get());
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    events.update_handle(watch, HandleEvents::empty());
    events.remove_handle(watch).expect("it is there");
    assert_eq!(Arc::strong_count(&calls), 1, "not freed");
    let error = events.remove_handle(watch).expect_err("it is gone");
    assert!(
        matches!(error, Error::UnknownWatch(it) if it == watch),
        "{error}"
    );

    let (callback, calls) = counting_timeout();
    let timer = events
        .add_timeout(Period::millis(5), callback)
        .expect("taken");
    foreign::fire(timer.get());
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    events.remove_timeout(timer).expect("it is there");
    let error = events.remove_timeout(timer).expect_err("it is gone");
    assert!(
        matches!(error, Error::UnknownTimer(it) if it == timer),
        "{error}"
    );
}

fn f01_outward_calls_reach_the_default_loop(installer: &dyn Installer) {
    let events = installer
        .register_default_loop()
        .expect("nothing is registered yet");
    // Such a timer fires in every iteration, and none of them sleeps.
    let (keep_awake, _) = counting_timeout();
    events
        .add_timeout(Period::EVERY_ITERATION, keep_awake)
        .expect("taken");
    let (callback, calls) = counting_timeout();
    let timer = events
        .add_timeout(Period::EVERY_ITERATION, callback)
        .expect("taken");
    run_default_loop("a call", || calls.load(Ordering::Relaxed) > 0);
    events.update_timeout(timer, Period::DISABLED);
    let before = calls.load(Ordering::Relaxed);
    default_loop::run_once().expect("it runs");
    assert_eq!(calls.load(Ordering::Relaxed), before, "it is disabled");
    events.remove_timeout(timer).expect("it is there");
}

fn run_default_loop(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..100 {
        if done() {
            return;
        }
        default_loop::run_once().expect("it runs");
    }
    panic!("100 iterations in vain: {what}");
}

fn f01_outward_refused_callbacks_come_back(installer: &dyn Installer) {
    foreign::register();
    let events = registered(installer);
    foreign::refuse();
    let (callback, timeouts) = counting_timeout();
    let timeout = events
        .add_timeout(Period::millis(1), callback)
        .expect_err("refused");
    let (callback, handles) = counting_handle();
    let (ours, _theirs) = UnixStream::pair().expect("a socket pair");
    let handle = events
        .add_handle(ours.as_raw_fd(), HandleEvents::READABLE, callback)
        .expect_err("refused");
    assert!(handle.to_string().contains("no reason"), "{handle}");
    assert_eq!(Arc::strong_count(&timeouts), 2, "it is freed");
    assert_eq!(Arc::strong_count(&handles), 2, "it is freed");
    drop((timeout, handle));
    assert_eq!(Arc::strong_count(&timeouts), 1);
    assert_eq!(Arc::strong_count(&handles), 1);
}

fn f01_outward_refusal_of_a_bad_descriptor_says_so(installer: &dyn Installer) {
    foreign::register();
    let events = registered(installer);
    foreign::refuse();
    // No descriptor has such a number: the limit is far lower.
    for bad in [-1, i32::MAX] {
        let (callback, _) = counting_handle();
        let rejected = events
            .add_handle(bad, HandleEvents::READABLE, callback)
            .expect_err("refused");
        match rejected.error {
            Error::Descriptor { fd, source } => {
                assert_eq!(fd, bad);
                let closed = rustix::io::Errno::BADF;
                assert_eq!(
                    source.raw_os_error(),
                    io::Error::from(closed).raw_os_error()
                );
            }
            error => panic!("the wrong reason: {error}"),
        }
    }
}

fn f01_outward_id_zero_is_refused_and_removed(installer: &dyn Installer) {
    foreign::register();
    let events = registered(installer);
    foreign::set_next_id(0);
    let (callback, _) = counting_timeout();
    let rejected = events
        .add_timeout(Period::millis(1), callback)
        .expect_err("libvirt takes 0 for no timer");
    assert!(rejected.to_string().contains("id 0"), "{rejected}");
    assert_eq!(foreign::left(), 0, "it is still there");
    foreign::set_next_id(0);
    let (callback, _) = counting_handle();
    let rejected = events
        .add_handle(0, HandleEvents::READABLE, callback)
        .expect_err("libvirt takes 0 for no watch");
    assert!(rejected.to_string().contains("id 0"), "{rejected}");
    assert_eq!(foreign::left(), 0, "it is still there");
}

fn f01_outward_id_zero_gives_the_callback_back(installer: &dyn Installer) {
    foreign::register();
    let events = registered(installer);
    foreign::set_next_id(0);
    let (callback, calls) = counting_timeout();
    let rejected = events
        .add_timeout(Period::millis(1), callback)
        .expect_err("libvirt takes 0 for no timer");
    assert_eq!(Arc::strong_count(&calls), 2, "it is freed");
    // It is whole, too: it works at the next attempt.
    let timer = events
        .add_timeout(Period::millis(1), rejected.inner)
        .expect("taken");
    foreign::fire(timer.get());
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

/// Panics at each call, and counts them.
fn panicking_timeout() -> (TimeoutCallback, Arc<AtomicU32>) {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let callback = TimeoutCallback::new(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        panic!("the callback panics, as it was told to");
    });
    (callback, calls)
}

fn f03_outward_panic_in_a_callback_ends_there(installer: &dyn Installer) {
    foreign::register();
    let events = registered(installer);
    let (callback, calls) = panicking_timeout();
    let timer = events
        .add_timeout(Period::millis(1), callback)
        .expect("taken");
    foreign::fire(timer.get());
    foreign::fire(timer.get());
    assert_eq!(calls.load(Ordering::Relaxed), 2, "it stays registered");

    struct PanicsWhenFreed;
    impl Drop for PanicsWhenFreed {
        fn drop(&mut self) {
            panic!("the free panics, as it was told to");
        }
    }
    let data = PanicsWhenFreed;
    let callback = TimeoutCallback::new(move |_| {
        let _ = &data;
    });
    let timer = events
        .add_timeout(Period::millis(1), callback)
        .expect("taken");
    events.remove_timeout(timer).expect("it is there");
}

fn f03_outward_panic_under_libvirts_default_loop(installer: &dyn Installer) {
    let events = installer
        .register_default_loop()
        .expect("nothing is registered yet");
    let (callback, calls) = panicking_timeout();
    events
        .add_timeout(Period::EVERY_ITERATION, callback)
        .expect("taken");
    run_default_loop("three calls", || calls.load(Ordering::Relaxed) >= 3);
}
