//! T1 and T2: when timers fire.

use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{self, Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use virt_event::{HandleEvents, Period, TimerId};

use crate::fixtures::{eventfd, numbered, patience};
use crate::mutants::timers as mutants;
use crate::{Capabilities, Case, Exam, Log, Mutant};

pub(super) const CASES: &[Case] = &[
    Case::new(
        "t01_negative_disables",
        negative_disables,
        Mutant::broken(
            "fires disabled timers in every iteration",
            mutants::disabled_is_zero,
        ),
    ),
    Case::new(
        "t01_zero_fires_once_in_every_iteration",
        zero_fires_once_in_every_iteration,
        Mutant::broken(
            "calls a zero timer twice in an iteration",
            mutants::calls_first_timer_twice,
        ),
    ),
    Case::new(
        "t01_zero_fires_in_every_turn",
        zero_fires_in_every_turn,
        Mutant::broken(
            "fires zero timers in every second iteration",
            mutants::skips_every_second_call,
        ),
    )
    .needs(Capabilities::COUNTED),
    Case::new(
        "t01_fires_again_until_changed",
        fires_again_until_changed,
        Mutant::broken("fires each timer once", mutants::one_shot),
    ),
    Case::new(
        "t02_never_early",
        never_early,
        Mutant::broken("fires after four fifths of the period", mutants::early),
    ),
    Case::new(
        "t02_one_call_after_a_stall",
        one_call_after_a_stall,
        Mutant::broken(
            "makes up for the calls that a stall has cost",
            mutants::catches_up,
        ),
    ),
    Case::new(
        "t02_next_deadline_counts_from_the_call",
        next_deadline_counts_from_the_call,
        Mutant::broken(
            "counts the next deadline from the last deadline",
            mutants::keeps_to_its_grid,
        ),
    ),
    Case::new(
        "t02_wakes_for_the_earliest",
        wakes_for_the_earliest,
        Mutant::broken(
            "sleeps until the timer that was added first",
            mutants::earliest_is_the_first_added,
        ),
    ),
    Case::new(
        "t02_interrupted_wait_resumes",
        interrupted_wait_resumes,
        Mutant::broken(
            "waits for the whole period again after an interruption",
            mutants::restarts_its_waits,
        ),
    ),
];

fn negative_disables(exam: &Exam) {
    let negative = [-1, -2, i32::MIN].map(|raw| exam.timer(Period::from_raw(raw)));
    let updated = exam.timer(Period::EVERY_ITERATION);
    exam.turn_until("the timer fires before it is disabled", || {
        updated.log.was_called()
    });
    exam.update_timer(updated.id, Period::from_raw(i32::MIN));
    let before = updated.log.count();
    exam.iterate(5);
    turn_for(exam, Duration::from_millis(5));
    assert_eq!(updated.log.count(), before, "a disabled timer fired");
    for timer in &negative {
        assert!(!timer.log.was_called(), "a timer added disabled fired");
        exam.remove_timer(timer.id);
    }
}

fn zero_fires_once_in_every_iteration(exam: &Exam) {
    let one = exam.timer(Period::EVERY_ITERATION);
    let other = exam.timer(Period::EVERY_ITERATION);
    exam.turn_until("two zero timers fire", || {
        one.log.count() >= 20 && other.log.count() >= 20
    });
    assert_in_step(&one.log, &other.log);
}

/// Checks that neither of two callbacks, both due in every iteration, ever
/// gets more than one call ahead.
pub(super) fn assert_in_step(one: &Log, other: &Log) {
    let mut calls: Vec<_> = one.calls().iter().map(|call| (call.order, 1)).collect();
    calls.extend(other.calls().iter().map(|call| (call.order, -1)));
    calls.sort_unstable();
    let mut ahead: i32 = 0;
    for (_, step) in calls {
        ahead += step;
        assert!(
            ahead.abs() <= 1,
            "{one:?} and {other:?} were not called once each in an iteration"
        );
    }
}

fn zero_fires_in_every_turn(exam: &Exam) {
    let timer = exam.timer(Period::EVERY_ITERATION);
    for turns in 1..=20 {
        // However long the turn may sleep, it does not.
        exam.turn(patience());
        assert_eq!(timer.log.count(), turns, "calls after {turns} turns");
    }
}

fn fires_again_until_changed(exam: &Exam) {
    let timer = exam.timer(Period::millis(3));
    exam.turn_until("a timer of 3 ms fires five times", || {
        timer.log.count() >= 5
    });
    for call in timer.log.calls() {
        assert_eq!(call.id, timer.id.get(), "the callback is told another id");
    }
    exam.remove_timer(timer.id);
}

fn never_early(exam: &Exam) {
    let timers = [1, 2, 3, 7, 20, 45].map(|millis| {
        let began = Instant::now();
        let timer = exam.timer(Period::millis(millis));
        (began, Duration::from_millis(millis.into()), timer)
    });
    exam.turn_until("each timer fires three times", || {
        timers.iter().all(|(_, _, timer)| timer.log.count() >= 3)
    });
    for (began, period, timer) in &timers {
        assert_spaced(&timer.log, 0, *began + *period, *period);
    }
}

/// Checks that the calls from the one with index `first` on are not early: the
/// first comes no sooner than `due`, each later one `period` after that.
///
/// Exact, although the loop reads its clock a moment before a callback does:
/// each deadline is at least one period after the last, so errors of the
/// first do not add up.
pub(super) fn assert_spaced(log: &Log, first: usize, due: Instant, period: Duration) {
    let mut due = due;
    for call in log.calls().iter().skip(first) {
        assert!(
            call.at >= due,
            "{log:?} was called {:?} early",
            due - call.at
        );
        due += period;
    }
}

const PERIOD: Duration = Duration::from_millis(40);

fn one_call_after_a_stall(exam: &Exam) {
    let timer = exam.timer(Period::from(PERIOD));
    exam.turn_until("the timer fires before the stall", || {
        timer.log.was_called()
    });
    let before = timer.log.count();
    thread::sleep(PERIOD * 7 / 2);
    let resumed = Instant::now();
    exam.turn_until("the timer fires after the stall", || {
        timer.log.count() >= before + 3
    });
    assert_spaced(&timer.log, before, resumed, PERIOD);
}

fn next_deadline_counts_from_the_call(exam: &Exam) {
    let busy = PERIOD * 5 / 4;
    let kicked = eventfd();
    let reader = kicked.duplicate();
    let (watch_end, when_watch) = instant();
    let watch = exam.watch_with(&kicked, HandleEvents::READABLE, move |_| {
        reader.take();
        thread::sleep(busy);
        watch_end();
    });
    let events = exam.event_impl();
    let (slow_end, when_slow) = instant();
    let slow = exam.timer_with(Period::from(PERIOD), move |call| {
        let id = TimerId::new(call.id).expect("an id is at least 1");
        events.update_timeout(id, Period::DISABLED);
        thread::sleep(busy);
        slow_end();
    });
    let timer = exam.timer(Period::from(PERIOD));
    kicked.kick();
    thread::sleep(PERIOD);
    exam.turn_until("the slow callbacks and the timer", || {
        watch.log.was_called() && slow.log.was_called() && timer.log.count() >= 6
    });
    // Whatever the order within the batch: of the calls that come after a slow
    // callback, the second comes a period after its end at the earliest.
    for (slow, when) in [(&watch.log, when_watch()), (&slow.log, when_slow())] {
        let order = slow.last().expect("it was called").order;
        let calls = timer.log.calls();
        let later = calls.iter().take_while(|call| call.order < order).count();
        assert_spaced(&timer.log, later, when, PERIOD);
    }
}

/// A function that notes the time, and one that tells what was noted.
fn instant() -> (impl Fn() + Send + 'static, impl Fn() -> Instant) {
    let cell = Arc::new(OnceLock::new());
    let noted = Arc::clone(&cell);
    (
        move || {
            let _ = cell.set(Instant::now());
        },
        move || *noted.get().expect("the callback has ended"),
    )
}

fn wakes_for_the_earliest(exam: &Exam) {
    let long = exam.timer(Period::millis(3_600_000));
    let middle = exam.timer(Period::millis(20));
    let short = exam.timer(Period::millis(5));
    turn_long_until(exam, "a short timer fires beside a long one", || {
        short.log.was_called() && middle.log.was_called()
    });
    assert!(!long.log.was_called(), "a timer of an hour fired at once");
}

/// Turns until this time has passed. A single turn may end early.
pub(super) fn turn_for(exam: &Exam, time: Duration) {
    let began = Instant::now();
    exam.turn_until("time passes", || began.elapsed() > time);
}

/// As [`Exam::turn_until`], with turns as long as the deadline: the loop must
/// wake up by itself.
pub(super) fn turn_long_until(exam: &Exam, what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience();
    while !condition() {
        let left = deadline.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "waited {:?} in vain: {what}", patience());
        exam.turn(left);
    }
}

