use std::cell::Cell;
use std::fmt;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Instant;

use virt_event::{HandleCallback, HandleEvents, TimeoutCallback};

/// How many calls a [`Log`] keeps; it counts the later ones.
const KEPT: usize = 4096;

thread_local! {
    /// How deep this thread is inside the six calls; see [`inside_call`].
    static CALL_DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Makes callbacks and remembers what happens to them.
///
/// Each callback owns a token. The recorder notices when one is freed twice,
/// called after it was freed, called while it already runs, or called or
/// freed inside one of the six calls or on a thread that does not turn the
/// loop. Such a fault fails the case at the next turn.
#[derive(Clone)]
pub struct Recorder(Arc<Shared>);

struct Shared {
    /// Numbers calls and frees, so that those of two logs can be compared.
    clock: AtomicU64,
    /// The callbacks that run now, innermost last, with the thread of each.
    running: Mutex<Vec<ThreadId>>,
    /// The threads on which callbacks and frees may run; empty means all.
    loop_threads: Mutex<Vec<ThreadId>>,
    faults: Mutex<Vec<String>>,
    logs: Mutex<Vec<Log>>,
}

/// One call of a recorded callback.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// The number of the watch or the timer.
    pub id: i32,
    /// The descriptor; −1 for a timer.
    pub fd: RawFd,
    /// The events; empty for a timer.
    pub events: HandleEvents,
    /// Where it ran.
    pub thread: ThreadId,
    /// When it began.
    pub at: Instant,
    /// Its place in the order of all calls and frees of the recorder.
    pub order: u64,
}

/// The freeing of a recorded callback.
#[derive(Clone, Copy, Debug)]
pub struct Free {
    /// Where it ran.
    pub thread: ThreadId,
    /// When it happened.
    pub at: Instant,
    /// Its place in the order of all calls and frees of the recorder.
    pub order: u64,
}

/// What happened to one callback.
#[derive(Clone)]
pub struct Log(Arc<Entry>);

struct Entry {
    name: String,
    calls: AtomicUsize,
    kept: Mutex<Vec<Call>>,
    frees: Mutex<Vec<Free>>,
    /// The callback runs now.
    running: AtomicBool,
}

impl Recorder {
    /// A recorder that expects callbacks and frees on the calling thread
    /// only.
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            clock: AtomicU64::new(0),
            running: Mutex::new(Vec::new()),
            loop_threads: Mutex::new(vec![thread::current().id()]),
            faults: Mutex::new(Vec::new()),
            logs: Mutex::new(Vec::new()),
        }))
    }

    /// A handle callback that is recorded, then runs `then`. The name appears
    /// in messages.
    pub fn handle(
        &self,
        name: &str,
        mut then: impl FnMut(Call) + Send + 'static,
    ) -> (HandleCallback, Log) {
        let token = self.token(name, None);
        let log = token.log.clone();
        let callback = HandleCallback::with_state(token, move |token, watch, fd, events| {
            token.call(watch.get(), fd, events, &mut then);
        });
        (callback, log)
    }

    /// A timeout callback that is recorded, then runs `then`. The name
    /// appears in messages.
    pub fn timeout(
        &self,
        name: &str,
        mut then: impl FnMut(Call) + Send + 'static,
    ) -> (TimeoutCallback, Log) {
        let token = self.token(name, None);
        let log = token.log.clone();
        let callback = TimeoutCallback::with_state(token, move |token, timer| {
            token.call(timer.get(), -1, HandleEvents::empty(), &mut then);
        });
        (callback, log)
    }

    /// As [`handle`](Self::handle); `on_free` runs while the callback is
    /// freed.
    pub fn handle_with_free(
        &self,
        name: &str,
        mut then: impl FnMut(Call) + Send + 'static,
        on_free: impl FnOnce() + Send + 'static,
    ) -> (HandleCallback, Log) {
        let token = self.token(name, Some(Box::new(on_free)));
        let log = token.log.clone();
        let callback = HandleCallback::with_state(token, move |token, watch, fd, events| {
            token.call(watch.get(), fd, events, &mut then);
        });
        (callback, log)
    }

    /// As [`timeout`](Self::timeout); `on_free` runs while the callback is
    /// freed.
    pub fn timeout_with_free(
        &self,
        name: &str,
        mut then: impl FnMut(Call) + Send + 'static,
        on_free: impl FnOnce() + Send + 'static,
    ) -> (TimeoutCallback, Log) {
        let token = self.token(name, Some(Box::new(on_free)));
        let log = token.log.clone();
        let callback = TimeoutCallback::with_state(token, move |token, timer| {
            token.call(timer.get(), -1, HandleEvents::empty(), &mut then);
        });
        (callback, log)
    }

    /// Lets callbacks and frees run on this thread too.
    pub fn allow_thread(&self, thread: ThreadId) {
        lock(&self.0.loop_threads).push(thread);
    }

    /// Lets callbacks and frees run on every thread.
    pub fn allow_any_thread(&self) {
        lock(&self.0.loop_threads).clear();
    }

    /// Records a fault: the case fails at the next turn. For callbacks, whose
    /// panics would not reach the case.
    pub fn fault(&self, message: impl Into<String>) {
        self.0.fault(message.into());
    }

    /// The faults so far.
    pub fn faults(&self) -> Vec<String> {
        lock(&self.0.faults).clone()
    }

    /// Panics if there was a fault.
    pub fn check(&self) {
        let faults = self.faults();
        assert!(faults.is_empty(), "{}", faults.join("; "));
    }

    /// The names of the callbacks that are not freed.
    pub fn unfreed(&self) -> Vec<String> {
        lock(&self.0.logs)
            .iter()
            .filter(|log| !log.is_freed())
            .map(|log| log.0.name.clone())
            .collect()
    }

    fn token(&self, name: &str, on_free: Option<Box<dyn FnOnce() + Send>>) -> Token {
        let log = Log(Arc::new(Entry {
            name: name.to_owned(),
            calls: AtomicUsize::new(0),
            kept: Mutex::new(Vec::new()),
            frees: Mutex::new(Vec::new()),
            running: AtomicBool::new(false),
        }));
        lock(&self.0.logs).push(log.clone());
        Token {
            log,
            shared: Arc::clone(&self.0),
            on_free,
        }
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Log {
    /// How often the callback was called.
    pub fn count(&self) -> usize {
        self.0.calls.load(Ordering::Acquire)
    }

    /// Whether it was called at all.
    pub fn was_called(&self) -> bool {
        self.count() > 0
    }

    /// The first few thousand calls.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.0.kept).clone()
    }

    /// The last of [`calls`](Self::calls).
    pub fn last(&self) -> Option<Call> {
        lock(&self.0.kept).last().copied()
    }

    /// All events of [`calls`](Self::calls) together.
    pub fn seen(&self) -> HandleEvents {
        lock(&self.0.kept)
            .iter()
            .fold(HandleEvents::empty(), |all, call| all | call.events)
    }

    /// How often the callback was freed: 0 or 1, if all is well.
    pub fn frees(&self) -> usize {
        lock(&self.0.frees).len()
    }

    /// Whether the callback was freed.
    pub fn is_freed(&self) -> bool {
        self.frees() > 0
    }

    /// When and where the callback was freed.
    pub fn free(&self) -> Option<Free> {
        lock(&self.0.frees).first().copied()
    }

    /// Whether the callback runs now.
    pub fn is_running(&self) -> bool {
        self.0.running.load(Ordering::Acquire)
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log")
            .field("name", &self.0.name)
            .field("calls", &self.count())
            .field("frees", &self.frees())
            .finish()
    }
}

