//! R5: registered, but not run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use virt_event::{EventImpl, HandleEvents, Period, TimeoutCallback, WatchId};

use super::{LONG_STALL, STALL};
use crate::cases::threads::act_while_asleep;
use crate::fixtures::{EventFd, eventfd, patience, wait_until};
use crate::logs::says;
use crate::{Exam, LogRecord, Logs};

/// Long enough for a warning that must not come, several times over.
const LONGER: Duration = Duration::from_millis(4 * STALL.as_millis() as u64);

/// What is registered in each case, for the warning to say.
const WATCHES: i32 = 7;
const TIMERS: i32 = 4;

pub(super) fn overdue_timer(exam: &Exam) {
    let scene = Scene::new(exam, WATCHES - 1, TIMERS - 1);
    exam.timer(Period::millis(1));
    assert_right(&scene.first_warning());
}

pub(super) fn pending_free(exam: &Exam) {
    let scene = Scene::new(exam, WATCHES - 1, TIMERS);
    let removed = exam.timer(Period::DISABLED);
    exam.remove_timer(removed.id);
    assert_right(&scene.first_warning());
}

pub(super) fn ready_descriptor(exam: &Exam) {
    let scene = Scene::new(exam, WATCHES - 2, TIMERS);
    let source = eventfd();
    source.kick();
    exam.watch(&source, HandleEvents::READABLE);
    assert_right(&scene.first_warning());
}

pub(super) fn noticed_by_stats(exam: &Exam) {
    let scene = Scene::new(exam, WATCHES - 1, TIMERS - 1);
    // Nothing is due yet. Later this very look might be the one that warns.
    let before = exam.subject().stats().warnings;
    exam.timer(Period::millis(1));
    wait_until("a warning", || {
        exam.subject().stats();
        !scene.warnings().is_empty()
    });
    assert_right(&scene.warnings()[0]);
    assert_eq!(
        exam.subject().stats().warnings - before,
        1,
        "warnings counted"
    );
}

pub(super) fn warns_once(exam: &Exam) {
    let scene = Scene::new(exam, 0, 0);
    exam.timer(Period::millis(1));
    scene.first_warning();
    scene.poke_for(LONGER);
    let warnings = scene.warnings();
    assert_eq!(warnings.len(), 1, "warnings without a turn: {warnings:?}");
}

pub(super) fn warns_again(exam: &Exam) {
    let scene = Scene::new(exam, 0, 0);
    let timed = exam.timer(Period::millis(1));
    scene.first_warning();
    exam.turn_until("the overdue timer", || timed.log.was_called());
    scene.logs.clear();
    scene.first_warning();
}

pub(super) fn healthy_with_nothing_due(exam: &Exam) {
    let scene = Scene::new(exam, 3, 3);
    exam.timer(Period::millis(i32::MAX as u32));
    // A descriptor that nobody is interested in, however ready.
    let source = eventfd();
    source.kick();
    exam.watch(&source, HandleEvents::empty());
    scene.poke_for(LONGER);
    scene.assert_quiet();
}

pub(super) fn healthy_while_asleep(exam: &Exam) {
    let scene = Scene::new(exam, 3, 3);
    let poke = scene.poker();
    let event_impl = exam.event_impl();
    let (callback, log) = exam.recorder().timeout("the timer that ends it", |_| {});
    act_while_asleep(
        exam,
        "a timer that was added",
        move || {
            poke_for(&poke, LONGER);
            event_impl
                .add_timeout(Period::millis(1), callback)
                .expect("add_timeout");
        },
        || log.was_called(),
    );
    scene.assert_quiet();
}

pub(super) fn healthy_while_a_callback_blocks(exam: &Exam) {
    let scene = Scene::new(exam, 3, 3);
    let inside = Arc::new(AtomicBool::new(false));
    let over = Arc::new(AtomicBool::new(false));
    let (now_inside, wait_for) = (Arc::clone(&inside), Arc::clone(&over));
    let blocking = exam.timer_with(Period::millis(1), move |_| {
        now_inside.store(true, Ordering::Release);
        let began = Instant::now();
        while !wait_for.load(Ordering::Acquire) && began.elapsed() < patience() {
            thread::sleep(Duration::from_millis(1));
        }
    });
    let source = eventfd();
    let watched = exam.watch(&source, HandleEvents::READABLE);
    let poke = scene.poker();
    thread::scope(|scope| {
        scope.spawn(|| {
            wait_until("the callback", || inside.load(Ordering::Acquire));
            // Now there is work that the loop cannot get to.
            source.kick();
            poke_for(&poke, LONGER);
            over.store(true, Ordering::Release);
        });
        exam.turn_until("the callback", || blocking.log.was_called());
    });
    exam.turn_until("the rest", || watched.log.was_called());
    scene.assert_quiet();
}

