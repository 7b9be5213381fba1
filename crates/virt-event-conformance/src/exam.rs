use std::cell::RefCell;
use std::collections::BTreeSet;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use virt_event::{
    Error, EventImpl, HandleCallback, HandleEvents, Period, Rejected, TimeoutCallback, TimerId,
    WatchId,
};

use crate::fixtures::patience;
use crate::recorder::inside_call;
use crate::{Call, Capabilities, Log, Recorder, Subject};

/// The longest single turn while a condition is awaited. The condition may
/// come true without an event that ends the turn.
const SLICE: Duration = Duration::from_millis(10);

/// One subject taking one case.
///
/// It lives on the thread that runs the loop, and offers the six calls with
/// recorded callbacks, and turns with a deadline. All calls go through
/// [`event_impl`](Self::event_impl), which also notices ids that are given out
/// twice and callbacks that run inside a call.
pub struct Exam {
    /// Empty after [`drop_subject`](Self::drop_subject).
    taking: RefCell<Option<Taking>>,
    recorder: Recorder,
}

struct Taking {
    subject: Rc<dyn Subject>,
    proctor: Arc<Proctor>,
}

/// A watch with a recorded callback.
#[derive(Debug)]
pub struct Watched {
    /// The id.
    pub id: WatchId,
    /// What happened to the callback.
    pub log: Log,
}

/// A timer with a recorded callback.
#[derive(Debug)]
pub struct Timed {
    /// The id.
    pub id: TimerId,
    /// What happened to the callback.
    pub log: Log,
}

impl Exam {
    /// Begins, on the thread that will run the loop.
    pub fn new(subject: Box<dyn Subject>) -> Self {
        let recorder = Recorder::new();
        let proctor = Arc::new(Proctor {
            inner: subject.event_impl(),
            recorder: recorder.clone(),
            watches: Mutex::default(),
            timers: Mutex::default(),
        });
        Self {
            taking: RefCell::new(Some(Taking {
                subject: subject.into(),
                proctor,
            })),
            recorder,
        }
    }

    /// The subject.
    ///
    /// # Panics
    ///
    /// - After [`drop_subject`](Self::drop_subject).
    pub fn subject(&self) -> Rc<dyn Subject> {
        let taking = self.taking.borrow();
        Rc::clone(&taking.as_ref().expect("the subject was dropped").subject)
    }

    /// The six calls, supervised. It may go to other threads.
    ///
    /// # Panics
    ///
    /// - After [`drop_subject`](Self::drop_subject).
    pub fn event_impl(&self) -> Arc<dyn EventImpl> {
        self.proctor()
    }

    /// Makes the callbacks. It may be cloned and go to other threads.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Whether the subject has all these capabilities.
    pub fn has(&self, capabilities: Capabilities) -> bool {
        self.subject().capabilities().contains(capabilities)
    }

    /// Adds a watch whose callback only records.
    ///
    /// # Panics
    ///
    /// - If the add is refused.
    pub fn watch(&self, fd: impl AsFd, events: HandleEvents) -> Watched {
        self.watch_with(fd, events, |_| {})
    }

    /// Adds a watch whose callback records, then runs `then`.
    ///
    /// # Panics
    ///
    /// - If the add is refused.
    pub fn watch_with(
        &self,
        fd: impl AsFd,
        events: HandleEvents,
        then: impl FnMut(Call) + Send + 'static,
    ) -> Watched {
        let fd = fd.as_fd().as_raw_fd();
        let (callback, log) = self.recorder.handle(&format!("the watch on fd {fd}"), then);
        match self.event_impl().add_handle(fd, events, callback) {
            Ok(id) => Watched { id, log },
            Err(refused) => panic!("add_handle({fd}, {events:?}) was refused: {refused}"),
        }
    }

    /// Tries to watch a descriptor that may be bad.
    ///
    /// # Errors
    ///
    /// - Those of `add_handle`, with the callback, and its log.
    pub fn try_watch(
        &self,
        fd: RawFd,
        events: HandleEvents,
    ) -> Result<Watched, (Rejected<HandleCallback>, Log)> {
        let (callback, log) = self
            .recorder
            .handle(&format!("the watch on fd {fd}"), |_| {});
        match self.event_impl().add_handle(fd, events, callback) {
            Ok(id) => Ok(Watched { id, log }),
            Err(refused) => Err((refused, log)),
        }
    }

