//! C3: the six calls from inside callbacks and from inside frees.

use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex};

use virt_event::{EventImpl, HandleEvents, Period, TimerId, WatchId};

use crate::entry::Entry;
use crate::fixtures::{EventFd, eventfd, numbered};
use crate::mutants::callbacks as mutants;
use crate::{Call, Case, Exam, Log, Mutant, Recorder, Timed, Watched};

pub(super) const CASES: &[Case] = &[
    Case::new(
        "c03_all_six_from_a_watch",
        |exam| all_six_from(exam, Place::WatchCall),
        Mutant::broken(DEAF_IN_CALLS, mutants::deaf_in_calls),
    ),
    Case::new(
        "c03_all_six_from_a_timer",
        |exam| all_six_from(exam, Place::TimerCall),
        Mutant::broken(DEAF_IN_CALLS, mutants::deaf_in_calls),
    ),
    Case::new(
        "c03_all_six_from_the_free_of_a_watch",
        |exam| all_six_from(exam, Place::WatchFree),
        Mutant::broken(DEAF_IN_FREES, mutants::deaf_in_frees),
    ),
    Case::new(
        "c03_all_six_from_the_free_of_a_timer",
        |exam| all_six_from(exam, Place::TimerFree),
        Mutant::broken(DEAF_IN_FREES, mutants::deaf_in_frees),
    ),
    Case::new(
        "c03_a_watch_changes_and_removes_itself",
        watch_changes_and_removes_itself,
        Mutant::broken(DEAF_IN_CALLS, mutants::deaf_in_calls),
    ),
    Case::new(
        "c03_a_timer_changes_and_removes_itself",
        timer_changes_and_removes_itself,
        Mutant::broken(DEAF_IN_CALLS, mutants::deaf_in_calls),
    ),
    Case::new(
        "c03_a_callback_removes_everything",
        callback_removes_everything,
        Mutant::broken(
            "does not remove an entry while it runs",
            mutants::keeps_the_running,
        ),
    ),
    Case::new(
        "c03_a_free_removes_a_watch_and_closes_its_fd",
        free_removes_a_watch_and_closes_its_fd,
        Mutant::broken(DEAF_IN_FREES, mutants::deaf_in_frees),
    ),
    Case::new(
        "c03_frees_that_remove_more",
        frees_that_remove_more,
        Mutant::broken(DEAF_IN_FREES, mutants::deaf_in_frees),
    ),
];

const DEAF_IN_CALLS: &str = "loses calls that are made inside a callback";
const DEAF_IN_FREES: &str = "loses calls that are made inside a free";

#[derive(Clone, Copy)]
enum Place {
    WatchCall,
    TimerCall,
    WatchFree,
    TimerFree,
}

/// From one place, makes each of the six calls on other entries.
fn all_six_from(exam: &Exam, place: Place) {
    let ready = Arc::new(eventfd());
    ready.kick();
    let stage = Stage::new(exam, &ready);
    let effects = stage.effects();
    let (events, recorder) = (exam.event_impl(), exam.recorder().clone());
    let mut stage = Some(stage);
    let mut act = move || {
        if let Some(stage) = stage.take() {
            stage.act(&*events, &recorder);
        }
    };
    match place {
        Place::WatchCall => {
            exam.watch_with(&*ready, HandleEvents::READABLE, move |_| act());
        }
        Place::TimerCall => {
            exam.timer_with(Period::millis(1), move |_| act());
        }
        Place::WatchFree => {
            let (callback, _) =
                exam.recorder()
                    .handle_with_free("the watch whose free acts", |_| {}, act);
            let events = exam.event_impl();
            let added = events.add_handle(ready.as_raw_fd(), HandleEvents::READABLE, callback);
            exam.remove(added.expect("added"));
        }
        Place::TimerFree => {
            let (callback, _) =
                exam.recorder()
                    .timeout_with_free("the timer whose free acts", |_| {}, act);
            let added = exam.event_impl().add_timeout(Period::DISABLED, callback);
            exam.remove_timer(added.expect("added"));
        }
    }
    effects.await_all(exam);
}

/// Entries to act on, and callbacks to add.
struct Stage {
    ready: Arc<EventFd>,
    enabled_watch: Watched,
    enabled_timer: Timed,
    removed_watch: Watched,
    removed_timer: Timed,
    added_watch: (virt_event::HandleCallback, Log),
    added_timer: (virt_event::TimeoutCallback, Log),
}

struct Effects {
    ready: Arc<EventFd>,
    called: [Log; 4],
    freed: [Log; 2],
}

impl Stage {
    fn new(exam: &Exam, ready: &Arc<EventFd>) -> Self {
        let recorder = exam.recorder();
        Self {
            ready: Arc::clone(ready),
            enabled_watch: exam.watch(&**ready, HandleEvents::empty()),
            enabled_timer: exam.timer(Period::DISABLED),
            removed_watch: exam.watch(&**ready, HandleEvents::empty()),
            removed_timer: exam.timer(Period::DISABLED),
            added_watch: recorder.handle("the watch added inside", |_| {}),
            added_timer: recorder.timeout("the timer added inside", |_| {}),
        }
    }

