use std::collections::BTreeMap;
use std::mem;
use std::os::fd::RawFd;
use std::os::unix::net::UnixStream;
use std::panic;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use virt_event::{
    Error, EventImpl, HandleCallback, HandleEvents, Period, Rejected, TimeoutCallback, TimerId,
    WatchId,
};

/// A small loop that keeps the contract as far as libvirt needs it, writes
/// down what it is asked, and can be told to misbehave.
pub struct TestLoop {
    pub(super) state: Mutex<State>,
    /// What is written to the first ends a poll of the second.
    pub(super) wake: (UnixStream, UnixStream),
}

/// What [`TestLoop`] was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    AddHandle(RawFd, HandleEvents),
    UpdateHandle(i32, HandleEvents),
    RemoveHandle(i32),
    AddTimeout(Period),
    UpdateTimeout(i32, Period),
    RemoveTimeout(i32),
}

/// How [`TestLoop`] answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    /// As it should.
    Work,
    /// It takes nothing, and gives callbacks back.
    Refuse,
    /// The same, with the callback inside another one.
    RefuseInDisguise,
    /// It takes nothing, and drops callbacks on another thread.
    RefuseElsewhere,
    /// Once: it has freed the callback on another thread, as after calls and a
    /// removal there, before its add returns.
    FinishElsewhere,
    /// It panics.
    Panic,
    /// It panics, but keeps the callback and will call it.
    PanicAndKeep,
    /// It panics with something that panics when it is dropped.
    PanicTwice,
}

pub(super) struct State {
    pub(super) mood: Mood,
    pub(super) asked: Vec<Asked>,
    last_watch: i32,
    last_timer: i32,
    pub(super) watches: BTreeMap<i32, Watch>,
    pub(super) timers: BTreeMap<i32, Timer>,
    /// Removed callbacks, until the end of the iteration.
    pub(super) removed: Vec<Box<dyn Send>>,
}

pub(super) struct Watch {
    pub(super) fd: RawFd,
    pub(super) events: HandleEvents,
    /// `None` while it runs.
    pub(super) callback: Option<HandleCallback>,
}

pub(super) struct Timer {
    pub(super) period: Period,
    /// `None` while disabled.
    pub(super) due: Option<Instant>,
    /// `None` while it runs.
    pub(super) callback: Option<TimeoutCallback>,
}

impl TestLoop {
    pub(super) fn new() -> Arc<Self> {
        let wake = UnixStream::pair().expect("a socket pair");
        wake.0.set_nonblocking(true).expect("non-blocking");
        wake.1.set_nonblocking(true).expect("non-blocking");
        Arc::new(Self {
            state: Mutex::new(State {
                mood: Mood::Work,
                asked: Vec::new(),
                last_watch: 0,
                last_timer: 0,
                watches: BTreeMap::new(),
                timers: BTreeMap::new(),
                removed: Vec::new(),
            }),
            wake,
        })
    }

    pub(super) fn set_mood(&self, mood: Mood) {
        self.state().mood = mood;
    }

    /// What it was asked since the last call of this.
    pub(super) fn asked(&self) -> Vec<Asked> {
        mem::take(&mut self.state().asked)
    }

    /// Entries that are registered, and callbacks that await their free.
    pub(super) fn left(&self) -> usize {
        let state = self.state();
        state.watches.len() + state.timers.len() + state.removed.len()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down the question, and panics in the moods that do.
    fn hear(&self, asked: Asked) -> Mood {
        let mut state = self.state();
        state.asked.push(asked);
        let mood = state.mood;
        drop(state);
        match mood {
            Mood::Panic => panic!("the implementation panics, as it was told to"),
            Mood::PanicTwice => panic::panic_any(PanicsWhenDropped),
            _ => mood,
        }
    }

    fn changed(&self) {
        // When the buffer is full, it will be noticed as well.
        let _ = std::io::Write::write(&mut &self.wake.0, &[0]);
    }
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("the payload of the panic panics, as it was told to");
    }
}

/// When a timer that is set now is due first.
pub(super) fn due(period: Period) -> Option<Instant> {
    period
        .duration()
        .map(|period: Duration| Instant::now() + period)
}