    /// Adds a timer whose callback only records.
    ///
    /// # Panics
    ///
    /// - If the add is refused.
    pub fn timer(&self, period: Period) -> Timed {
        self.timer_with(period, |_| {})
    }

    /// Adds a timer whose callback records, then runs `then`.
    ///
    /// # Panics
    ///
    /// - If the add is refused.
    pub fn timer_with(&self, period: Period, then: impl FnMut(Call) + Send + 'static) -> Timed {
        let (callback, log) = self
            .recorder
            .timeout(&format!("the timer of {period}"), then);
        match self.event_impl().add_timeout(period, callback) {
            Ok(id) => Timed { id, log },
            Err(refused) => panic!("add_timeout({period}) was refused: {refused}"),
        }
    }

    /// Changes what a watch asks for.
    pub fn update(&self, watch: WatchId, events: HandleEvents) {
        self.event_impl().update_handle(watch, events);
    }

    /// Removes a watch that is live.
    ///
    /// # Panics
    ///
    /// - If that fails.
    pub fn remove(&self, watch: WatchId) {
        if let Err(error) = self.event_impl().remove_handle(watch) {
            panic!("remove_handle({watch}) of a live watch failed: {error}");
        }
    }

    /// Changes a timer's period.
    pub fn update_timer(&self, timer: TimerId, period: Period) {
        self.event_impl().update_timeout(timer, period);
    }

    /// Removes a timer that is live.
    ///
    /// # Panics
    ///
    /// - If that fails.
    pub fn remove_timer(&self, timer: TimerId) {
        if let Err(error) = self.event_impl().remove_timeout(timer) {
            panic!("remove_timeout({timer}) of a live timer failed: {error}");
        }
    }

    /// One turn, then a look at the recorder's faults.
    ///
    /// # Panics
    ///
    /// - If there was a fault.
    pub fn turn(&self, timeout: Duration) {
        self.subject().turn(timeout);
        self.recorder.check();
    }

    /// Turns until `condition` holds.
    ///
    /// # Panics
    ///
    /// - If it does not within [`patience`], naming `what` was awaited, or if
    ///   there was a fault.
    pub fn turn_until(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let began = Instant::now();
        while !condition() {
            assert!(
                began.elapsed() < patience(),
                "waited {:?} in vain: {what}",
                began.elapsed()
            );
            self.turn(SLICE);
        }
    }

    /// As [`turn_until`](Self::turn_until), but a turn may sleep until the
    /// deadline: a change that does not wake the loop is found out.
    ///
    /// # Panics
    ///
    /// - If `condition` does not hold within [`patience`], or there was a fault.
    pub fn sleep_until(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let began = Instant::now();
        while !condition() {
            let left = patience().checked_sub(began.elapsed());
            let Some(left) = left else {
                panic!("slept {:?} through it: {what}", began.elapsed());
            };
            self.turn(left);
        }
        let took = began.elapsed();
        assert!(took < patience(), "slept {took:?} through it: {what}");
    }

    /// Lets the loop run at least `iterations` whole iterations, counted with
    /// a zero timer. Afterwards "it was not called" means something: whatever
    /// was ready before has had its chance.
    ///
    /// # Panics
    ///
    /// - If a zero timer does not fire in every iteration, or there was a fault.
    pub fn iterate(&self, iterations: usize) {
        let fence = self.timer(Period::EVERY_ITERATION);
        // The first call may belong to an iteration that had fetched its
        // events before this function was called.
        self.turn_until("a zero timer, used to count iterations", || {
            fence.log.count() > iterations
        });
        self.remove_timer(fence.id);
    }

    /// How many turns it takes to pass `time`. A loop with nothing to do needs
    /// one or two; one that spins needs thousands. Needs
    /// [`Capabilities::COUNTED`].
    pub fn turns_in(&self, time: Duration) -> u32 {
        let began = Instant::now();
        let mut turns = 0;
        while let Some(left) = time.checked_sub(began.elapsed()) {
            self.turn(left);
            turns += 1;
        }
        turns
    }