    fn effects(&self) -> Effects {
        Effects {
            ready: Arc::clone(&self.ready),
            called: [
                self.enabled_watch.log.clone(),
                self.enabled_timer.log.clone(),
                self.added_watch.1.clone(),
                self.added_timer.1.clone(),
            ],
            freed: [
                self.removed_watch.log.clone(),
                self.removed_timer.log.clone(),
            ],
        }
    }

    fn act(self, events: &dyn EventImpl, recorder: &Recorder) {
        let fd = self.ready.as_raw_fd();
        if let Err(error) = events.add_handle(fd, HandleEvents::READABLE, self.added_watch.0) {
            recorder.fault(format!("add_handle inside: {error}"));
        }
        if let Err(error) = events.add_timeout(Period::millis(1), self.added_timer.0) {
            recorder.fault(format!("add_timeout inside: {error}"));
        }
        events.update_handle(self.enabled_watch.id, HandleEvents::READABLE);
        events.update_timeout(self.enabled_timer.id, Period::millis(1));
        if let Err(error) = events.remove_handle(self.removed_watch.id) {
            recorder.fault(format!("remove_handle inside: {error}"));
        }
        if let Err(error) = events.remove_timeout(self.removed_timer.id) {
            recorder.fault(format!("remove_timeout inside: {error}"));
        }
        for log in [&self.removed_watch.log, &self.removed_timer.log] {
            if log.is_freed() {
                recorder.fault("a remove inside a callback or a free frees in place");
            }
        }
    }
}

impl Effects {
    fn await_all(&self, exam: &Exam) {
        let [watch, timer, new_watch, new_timer] = &self.called;
        exam.turn_until("the watch enabled inside is called", || watch.was_called());
        exam.turn_until("the timer enabled inside is called", || timer.was_called());
        exam.turn_until("the watch added inside is called", || {
            new_watch.was_called()
        });
        exam.turn_until("the timer added inside is called", || {
            new_timer.was_called()
        });
        // A busy loop must free too, but that is another clause.
        self.ready.take();
        exam.turn_until("what was removed inside is freed", || {
            self.freed.iter().all(Log::is_freed)
        });
        assert!(self.freed.iter().all(|log| !log.was_called()));
    }
}

fn watch_changes_and_removes_itself(exam: &Exam) {
    let ready = eventfd();
    ready.kick();
    let (events, recorder) = (exam.event_impl(), exam.recorder().clone());
    let (successor, new) = exam.recorder().handle("its successor", |_| {});
    let mut successor = Some(successor);
    let mut step = 0;
    let watch = exam.watch_with(&ready, HandleEvents::READABLE, move |call: Call| {
        let id = WatchId::new(call.id).expect("an id is at least 1");
        step += 1;
        match step {
            1 => events.update_handle(id, HandleEvents::WRITABLE),
            2 => {
                if call.events != HandleEvents::WRITABLE {
                    let was = call.events;
                    recorder.fault(format!("asked for WRITABLE inside, and told {was:?}"));
                }
                if events.remove_handle(id).is_err() {
                    recorder.fault("a watch could not remove itself");
                }
                events.update_handle(id, HandleEvents::READABLE);
                if events.remove_handle(id).is_ok() {
                    recorder.fault("a watch removed itself twice");
                }
                if let Some(successor) = successor.take() {
                    let added = events.add_handle(call.fd, HandleEvents::READABLE, successor);
                    if let Err(error) = added {
                        recorder.fault(format!("a watch on the fd of the removed one: {error}"));
                    }
                }
            }
            _ => recorder.fault("a watch was called after it removed itself"),
        }
    });
    exam.turn_until("the watch is freed and its successor called", || {
        watch.log.is_freed() && new.was_called()
    });
    exam.iterate(2);
    assert_eq!(watch.log.count(), 2);
}

fn timer_changes_and_removes_itself(exam: &Exam) {
    let (events, recorder) = (exam.event_impl(), exam.recorder().clone());
    let (successor, new) = exam.recorder().timeout("its successor", |_| {});
    let mut successor = Some(successor);
    let mut step = 0;
    let timer = exam.timer_with(Period::EVERY_ITERATION, move |call: Call| {
        let id = TimerId::new(call.id).expect("an id is at least 1");
        step += 1;
        match step {
            1 => events.update_timeout(id, Period::millis(2)),
            2 => {
                if events.remove_timeout(id).is_err() {
                    recorder.fault("a timer could not remove itself");
                }
                events.update_timeout(id, Period::EVERY_ITERATION);
                if events.remove_timeout(id).is_ok() {
                    recorder.fault("a timer removed itself twice");
                }
                if let Some(successor) = successor.take() {
                    if let Err(error) = events.add_timeout(Period::EVERY_ITERATION, successor) {
                        recorder.fault(format!("a timer added by a removed one: {error}"));
                    }
                }
            }
            _ => recorder.fault("a timer was called after it removed itself"),
        }
    });
    exam.turn_until("the successor is called", || new.was_called());
    // A busy loop must free too, but that is another clause.
    let successor = new.last().and_then(|call| TimerId::new(call.id));
    exam.remove_timer(successor.expect("an id is at least 1"));
    exam.turn_until("the timer is freed", || timer.log.is_freed());
    exam.iterate(2);
    assert_eq!(timer.log.count(), 2);
}

