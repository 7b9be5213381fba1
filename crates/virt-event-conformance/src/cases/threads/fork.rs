//! X3: in a forked child everything fails or does nothing, and the parent
//! notices none of it.

use std::fs;
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use virt_event::{Error, HandleEvents, Period};

use super::awake::turn_driver_until;
use super::forked_child::in_child;
use crate::fixtures::{EventFd, epoll_members, eventfd};
use crate::{Capabilities, Exam, Timed, Watched};

pub(super) fn adds(exam: &Exam) {
    let before = Bystanders::new(exam);
    let source = eventfd();
    in_child(|| {
        let (event_impl, recorder) = (exam.event_impl(), exam.recorder());
        let (callback, watch) = recorder.handle("the child's watch", |_| {});
        let added = event_impl.add_handle(source.as_raw_fd(), HandleEvents::READABLE, callback);
        let rejected_handle = added.expect_err("add_handle in a forked child");
        let (callback, timer) = recorder.timeout("the child's timer", |_| {});
        let added = event_impl.add_timeout(Period::millis(1), callback);
        let rejected_timeout = added.expect_err("add_timeout in a forked child");
        for error in [&rejected_handle.error, &rejected_timeout.error] {
            assert!(matches!(error, Error::Forked), "it says {error:?}");
        }
        assert!(
            !watch.is_freed() && !timer.is_freed(),
            "a callback that was refused was freed"
        );
    });
    before.check(exam);
}

pub(super) fn changes(exam: &Exam) {
    let before = Bystanders::new(exam);
    in_child(|| before.disturb(exam));
    before.check(exam);
}

pub(super) fn epoll_set(exam: &Exam) {
    let bystanders = Bystanders::new(exam);
    let second = eventfd();
    let parked = exam.watch(&second, HandleEvents::empty());
    exam.turn(Duration::ZERO);
    let before = sorted_members(exam);
    assert!(
        before
            .iter()
            .any(|(fd, _)| *fd == bystanders.source.as_raw_fd()),
        "the watch is not in the epoll set: {before:?}"
    );
    in_child(|| {
        bystanders.disturb(exam);
        // Setting interest would be an ADD.
        exam.update(parked.id, HandleEvents::READABLE);
        turn_quietly(exam);
        if exam.has(Capabilities::DETACH) {
            quietly(|| exam.subject().detach());
        }
        if exam.has(Capabilities::STATS) {
            quietly(|| exam.subject().stats());
        }
    });
    exam.turn(Duration::ZERO);
    assert_eq!(
        sorted_members(exam),
        before,
        "the epoll set after and before what a forked child did"
    );
    bystanders.check(exam);
}

pub(super) fn turns(exam: &Exam) {
    let bystanders = Bystanders::new(exam);
    bystanders.source.kick();
    let zero = exam.timer(Period::EVERY_ITERATION);
    let removed = exam.watch(&bystanders.source, HandleEvents::empty());
    exam.remove(removed.id);
    in_child(|| {
        for _ in 0..3 {
            turn_quietly(exam);
        }
        assert!(
            !bystanders.watch.log.was_called() && !zero.log.was_called(),
            "a turn in a forked child called a callback"
        );
        assert!(
            !removed.log.is_freed(),
            "a turn in a forked child freed a callback"
        );
    });
    bystanders.check(exam);
    exam.turn_until("a zero timer", || zero.log.was_called());
    exam.turn_until("the freeing of a removed watch", || removed.log.is_freed());
}

pub(super) fn guards(exam: &Exam) {
    // Unless the subject has installed itself.
    if virt_event::installed().is_none() {
        virt_event::install_with(Arc::new(exam.event_impl()), || Ok::<(), Error>(()))
            .expect("install the subject");
    }
    let source = eventfd();
    let kicker = source.duplicate();
    let calls = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let (of_watch, of_timer) = (calls.clone(), calls.clone());
    let watch = virt_event::add_handle(source, HandleEvents::READABLE, move |_| {
        of_watch[0].fetch_add(1, Ordering::Relaxed);
    })
    .expect("add_handle");
    let timer = virt_event::add_timeout(Period::millis(1), move || {
        of_timer[1].fetch_add(1, Ordering::Relaxed);
    })
    .expect("add_timeout");
    let mut guards = Some((watch, timer));
    in_child(|| drop(guards.take()));
    assert!(guards.is_some(), "the parent's guards are the parent's");
    kicker.kick();
    exam.turn_until(
        "a call of a watch whose guard a forked child dropped",
        || calls[0].load(Ordering::Relaxed) > 0,
    );
    let before = calls[1].load(Ordering::Relaxed);
    exam.turn_until(
        "a call of a timer whose guard a forked child dropped",
        || calls[1].load(Ordering::Relaxed) > before,
    );
}

