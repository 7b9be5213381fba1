//! A small event loop over `poll(2)`, and the exam mounted on it.
//!
//! ```sh
//! cargo run -p virt-event-conformance --example poll_loop             # the whole exam
//! cargo run -p virt-event-conformance --example poll_loop -- h05      # one clause
//! ```
//!
//! It passes all that applies to it but the cases of H8 about a descriptor
//! number that is used again: `poll(2)` knows descriptors by number only, so
//! the watch on the old one sees the events of the new one. The exam tells.

#![expect(unsafe_code, reason = "poll(2) on descriptors that libvirt owns")]

use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use virt_event::{
    Error, EventImpl, HandleCallback, HandleEvents, Period, Rejected, TimeoutCallback, TimerId,
    WatchId,
};
use virt_event_conformance::{Capabilities, Subject, conformance_main};

conformance_main!("poll loop", |config| Box::new(PollSubject(Arc::new(
    PollLoop::new(config.first_id)
))));

/// The loop as a subject: what the exam needs beyond the six calls.
struct PollSubject(Arc<PollLoop>);

impl Subject for PollSubject {
    fn event_impl(&self) -> Arc<dyn EventImpl> {
        Arc::clone(&self.0) as Arc<dyn EventImpl>
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::COUNTED | Capabilities::FIRST_ID | Capabilities::DROP | Capabilities::WAKE
    }

    fn turn(&self, timeout: Duration) {
        self.0.turn(timeout);
    }

    fn waker(&self) -> Box<dyn Fn() + Send + Sync> {
        let event_loop = Arc::clone(&self.0);
        Box::new(move || event_loop.wake())
    }
}

struct PollLoop {
    state: Mutex<State>,
    /// Ends a `poll` whose set is no longer right.
    waker: OwnedFd,
}

struct State {
    next_watch: i32,
    next_timer: i32,
    watches: BTreeMap<i32, Watch>,
    timers: BTreeMap<i32, Timer>,
    /// Removed callbacks, which the loop drops.
    graveyard: Vec<Box<dyn Any + Send>>,
}

struct Watch {
    fd: RawFd,
    events: HandleEvents,
    /// `None` while it runs.
    callback: Option<HandleCallback>,
}

struct Timer {
    period: Period,
    due: Option<Instant>,
    /// `None` while it runs.
    callback: Option<TimeoutCallback>,
}