impl EventImpl for TestLoop {
    fn add_handle(
        &self,
        fd: RawFd,
        events: HandleEvents,
        mut callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        let mood = self.hear(Asked::AddHandle(fd, events));
        match mood {
            Mood::Refuse => return Err(Rejected::new(Error::IdsExhausted, callback)),
            Mood::RefuseInDisguise => {
                let disguised = HandleCallback::new(move |watch, fd, events| {
                    callback.call(watch, fd, events);
                });
                return Err(Rejected::new(Error::IdsExhausted, disguised));
            }
            Mood::RefuseElsewhere => {
                drop_elsewhere(callback);
                let another = HandleCallback::new(|_, _, _| {});
                return Err(Rejected::new(Error::IdsExhausted, another));
            }
            _ => {}
        }
        let mut state = self.state();
        state.last_watch += 1;
        let id = state.last_watch;
        if mood == Mood::FinishElsewhere {
            state.mood = Mood::Work;
            drop_elsewhere(callback);
            return Ok(WatchId::new(id).expect("it is positive"));
        }
        let watch = Watch {
            fd,
            events,
            callback: Some(callback),
        };
        state.watches.insert(id, watch);
        drop(state);
        self.changed();
        assert_ne!(mood, Mood::PanicAndKeep, "as it was told to");
        Ok(WatchId::new(id).expect("ids begin at 1"))
    }

    fn update_handle(&self, watch: WatchId, events: HandleEvents) {
        self.hear(Asked::UpdateHandle(watch.get(), events));
        if let Some(watch) = self.state().watches.get_mut(&watch.get()) {
            watch.events = events;
        }
        self.changed();
    }

    fn remove_handle(&self, watch: WatchId) -> Result<(), Error> {
        self.hear(Asked::RemoveHandle(watch.get()));
        let mut state = self.state();
        let removed = state.watches.remove(&watch.get());
        let removed = removed.ok_or(Error::UnknownWatch(watch))?;
        state.removed.push(Box::new(removed.callback));
        drop(state);
        self.changed();
        Ok(())
    }

    fn add_timeout(
        &self,
        period: Period,
        mut callback: TimeoutCallback,
    ) -> Result<TimerId, Rejected<TimeoutCallback>> {
        let mood = self.hear(Asked::AddTimeout(period));
        match mood {
            Mood::Refuse => return Err(Rejected::new(Error::IdsExhausted, callback)),
            Mood::RefuseInDisguise => {
                let disguised = TimeoutCallback::new(move |timer| callback.call(timer));
                return Err(Rejected::new(Error::IdsExhausted, disguised));
            }
            Mood::RefuseElsewhere => {
                drop_elsewhere(callback);
                let another = TimeoutCallback::new(|_| {});
                return Err(Rejected::new(Error::IdsExhausted, another));
            }
            _ => {}
        }
        let mut state = self.state();
        state.last_timer += 1;
        let id = state.last_timer;
        if mood == Mood::FinishElsewhere {
            state.mood = Mood::Work;
            drop_elsewhere(callback);
            return Ok(TimerId::new(id).expect("it is positive"));
        }
        let timer = Timer {
            period,
            due: due(period),
            callback: Some(callback),
        };
        state.timers.insert(id, timer);
        drop(state);
        self.changed();
        assert_ne!(mood, Mood::PanicAndKeep, "as it was told to");
        Ok(TimerId::new(id).expect("ids begin at 1"))
    }

    fn update_timeout(&self, timer: TimerId, period: Period) {
        self.hear(Asked::UpdateTimeout(timer.get(), period));
        if let Some(timer) = self.state().timers.get_mut(&timer.get()) {
            timer.period = period;
            timer.due = due(period);
        }
        self.changed();
    }

    fn remove_timeout(&self, timer: TimerId) -> Result<(), Error> {
        self.hear(Asked::RemoveTimeout(timer.get()));
        let mut state = self.state();
        let removed = state.timers.remove(&timer.get());
        let removed = removed.ok_or(Error::UnknownTimer(timer))?;
        state.removed.push(Box::new(removed.callback));
        drop(state);
        self.changed();
        Ok(())
    }
}

fn drop_elsewhere(callback: impl Send) {
    thread::scope(|scope| {
        scope.spawn(move || drop(callback));
    });
}
