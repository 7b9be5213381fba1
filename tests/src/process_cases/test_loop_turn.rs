//! The turn of [`TestLoop`], over `poll(2)`.

#![allow(unsafe_code, reason = "polls descriptors that libvirt owns")]

use std::io::Read;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use virt_event::{HandleEvents, TimerId, WatchId};

use super::TestLoop;
use super::test_loop::due;

impl TestLoop {
    /// One iteration, which sleeps for `limit` at most.
    pub(super) fn turn(&self, limit: Duration) {
        let ready = self.wait(limit);
        for (id, events) in ready {
            self.call_watch(id, events);
        }
        for id in self.due_timers() {
            self.call_timer(id);
        }
        // Frees may add and remove, so they run without the lock.
        let removed = std::mem::take(&mut self.state().removed);
        drop(removed);
    }

    /// Turns until `done`.
    ///
    /// # Panics
    ///
    /// - If that takes more than ten seconds.
    pub(super) fn turn_until(&self, what: &str, mut done: impl FnMut() -> bool) {
        let began = Instant::now();
        while !done() {
            assert!(began.elapsed() < Duration::from_secs(10), "in vain: {what}");
            self.turn(Duration::from_millis(10));
        }
    }

    fn wait(&self, limit: Duration) -> Vec<(i32, HandleEvents)> {
        let mut watched = Vec::new();
        let mut fds = vec![PollFd::new(&self.wake.1, PollFlags::IN)];
        let state = self.state();
        for (id, watch) in &state.watches {
            if watch.events.is_empty() || watch.callback.is_none() {
                continue;
            }
            watched.push(*id);
            // SAFETY: a removed watch wakes this poll, and nothing reads from
            // the descriptor or keeps it; a closed one makes poll say so.
            let fd = unsafe { BorrowedFd::borrow_raw(watch.fd) };
            fds.push(PollFd::from_borrowed_fd(fd, to_poll(watch.events)));
        }
        let now = Instant::now();
        let due = state.timers.values().filter_map(|timer| timer.due).min();
        let mut sleep = due.map_or(limit, |due| limit.min(due.saturating_duration_since(now)));
        if !state.removed.is_empty() {
            sleep = Duration::ZERO;
        }
        drop(state);

        let sleep = Timespec {
            tv_sec: sleep.as_secs() as i64,
            tv_nsec: sleep.subsec_nanos().into(),
        };
        if poll(&mut fds, Some(&sleep)).is_err() {
            return Vec::new();
        }
        let _ = (&self.wake.1).read(&mut [0; 512]);
        watched
            .into_iter()
            .zip(fds[1..].iter().map(|fd| from_poll(fd.revents())))
            .filter(|(_, events)| !events.is_empty())
            .collect()
    }

    fn call_watch(&self, id: i32, ready: HandleEvents) {
        let mut state = self.state();
        let Some(watch) = state.watches.get_mut(&id) else {
            return;
        };
        let always = HandleEvents::ERROR | HandleEvents::HANGUP;
        let events = ready & (watch.events | always);
        let fd = watch.fd;
        if watch.events.is_empty() || events.is_empty() {
            return;
        }
        let Some(mut callback) = watch.callback.take() else {
            return;
        };
        drop(state);
        callback.call(WatchId::new(id).expect("ids begin at 1"), fd, events);
        let mut state = self.state();
        match state.watches.get_mut(&id) {
            Some(watch) => watch.callback = Some(callback),
            None => state.removed.push(Box::new(callback)),
        }
    }

    fn due_timers(&self) -> Vec<i32> {
        let now = Instant::now();
        let state = self.state();
        let due = state
            .timers
            .iter()
            .filter(|(_, timer)| timer.due.is_some_and(|due| due <= now));
        due.map(|(id, _)| *id).collect()
    }

    fn call_timer(&self, id: i32) {
        let mut state = self.state();
        let Some(timer) = state.timers.get_mut(&id) else {
            return;
        };
        if timer.due.is_none_or(|due| due > Instant::now()) {
            return;
        }
        let Some(mut callback) = timer.callback.take() else {
            return;
        };
        timer.due = due(timer.period);
        drop(state);
        callback.call(TimerId::new(id).expect("ids begin at 1"));
        let mut state = self.state();
        match state.timers.get_mut(&id) {
            Some(timer) => timer.callback = Some(callback),
            None => state.removed.push(Box::new(callback)),
        }
    }
}

const PAIRS: [(HandleEvents, PollFlags); 4] = [
    (HandleEvents::READABLE, PollFlags::IN),
    (HandleEvents::WRITABLE, PollFlags::OUT),
    (HandleEvents::ERROR, PollFlags::ERR),
    (HandleEvents::HANGUP, PollFlags::HUP),
];

fn to_poll(events: HandleEvents) -> PollFlags {
    let asked = PAIRS.iter().filter(|(event, _)| events.contains(*event));
    asked.fold(PollFlags::empty(), |flags, (_, flag)| flags | *flag)
}

fn from_poll(flags: PollFlags) -> HandleEvents {
    let told = PAIRS.iter().filter(|(_, flag)| flags.contains(*flag));
    told.fold(HandleEvents::empty(), |events, (event, _)| events | *event)
}