impl PollLoop {
    fn new(first_id: i32) -> Self {
        Self {
            state: Mutex::new(State {
                next_watch: first_id,
                next_timer: first_id,
                watches: BTreeMap::new(),
                timers: BTreeMap::new(),
                graveyard: Vec::new(),
            }),
            waker: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).expect("eventfd"),
        }
    }

    fn wake(&self) {
        // It fails only when the counter is full, and then it is readable.
        let _ = rustix::io::write(&self.waker, &1_u64.to_ne_bytes());
    }

    /// One iteration.
    fn turn(&self, timeout: Duration) {
        let (asked, timeout) = self.lock().what_to_poll(timeout);
        let mut fds = vec![PollFd::new(&self.waker, PollFlags::IN)];
        fds.extend(asked.iter().map(|(_, fd, events)| poll_fd(*fd, *events)));
        let timeout = Timespec {
            tv_sec: timeout.as_secs() as i64,
            tv_nsec: timeout.subsec_nanos().into(),
        };
        if poll(&mut fds, Some(&timeout)).is_err() {
            // A signal: the caller turns again.
            return;
        }
        let _ = rustix::io::read(&self.waker, &mut [0; 8]);
        let mut panic = None;
        for ((id, fd, _), polled) in asked.iter().zip(&fds[1..]) {
            self.dispatch(*id, *fd, polled.revents(), &mut panic);
        }
        self.fire(&mut panic);
        let graves = std::mem::take(&mut self.lock().graveyard);
        for grave in graves {
            catch(&mut panic, || drop(grave));
        }
        // Everybody was served; now it may go on.
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    /// Calls one watch, with the lock released.
    fn dispatch(&self, id: i32, fd: RawFd, ready: PollFlags, panic: &mut Option<Panic>) {
        let mut state = self.lock();
        let Some(watch) = state.watches.get_mut(&id) else {
            return;
        };
        if ready.contains(PollFlags::NVAL) {
            // Closed while watched: parked, or it would spin.
            watch.events = HandleEvents::empty();
            return;
        }
        // The interest may have changed since the fetch.
        let always = HandleEvents::ERROR | HandleEvents::HANGUP;
        let events = handle_events(ready) & (watch.events | always);
        if watch.events.is_empty() || events.is_empty() {
            return;
        }
        let Some(mut callback) = watch.callback.take() else {
            return;
        };
        drop(state);
        let watch = WatchId::new(id).expect("ids are positive");
        catch(panic, || callback.call(watch, fd, events));
        self.lock().watch_returns(id, callback);
    }

    /// Calls the timers that are due, each once.
    fn fire(&self, panic: &mut Option<Panic>) {
        let now = Instant::now();
        let due: Vec<i32> = self
            .lock()
            .timers
            .iter()
            .filter(|(_, timer)| timer.due.is_some_and(|due| due <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            let mut state = self.lock();
            let Some(timer) = state.timers.get_mut(&id) else {
                continue;
            };
            if timer.due.is_none_or(|due| due > now) {
                continue;
            }
            let Some(mut callback) = timer.callback.take() else {
                continue;
            };
            timer.due = deadline(timer.period);
            drop(state);
            let timer = TimerId::new(id).expect("ids are positive");
            catch(panic, || callback.call(timer));
            self.lock().timer_returns(id, callback);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventImpl for PollLoop {
    fn add_handle(
        &self,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        if let Err(source) = check_open(fd) {
            tracing::error!(fd, %source, "refusing to watch a bad descriptor");
            return Err(Rejected::new(Error::Descriptor { fd, source }, callback));
        }
        let mut state = self.lock();
        let id = free_id(state.next_watch, |id| !state.watches.contains_key(&id));
        state.next_watch = after(id);
        let watch = Watch {
            fd,
            events: known(events),
            callback: Some(callback),
        };
        state.watches.insert(id, watch);
        drop(state);
        self.wake();
        Ok(WatchId::new(id).expect("ids are positive"))
    }

    fn update_handle(&self, watch: WatchId, events: HandleEvents) {
        if let Some(watch) = self.lock().watches.get_mut(&watch.get()) {
            watch.events = known(events);
        }
        self.wake();
    }

    fn remove_handle(&self, watch: WatchId) -> Result<(), Error> {
        let mut state = self.lock();
        let removed = state
            .watches
            .remove(&watch.get())
            .ok_or(Error::UnknownWatch(watch))?;
        if let Some(callback) = removed.callback {
            state.graveyard.push(Box::new(callback));
        }
        drop(state);
        self.wake();
        Ok(())
    }

    fn add_timeout(
        &self,
        period: Period,
        callback: TimeoutCallback,
    ) -> Result<TimerId, Rejected<TimeoutCallback>> {
        let mut state = self.lock();
        let id = free_id(state.next_timer, |id| !state.timers.contains_key(&id));
        state.next_timer = after(id);
        let timer = Timer {
            period,
            due: deadline(period),
            callback: Some(callback),
        };
        state.timers.insert(id, timer);
        drop(state);
        self.wake();
        Ok(TimerId::new(id).expect("ids are positive"))
    }

    fn update_timeout(&self, timer: TimerId, period: Period) {
        if let Some(timer) = self.lock().timers.get_mut(&timer.get()) {
            timer.period = period;
            timer.due = deadline(period);
        }
        self.wake();
    }

    fn remove_timeout(&self, timer: TimerId) -> Result<(), Error> {
        let mut state = self.lock();
        let removed = state
            .timers
            .remove(&timer.get())
            .ok_or(Error::UnknownTimer(timer))?;
        if let Some(callback) = removed.callback {
            state.graveyard.push(Box::new(callback));
        }
        drop(state);
        self.wake();
        Ok(())
    }
}

impl State {
    /// The set to poll, and for how long.
    fn what_to_poll(&self, timeout: Duration) -> (Vec<(i32, RawFd, HandleEvents)>, Duration) {
        let asked = self
            .watches
            .iter()
            .filter(|(_, watch)| !watch.events.is_empty())
            .map(|(id, watch)| (*id, watch.fd, watch.events))
            .collect();
        let next = self.timers.values().filter_map(|timer| timer.due).min();
        let timeout = if self.graveyard.is_empty() {
            next.map_or(timeout, |next| {
                timeout.min(next.saturating_duration_since(Instant::now()))
            })
        } else {
            Duration::ZERO
        };
        (asked, timeout)
    }

    fn watch_returns(&mut self, id: i32, callback: HandleCallback) {
        match self.watches.get_mut(&id) {
            Some(watch) => watch.callback = Some(callback),
            None => self.graveyard.push(Box::new(callback)),
        }
    }

    fn timer_returns(&mut self, id: i32, callback: TimeoutCallback) {
        match self.timers.get_mut(&id) {
            Some(timer) => timer.callback = Some(callback),
            None => self.graveyard.push(Box::new(callback)),
        }
    }
}

type Panic = Box<dyn Any + Send>;

/// Keeps the first panic for the end of the turn.
fn catch(first: &mut Option<Panic>, act: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(act)) {
        first.get_or_insert(panic);
    }
}

/// The next id that is free.
fn free_id(next: i32, is_free: impl Fn(i32) -> bool) -> i32 {
    let mut id = next;
    while !is_free(id) {
        id = after(id);
    }
    id
}

/// After the last id comes 1.
fn after(id: i32) -> i32 {
    id.checked_add(1).unwrap_or(1)
}

fn deadline(period: Period) -> Option<Instant> {
    Instant::now().checked_add(period.duration()?)
}

fn known(events: HandleEvents) -> HandleEvents {
    HandleEvents::from_bits_truncate(events.bits())
}

fn check_open(fd: RawFd) -> io::Result<()> {
    if fd < 0 {
        return Err(io::Error::from_raw_os_error(9));
    }
    rustix::io::fcntl_getfd(borrow(fd))?;
    Ok(())
}

fn poll_fd(fd: RawFd, events: HandleEvents) -> PollFd<'static> {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::IN, events.contains(HandleEvents::READABLE));
    flags.set(PollFlags::OUT, events.contains(HandleEvents::WRITABLE));
    PollFd::from_borrowed_fd(borrow(fd), flags)
}

fn handle_events(ready: PollFlags) -> HandleEvents {
    let mut events = HandleEvents::empty();
    events.set(HandleEvents::READABLE, ready.contains(PollFlags::IN));
    events.set(HandleEvents::WRITABLE, ready.contains(PollFlags::OUT));
    events.set(HandleEvents::ERROR, ready.contains(PollFlags::ERR));
    events.set(HandleEvents::HANGUP, ready.contains(PollFlags::HUP));
    events
}

fn borrow(fd: RawFd) -> BorrowedFd<'static> {
    // SAFETY: the number is not −1 (only `check_open` meets negative ones, and
    // refuses them first), and it is used for system calls that accept a closed
    // descriptor, never to read, write or close.
    unsafe { BorrowedFd::borrow_raw(fd) }
}