fn interrupted_wait_resumes(exam: &Exam) {
    let period = Duration::from_millis(150);
    let mut interruptions = Interruptions::begin();
    let began = Instant::now();
    let timer = exam.timer(Period::from(period));
    turn_long_until(
        exam,
        "a timer fires although the wait is interrupted",
        || timer.log.was_called(),
    );
    assert!(interruptions.go_on(), "the interruptions ended too early");
    assert_spaced(&timer.log, 0, began + period, period);
    exam.remove_timer(timer.id);
}

/// Another process that interrupts every wait of this one all the time.
///
/// It stops and continues the process, which on Linux ends `epoll_wait` with
/// EINTR as a signal handler would (signal(7)); a handler needs unsafe code.
/// `poll` goes on by itself after that, so for a loop that is built on it this
/// proves less.
struct Interruptions {
    child: Child,
    /// Dropping it ends the other process, which looks for this descriptor. It
    /// is not killed, because it might have stopped this process and not yet
    /// continued it.
    switch: Option<OwnedFd>,
}

impl Interruptions {
    fn begin() -> Self {
        let switch = numbered(eventfd());
        let pid = process::id().to_string();
        let path = format!("/proc/{pid}/fd/{}", switch.as_raw_fd());
        let script = r#"while [ -e "$1" ]; do kill -STOP "$2"; kill -CONT "$2"; sleep 0.01; done"#;
        let child = Command::new("sh")
            .args(["-c", script, "sh", &path, &pid])
            .stdin(Stdio::null())
            .spawn()
            .expect("run sh");
        Self {
            child,
            switch: Some(switch),
        }
    }

    fn go_on(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Interruptions {
    fn drop(&mut self) {
        drop(self.switch.take());
        // Not reaping it would be harmless.
        let _ = self.child.wait();
    }
}