pub(super) fn healthy_while_it_runs(exam: &Exam) {
    let scene = Scene::new(exam, 3, 3);
    let source = eventfd();
    source.kick();
    exam.watch(&source, HandleEvents::READABLE);
    exam.timer(Period::EVERY_ITERATION);
    exam.timer(Period::millis(1));
    scene.assert_quiet_while_running(exam);
}

/// Each free brings about another: there is always one pending, and each only
/// for a moment.
pub(super) fn healthy_while_frees_keep_coming(exam: &Exam) {
    let scene = Scene::new(exam, 3, 3);
    let chain = Chain {
        event_impl: exam.event_impl(),
        over: Arc::new(AtomicBool::new(false)),
    };
    let over = Arc::clone(&chain.over);
    // Two, so that one is left whenever the other has just been freed.
    chain.continue_with_another();
    chain.continue_with_another();
    scene.assert_quiet_while_running(exam);
    over.store(true, Ordering::Release);
    drop(chain);
    exam.iterate(3);
}

/// Owned by a callback; when that is freed it adds and removes another.
struct Chain {
    event_impl: Arc<dyn EventImpl>,
    over: Arc<AtomicBool>,
}

impl Chain {
    fn continue_with_another(&self) {
        let link = Self {
            event_impl: Arc::clone(&self.event_impl),
            over: Arc::clone(&self.over),
        };
        let callback = TimeoutCallback::with_state(link, |_, _| {});
        let timer = self
            .event_impl
            .add_timeout(Period::DISABLED, callback)
            .expect("add_timeout");
        self.event_impl
            .remove_timeout(timer)
            .expect("remove_timeout");
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        if !self.over.load(Ordering::Acquire) {
            self.continue_with_another();
        }
    }
}

/// The warning says how many entries there are, and why it matters.
fn assert_right(warning: &LogRecord) {
    let text = &warning.text;
    assert!(
        says(text, WATCHES) && says(text, TIMERS),
        "it does not say that there are {WATCHES} watches and {TIMERS} timers: {text}"
    );
}

/// A loop that nobody runs, unless the case does.
struct Scene {
    logs: Logs,
    event_impl: Arc<dyn EventImpl>,
    /// Watched, and never ready.
    watch: WatchId,
    _sources: Vec<EventFd>,
}

impl Scene {
    /// With this many idle watches and timers, besides one watch of its own.
    fn new(exam: &Exam, watches: i32, timers: i32) -> Self {
        let logs = Logs::capture();
        let mut sources = vec![eventfd()];
        let watch = exam.watch(&sources[0], HandleEvents::READABLE).id;
        for _ in 0..watches {
            let source = eventfd();
            exam.watch(&source, HandleEvents::READABLE);
            sources.push(source);
        }
        for _ in 0..timers {
            exam.timer(Period::DISABLED);
        }
        Self {
            logs,
            event_impl: exam.event_impl(),
            watch,
            _sources: sources,
        }
    }

    /// Makes one of the six calls, one that changes nothing.
    fn poker(&self) -> impl Fn() + Send + Sync + use<> {
        let (event_impl, watch) = (Arc::clone(&self.event_impl), self.watch);
        move || event_impl.update_handle(watch, HandleEvents::READABLE)
    }

    /// Makes calls until there is a warning.
    fn first_warning(&self) -> LogRecord {
        let poke = self.poker();
        wait_until("a warning that the loop is not run", || {
            poke();
            !self.warnings().is_empty()
        });
        self.warnings().swap_remove(0)
    }

    fn poke_for(&self, time: Duration) {
        poke_for(&self.poker(), time);
    }

    fn warnings(&self) -> Vec<LogRecord> {
        let mut warnings = self.logs.warnings();
        warnings.retain(|it| it.text.to_lowercase().contains("keepalive"));
        warnings
    }

    fn assert_quiet(&self) {
        let warnings = self.warnings();
        assert!(warnings.is_empty(), "a healthy loop warned: {warnings:?}");
    }

    /// Turns and makes calls for a while. An attempt in which this thread was
    /// held up, so that a warning would be right, does not count.
    fn assert_quiet_while_running(&self, exam: &Exam) {
        let poke = self.poker();
        let began = Instant::now();
        'attempt: while began.elapsed() < patience() {
            exam.turn(Duration::ZERO);
            self.logs.clear();
            let attempt = Instant::now();
            let mut last = attempt;
            while attempt.elapsed() < LONG_STALL * 3 / 2 {
                exam.turn(Duration::ZERO);
                poke();
                let now = Instant::now();
                if now - last > LONG_STALL / 2 {
                    continue 'attempt;
                }
                last = now;
            }
            return self.assert_quiet();
        }
        panic!("the machine was too busy for this case all the time");
    }
}

fn poke_for(poke: &dyn Fn(), time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        poke();
        thread::sleep(Duration::from_millis(1));
    }
}