pub(super) fn detach(exam: &Exam) {
    let before = Bystanders::new(exam);
    in_child(|| quietly(|| exam.subject().detach()));
    before.check(exam);
    let second = exam.subject().second_driver();
    assert!(
        second.is_err(),
        "the driver is gone after a detach in a forked child"
    );
}

pub(super) fn driver_dropped(exam: &Exam) {
    let before = Bystanders::new(exam);
    let subject = exam.subject();
    subject.detach();
    let mut second = Some(subject.second_driver().expect("a driver after a detach"));
    in_child(|| quietly(|| drop(second.take())));
    let turn = second.take().expect("the parent's driver is the parent's");
    before.check_with(|what, condition| {
        turn_driver_until(&turn, exam.recorder(), what, condition);
    });
    drop(turn);
    subject.attach().expect("attach again");
}

pub(super) fn dropped(exam: &Exam) {
    let before = Bystanders::new(exam);
    in_child(|| {
        quietly(|| exam.drop_subject());
        assert!(
            !before.watch.log.is_freed() && !before.timer.log.is_freed(),
            "a drop in a forked child freed a callback of its parent"
        );
    });
    before.check(exam);
}

pub(super) fn close_on_exec(exam: &Exam) {
    // Everything that opens descriptors only when it needs them.
    let bystanders = Bystanders::new(exam);
    bystanders.check(exam);
    let parent = rustix::process::getppid().expect("there is a runner");
    for entry in fs::read_dir("/proc/self/fd").expect("read /proc/self/fd") {
        let path = entry.expect("read /proc/self/fd").path();
        // The one that reads the directory is gone by now.
        let (Some(number), Ok(target)) = (path.file_name(), fs::read_link(&path)) else {
            continue;
        };
        let number = number.to_string_lossy();
        if matches!(&*number, "0" | "1" | "2") || is_close_on_exec(&number) {
            continue;
        }
        let at_parent = PathBuf::from(format!(
            "/proc/{}/fd/{number}",
            parent.as_raw_nonzero().get()
        ));
        // What the runner's own parent leaked to it is not the subject's fault.
        let inherited = fs::read_link(at_parent).is_ok_and(|link| link == target);
        assert!(
            inherited,
            "descriptor {number} ({}) is not close-on-exec",
            target.display()
        );
    }
}

fn is_close_on_exec(number: &str) -> bool {
    const O_CLOEXEC: u32 = 0o2_000_000;
    let Ok(text) = fs::read_to_string(format!("/proc/self/fdinfo/{number}")) else {
        // Closed since.
        return true;
    };
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.expect("flags in fdinfo").trim();
    u32::from_str_radix(flags, 8).expect("an octal number") & O_CLOEXEC != 0
}

/// A watch and a timer of the parent that no child must disturb.
struct Bystanders {
    source: EventFd,
    watch: Watched,
    timer: Timed,
}

impl Bystanders {
    fn new(exam: &Exam) -> Self {
        let source = eventfd();
        let watch = exam.watch(&source, HandleEvents::READABLE);
        let timer = exam.timer(Period::millis(5));
        Self {
            source,
            watch,
            timer,
        }
    }

    /// What a child might do to them.
    fn disturb(&self, exam: &Exam) {
        let event_impl = exam.event_impl();
        event_impl.update_handle(self.watch.id, HandleEvents::WRITABLE);
        event_impl.update_handle(self.watch.id, HandleEvents::empty());
        event_impl.update_timeout(self.timer.id, Period::DISABLED);
        // They may fail.
        let _ = event_impl.remove_handle(self.watch.id);
        let _ = event_impl.remove_timeout(self.timer.id);
    }

    /// Both still work.
    fn check(&self, exam: &Exam) {
        self.check_with(|what, condition| exam.turn_until(what, condition));
    }

    fn check_with(&self, mut turn_until: impl FnMut(&str, &mut dyn FnMut() -> bool)) {
        self.source.kick();
        turn_until("a call of the parent's watch", &mut || {
            self.watch.log.was_called()
        });
        let calls = self.timer.log.count();
        turn_until("a call of the parent's timer", &mut || {
            self.timer.log.count() > calls
        });
    }
}

fn sorted_members(exam: &Exam) -> Vec<(i32, u32)> {
    let mut members = epoll_members(exam.subject().epoll_fd());
    members.sort_unstable();
    members
}

/// A turn in a forked child may fail in any way.
fn turn_quietly(exam: &Exam) {
    quietly(|| exam.subject().turn(Duration::ZERO));
}

fn quietly<R>(act: impl FnOnce() -> R) {
    // A panic is one way to fail.
    let _ = catch_unwind(AssertUnwindSafe(act));
}
