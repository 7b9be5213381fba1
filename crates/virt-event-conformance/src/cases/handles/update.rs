//! H10: updates are exact and are not lost.

use std::thread;
use std::time::Duration;

use super::{BOTH, NONE, READABLE, WRITABLE};
use crate::cases::threads::LoopThread;
use crate::fixtures::{dev_null, eventfd, socketpair, write_byte};
use crate::mutants::broken;
use crate::mutants::handles::{Deferred, OffByOne, Tampering};
use crate::{Case, Exam, Mutant, Watched};

pub(super) const CASES: &[Case] = &[
    Case::new(
        "h10_update_replaces_the_interest",
        update_replaces_the_interest,
        Mutant::broken("an update only adds to the interest", |f, c| {
            let fault = Tampering {
                update: |before, asked| Some(before | asked),
                ..Tampering::NONE
            };
            broken(f, c, fault.fault())
        }),
    ),
    Case::new(
        "h10_toggled_often",
        toggled_often,
        Mutant::broken(
            "of several updates before a turn only the first counts",
            |f, c| broken(f, c, Deferred::first_update()),
        ),
    ),
    Case::new(
        "h10_one_of_thousands",
        one_of_thousands,
        Mutant::broken("an update reaches the next watch", |f, c| {
            broken(f, c, OffByOne)
        }),
    ),
    Case::new(
        "h10_update_while_asleep",
        update_while_asleep,
        Mutant::broken("an update does not wake the loop", |f, c| {
            broken(f, c, Deferred::updates())
        }),
    ),
    Case::new(
        "h10_always_ready_while_asleep",
        always_ready_while_asleep,
        Mutant::broken("an update does not wake the loop", |f, c| {
            broken(f, c, Deferred::updates())
        }),
    ),
    Case::new(
        "h10_update_in_its_own_callback",
        update_in_its_own_callback,
        Mutant::broken("an update by the running callback is lost", |f, c| {
            let fault = Tampering {
                update: |_, _| None,
                ..Tampering::NONE
            };
            broken(f, c, fault.fault())
        }),
    ),
];

fn update_replaces_the_interest(exam: &Exam) {
    let (socket, peer) = socketpair();
    write_byte(&peer);
    let watch = exam.watch(&socket, READABLE);
    for interest in [WRITABLE, BOTH, READABLE, WRITABLE, NONE, READABLE, BOTH] {
        exam.update(watch.id, interest);
        let before = watch.log.count();
        exam.iterate(2);
        let calls = watch.log.calls();
        let told: Vec<_> = calls[before..].iter().map(|call| call.events).collect();
        if interest.is_empty() {
            assert_eq!(told, [], "called with interest 0");
        } else {
            assert!(told.len() >= 2, "{} calls for {interest:?}", told.len());
            assert!(
                told.iter().all(|events| *events == interest),
                "asked for {interest:?} and was told {told:?}"
            );
        }
    }
}

fn toggled_often(exam: &Exam) {
    let source = eventfd();
    source.kick();
    let watch = exam.watch(&source, NONE);
    for round in 0..200 {
        // Twice for each call of libvirt's; the last one counts.
        for _ in 0..5 {
            exam.update(watch.id, READABLE);
            exam.update(watch.id, NONE);
        }
        let before = watch.log.count();
        exam.turn(Duration::ZERO);
        assert_eq!(
            watch.log.count(),
            before,
            "round {round}: called with interest 0"
        );
        exam.update(watch.id, NONE);
        exam.update(watch.id, READABLE);
        exam.turn_until("a call after the interest was set last", || {
            watch.log.count() > before
        });
        exam.update(watch.id, NONE);
    }
}

fn one_of_thousands(exam: &Exam) {
    // Twenty watches each, to stay below the usual limit of descriptors.
    let sources: Vec<_> = (0..150).map(|_| eventfd()).collect();
    let mut watches = Vec::new();
    for _ in 0..20 {
        for source in &sources {
            watches.push(exam.watch(source, NONE));
        }
    }
    for source in &sources {
        source.kick();
    }
    for chosen in [0, 1, 1499, 1500, 2998] {
        let before: Vec<_> = watches.iter().map(|watch| watch.log.count()).collect();
        exam.update(watches[chosen].id, READABLE);
        exam.iterate(2);
        exam.update(watches[chosen].id, NONE);
        for (index, watch) in watches.iter().enumerate() {
            let called = watch.log.count() > before[index];
            assert_eq!(
                called,
                index == chosen,
                "updated {chosen}, looked at {index}"
            );
        }
    }
}

fn update_while_asleep(exam: &Exam) {
    let source = eventfd();
    source.kick();
    let watch = exam.watch(&source, NONE);
    updated_while_asleep(exam, &watch);
}

fn always_ready_while_asleep(exam: &Exam) {
    let null = dev_null();
    let watch = exam.watch(&null, NONE);
    updated_while_asleep(exam, &watch);
}

/// Gives a parked watch an interest from another thread, once this one sleeps.
fn updated_while_asleep(exam: &Exam, watch: &Watched) {
    let (event_impl, id) = (exam.event_impl(), watch.id);
    let loop_thread = LoopThread::current();
    thread::scope(|scope| {
        scope.spawn(|| {
            loop_thread.wait_for_sleep();
            event_impl.update_handle(id, READABLE);
        });
        loop_thread.enter();
        exam.sleep_until("a watch that another thread gave an interest", || {
            watch.log.was_called()
        });
    });
}

fn update_in_its_own_callback(exam: &Exam) {
    let (socket, peer) = socketpair();
    write_byte(&peer);
    let event_impl = exam.event_impl();
    let watch = exam.watch_with(&socket, READABLE, move |call| {
        let next = match call.events {
            READABLE => WRITABLE,
            _ => NONE,
        };
        event_impl.update_handle(virt_event::WatchId::new(call.id).expect("positive"), next);
    });
    exam.iterate(4);
    let told: Vec<_> = watch.log.calls().iter().map(|call| call.events).collect();
    assert_eq!(told, [READABLE, WRITABLE]);
}