    /// Checks that the loop sleeps when nothing is to be done. Needs
    /// [`Capabilities::COUNTED`].
    ///
    /// # Panics
    ///
    /// - If it spins, naming `why` it ought to sleep.
    pub fn assert_sleeps(&self, why: &str) {
        // One turn to do what is left over, and a few that end early by rights:
        // coarse clocks, a signal.
        let turns = self.turns_in(Duration::from_millis(100));
        assert!(
            turns <= 12,
            "the loop spins ({turns} turns in 100 ms) although {why}"
        );
    }

    /// Drops the subject and with it its implementation, if nothing else holds
    /// it. Needs [`Capabilities::DROP`].
    ///
    /// # Panics
    ///
    /// - If the case still holds the subject or its implementation.
    pub fn drop_subject(&self) {
        let taking = self.taking.take().expect("the subject was dropped");
        assert_eq!(
            (
                Rc::strong_count(&taking.subject),
                Arc::strong_count(&taking.proctor)
            ),
            (1, 1),
            "the case still holds the subject"
        );
        drop(taking);
    }

    /// Ends the exam: removes what is still registered, and turns until every
    /// callback is freed. The runner calls it after the case.
    ///
    /// # Panics
    ///
    /// - If a callback was never freed, or there was a fault.
    pub fn finish(self) {
        if self.taking.borrow().is_some() {
            self.proctor().remove_all();
            let deadline = Instant::now() + patience();
            while !self.recorder.unfreed().is_empty() && Instant::now() < deadline {
                self.turn(SLICE);
            }
        }
        let unfreed = self.recorder.unfreed();
        assert!(unfreed.is_empty(), "never freed: {}", unfreed.join(", "));
        drop(self.taking.take());
        self.recorder.check();
    }

    fn proctor(&self) -> Arc<Proctor> {
        let taking = self.taking.borrow();
        Arc::clone(&taking.as_ref().expect("the subject was dropped").proctor)
    }
}

/// Passes the six calls on, and knows what is registered.
struct Proctor {
    inner: Arc<dyn EventImpl>,
    recorder: Recorder,
    watches: Mutex<BTreeSet<WatchId>>,
    timers: Mutex<BTreeSet<TimerId>>,
}

impl Proctor {
    fn remove_all(&self) {
        // Errors are not faults: an id may be in the set because its removal,
        // inside its callback, came before the end of its add on another thread.
        for watch in self.watches.take() {
            let _ = inside_call(|| self.inner.remove_handle(watch));
        }
        for timer in self.timers.take() {
            let _ = inside_call(|| self.inner.remove_timeout(timer));
        }
    }
}

impl EventImpl for Proctor {
    fn add_handle(
        &self,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        let id = inside_call(|| self.inner.add_handle(fd, events, callback))?;
        if !self.watches.add(id) {
            self.recorder
                .fault(format!("watch id {id} was given out while it was live"));
        }
        Ok(id)
    }

    fn update_handle(&self, watch: WatchId, events: HandleEvents) {
        inside_call(|| self.inner.update_handle(watch, events));
    }

    fn remove_handle(&self, watch: WatchId) -> Result<(), Error> {
        // Before the removal: afterwards the id may be given out again.
        self.watches.remove(watch);
        inside_call(|| self.inner.remove_handle(watch))
    }

    fn add_timeout(
        &self,
        period: Period,
        callback: TimeoutCallback,
    ) -> Result<TimerId, Rejected<TimeoutCallback>> {
        let id = inside_call(|| self.inner.add_timeout(period, callback))?;
        if !self.timers.add(id) {
            self.recorder
                .fault(format!("timer id {id} was given out while it was live"));
        }
        Ok(id)
    }

    fn update_timeout(&self, timer: TimerId, period: Period) {
        inside_call(|| self.inner.update_timeout(timer, period));
    }

    fn remove_timeout(&self, timer: TimerId) -> Result<(), Error> {
        self.timers.remove(timer);
        inside_call(|| self.inner.remove_timeout(timer))
    }
}

/// A set of ids behind a lock that is held for one step at a time.
trait Ids<T> {
    fn add(&self, id: T) -> bool;
    fn remove(&self, id: T);
    fn take(&self) -> BTreeSet<T>;
}

impl<T: Ord> Ids<T> for Mutex<BTreeSet<T>> {
    fn add(&self, id: T) -> bool {
        self.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id)
    }

    fn remove(&self, id: T) {
        self.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id);
    }

    fn take(&self) -> BTreeSet<T> {
        std::mem::take(&mut self.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