impl Shared {
    fn fault(&self, message: String) {
        let mut faults = lock(&self.faults);
        // A loop that spins on a fault would fill the memory.
        if faults.len() < 20 && !faults.contains(&message) {
            faults.push(message);
        }
    }

    fn check_place(&self, what: &str, name: &str) {
        if CALL_DEPTH.get() > 0 {
            self.fault(format!("{name} was {what} inside one of the six calls"));
        }
        let threads = lock(&self.loop_threads);
        if !threads.is_empty() && !threads.contains(&thread::current().id()) {
            drop(threads);
            self.fault(format!(
                "{name} was {what} on a thread that does not turn the loop"
            ));
        }
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::AcqRel)
    }
}

/// What a recorded callback owns.
struct Token {
    log: Log,
    shared: Arc<Shared>,
    on_free: Option<Box<dyn FnOnce() + Send>>,
}

impl Token {
    fn call(&self, id: i32, fd: RawFd, events: HandleEvents, then: &mut dyn FnMut(Call)) {
        let entry = &*self.log.0;
        let name = &entry.name;
        self.shared.check_place("called", name);
        if entry.running.swap(true, Ordering::AcqRel) {
            self.shared
                .fault(format!("{name} was called while it was running"));
        }
        if self.log.is_freed() {
            self.shared
                .fault(format!("{name} was called after it was freed"));
        }
        let thread = thread::current().id();
        {
            let mut running = lock(&self.shared.running);
            if running.iter().any(|other| *other != thread) {
                self.shared.fault(format!(
                    "{name} was called while another thread ran a callback"
                ));
            }
            running.push(thread);
        }
        // Undone by a drop, because `then` may panic (contract C8).
        let _running = Running {
            shared: &self.shared,
            entry,
            thread,
        };
        let call = Call {
            id,
            fd,
            events,
            thread,
            at: Instant::now(),
            order: self.shared.tick(),
        };
        {
            let mut kept = lock(&entry.kept);
            if kept.len() < KEPT {
                kept.push(call);
            }
        }
        entry.calls.fetch_add(1, Ordering::AcqRel);
        then(call);
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        let entry = &*self.log.0;
        self.shared.check_place("freed", &entry.name);
        if entry.running.load(Ordering::Acquire) {
            self.shared
                .fault(format!("{} was freed while it was running", entry.name));
        }
        let already = self.log.is_freed();
        if already {
            self.shared.fault(format!("{} was freed twice", entry.name));
        }
        lock(&entry.frees).push(Free {
            thread: thread::current().id(),
            at: Instant::now(),
            order: self.shared.tick(),
        });
        // Last, because it may panic (contract C8).
        if let Some(on_free) = self.on_free.take() {
            on_free();
        }
    }
}

struct Running<'a> {
    shared: &'a Shared,
    entry: &'a Entry,
    thread: ThreadId,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.entry.running.store(false, Ordering::Release);
        let mut running = lock(&self.shared.running);
        if let Some(at) = running.iter().rposition(|thread| *thread == self.thread) {
            running.remove(at);
        }
    }
}

/// Marks this thread as being inside one of the six calls while `call` runs.
pub(crate) fn inside_call<R>(call: impl FnOnce() -> R) -> R {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            CALL_DEPTH.set(CALL_DEPTH.get() - 1);
        }
    }
    CALL_DEPTH.set(CALL_DEPTH.get() + 1);
    let _leave = Leave;
    call()
}

/// A panicking callback must not take the recorder with it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