fn callback_removes_everything(exam: &Exam) {
    let ready = eventfd();
    ready.kick();
    let logs = removers(exam, &ready, 4, 4);
    exam.turn_until("everything is freed", || logs.iter().all(Log::is_freed));
    let calls: usize = logs.iter().map(Log::count).sum();
    assert_eq!(calls, 1, "the first callback removed all others and itself");
    exam.iterate(2);
}

/// Adds watches on a ready descriptor and zero timers; whichever is called
/// first removes all of them, itself last.
pub(super) fn removers(exam: &Exam, ready: &EventFd, watches: usize, timers: usize) -> Vec<Log> {
    let all: Arc<Mutex<Vec<Entry>>> = Arc::default();
    let remover = |is_timer: bool| {
        let (all, events, recorder) =
            (Arc::clone(&all), exam.event_impl(), exam.recorder().clone());
        move |call: Call| {
            let itself = if is_timer {
                TimerId::new(call.id).map(Entry::from)
            } else {
                WatchId::new(call.id).map(Entry::from)
            };
            let mut entries = std::mem::take(&mut *all.lock().expect("no callback panics"));
            entries.sort_by_key(|entry| Some(*entry) == itself);
            for entry in entries {
                if let Err(error) = entry.remove(&*events) {
                    recorder.fault(format!("removing {entry:?} inside a callback: {error}"));
                }
            }
        }
    };
    let mut logs = Vec::new();
    let mut entries = Vec::new();
    for _ in 0..watches {
        let watch = exam.watch_with(ready, HandleEvents::READABLE, remover(false));
        entries.push(watch.id.into());
        logs.push(watch.log);
    }
    for _ in 0..timers {
        let timer = exam.timer_with(Period::EVERY_ITERATION, remover(true));
        entries.push(timer.id.into());
        logs.push(timer.log);
    }
    *all.lock().expect("no callback panics") = entries;
    logs
}

fn free_removes_a_watch_and_closes_its_fd(exam: &Exam) {
    let (victims, other) = (eventfd(), eventfd());
    victims.kick();
    other.kick();
    let victims = numbered(victims);
    let victim = exam.watch(&victims, HandleEvents::READABLE);
    let bystander = exam.watch(&other, HandleEvents::READABLE);
    exam.turn_until("the victim is called while it is watched", || {
        victim.log.was_called()
    });
    let (events, recorder) = (exam.event_impl(), exam.recorder().clone());
    let (victim_log, victim_id) = (victim.log.clone(), victim.id);
    let calls_before = Arc::new(Mutex::new(0));
    let calls_then = Arc::clone(&calls_before);
    let (callback, socket) = exam.recorder().timeout_with_free(
        "the entry whose free removes another",
        |_| {},
        move || {
            if let Err(error) = events.remove_handle(victim_id) {
                recorder.fault(format!("remove_handle inside a free: {error}"));
            }
            drop(victims);
            *calls_then.lock().expect("nothing panics") = victim_log.count();
        },
    );
    let added = exam.event_impl().add_timeout(Period::DISABLED, callback);
    exam.remove_timer(added.expect("added"));
    exam.turn_until("both are freed", || {
        socket.is_freed() && victim.log.is_freed()
    });
    let before = bystander.log.count();
    exam.iterate(3);
    assert!(bystander.log.count() > before, "the bystander starved");
    assert_eq!(
        victim.log.count(),
        *calls_before.lock().expect("nothing panics"),
        "called after it was removed inside a free"
    );
}

fn frees_that_remove_more(exam: &Exam) {
    const LENGTH: usize = 20;
    let ready = eventfd();
    let mut logs = Vec::new();
    let mut next: Option<Entry> = None;
    for number in 0..LENGTH {
        let (events, recorder) = (exam.event_impl(), exam.recorder().clone());
        let then = next.take();
        let on_free = move || {
            if let Some(Err(error)) = then.map(|entry| entry.remove(&*events)) {
                recorder.fault(format!("a remove inside a free: {error}"));
            }
        };
        let (recorder, events) = (exam.recorder(), exam.event_impl());
        let (entry, log): (Entry, Log) = if number % 2 == 0 {
            let (callback, log) = recorder.handle_with_free("a link", |_| {}, on_free);
            let added = events.add_handle(ready.as_raw_fd(), HandleEvents::READABLE, callback);
            (added.expect("added").into(), log)
        } else {
            let (callback, log) = recorder.timeout_with_free("a link", |_| {}, on_free);
            let added = events.add_timeout(Period::DISABLED, callback);
            (added.expect("added").into(), log)
        };
        next = Some(entry);
        logs.push(log);
    }
    if let Some(first) = next {
        first.remove(&*exam.event_impl()).expect("removed");
    }
    exam.turn_until("each free has removed the next", || {
        logs.iter().all(Log::is_freed)
    });
}
