use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError, Weak};
use std::time::Duration;

use virt_event::{
    Error, EventImpl, HandleCallback, HandleEvents, Period, Rejected, TimeoutCallback, TimerId,
    WatchId,
};

use crate::entry::Entry;
use crate::mutants::wrapper::{Fault, broken};
use crate::{Config, Factory, Subject};

/// A fault put together from closures, each in place of one thing that a
/// right subject does.
///
/// It reaches what a [`Fault`] alone cannot: the callbacks themselves, after
/// they were added.
#[derive(Default)]
pub(crate) struct Tamper {
    hooks: Hooks,
    bodies: Arc<Bodies>,
}

/// Everything that the right subject holds while it believes that it holds
/// callbacks, in the order of the adds.
#[derive(Default)]
pub(crate) struct Bodies(Mutex<Vec<Arc<Body>>>);

/// A callback that a fault can reach.
pub(crate) struct Body {
    entry: OnceLock<Entry>,
    fd: RawFd,
    asked: Mutex<Asked>,
    /// Locked while it runs; empty once it is freed.
    callback: Mutex<Option<Callback>>,
    leaked: AtomicBool,
}

/// What an entry asked for last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Events(HandleEvents),
    Period(Period),
}

/// Where a call happens.
pub(crate) struct Site<'a> {
    pub(crate) body: &'a Arc<Body>,
    pub(crate) entry: Entry,
    /// What a watch is told; empty for a timer.
    pub(crate) events: HandleEvents,
    /// The right implementation.
    pub(crate) inner: Arc<dyn EventImpl>,
}

/// A callback that the loop has let go of. Dropping it frees it.
pub(crate) type Corpse = Box<dyn Send>;

type Hook<F> = Option<Box<F>>;
type Around = dyn Fn(&mut dyn FnMut()) + Send + Sync;
type Call = dyn Fn(&Site<'_>, &mut dyn FnMut()) + Send + Sync;
type Free = dyn Fn(Corpse) + Send + Sync;
type AddHandle = dyn Fn(
        &Arc<dyn EventImpl>,
        RawFd,
        HandleEvents,
        HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>>
    + Send
    + Sync;
type AddTimeout = dyn Fn(&Arc<dyn EventImpl>, Period, TimeoutCallback) -> Result<TimerId, Rejected<TimeoutCallback>>
    + Send
    + Sync;
type UpdateHandle = dyn Fn(&Arc<dyn EventImpl>, WatchId, HandleEvents) + Send + Sync;
type UpdateTimeout = dyn Fn(&Arc<dyn EventImpl>, TimerId, Period) + Send + Sync;
type Remove = dyn Fn(&Arc<dyn EventImpl>, Entry) -> Result<(), Error> + Send + Sync;
type Turn = dyn Fn(&dyn Subject, Duration) + Send + Sync;
type NestedTurn = dyn Fn(&dyn Subject) -> Box<dyn Fn() + Send + Sync> + Send + Sync;

#[derive(Default)]
struct Hooks {
    around: Hook<Around>,
    call: Hook<Call>,
    free: Hook<Free>,
    add_handle: Hook<AddHandle>,
    add_timeout: Hook<AddTimeout>,
    update_handle: Hook<UpdateHandle>,
    update_timeout: Hook<UpdateTimeout>,
    remove: Hook<Remove>,
    turn: Hook<Turn>,
    nested_turn: Hook<NestedTurn>,
}

/// Generates the method that sets one hook.
macro_rules! hook {
    ($($(#[$doc:meta])* $name:ident: ($($arg:ty),*) $(-> $out:ty)?;)+) => {$(
        $(#[$doc])*
        pub(crate) fn $name(
            mut self,
            hook: impl Fn($($arg),*) $(-> $out)? + Send + Sync + 'static,
        ) -> Self {
            self.hooks.$name = Some(Box::new(hook));
            self
        }
    )+};
}

impl Tamper {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The callbacks, for the closures of the fault.
    pub(crate) fn bodies(&self) -> Arc<Bodies> {
        Arc::clone(&self.bodies)
    }

    hook! {
        /// Around each of the six calls.
        around: (&mut dyn FnMut());
        /// In place of a call of a callback, which the second argument makes.
        call: (&Site<'_>, &mut dyn FnMut());
        /// In place of a free.
        free: (Corpse);
        add_handle: (&Arc<dyn EventImpl>, RawFd, HandleEvents, HandleCallback)
            -> Result<WatchId, Rejected<HandleCallback>>;
        add_timeout: (&Arc<dyn EventImpl>, Period, TimeoutCallback)
            -> Result<TimerId, Rejected<TimeoutCallback>>;
        update_handle: (&Arc<dyn EventImpl>, WatchId, HandleEvents);
        update_timeout: (&Arc<dyn EventImpl>, TimerId, Period);
        /// In place of `remove_handle` and of `remove_timeout`.
        remove: (&Arc<dyn EventImpl>, Entry) -> Result<(), Error>;
        turn: (&dyn Subject, Duration);
        nested_turn: (&dyn Subject) -> Box<dyn Fn() + Send + Sync>;
    }

    /// The broken subject.
    pub(crate) fn make(self, factory: Factory, config: &Config) -> Box<dyn Subject> {
        let tampered = Tampered {
            hooks: Arc::new(self.hooks),
            bodies: self.bodies,
        };
        broken(factory, config, tampered)
    }
}

impl Bodies {
    /// Those that are not freed.
    pub(crate) fn live(&self) -> Vec<Arc<Body>> {
        let mut bodies = lock(&self.0);
        bodies.retain(|body| !body.is_freed());
        bodies.clone()
    }

    /// The one with this id.
    pub(crate) fn find(&self, entry: Entry) -> Option<Arc<Body>> {
        let bodies = lock(&self.0);
        // The last, because an earlier one may be freed and its id used again.
        let found = bodies.iter().rfind(|body| body.entry() == Some(entry));
        found.cloned()
    }

    /// The one that was added last; inside an add, the one that is being
    /// added.
    pub(crate) fn newest(&self) -> Option<Arc<Body>> {
        lock(&self.0).last().cloned()
    }

    fn add(&self, body: Body) -> Arc<Body> {
        let body = Arc::new(body);
        lock(&self.0).push(Arc::clone(&body));
        body
    }

    fn asked(&self, entry: Entry, asked: Asked) {
        if let Some(body) = self.find(entry) {
            *lock(&body.asked) = asked;
        }
    }
}

impl Body {
    /// Tells it its id, before the add has returned.
    pub(crate) fn name(&self, entry: Entry) {
        // Its callback may have been called, and named it, already.
        let _ = self.entry.set(entry);
    }

    /// The id; `None` until the add has returned.
    pub(crate) fn entry(&self) -> Option<Entry> {
        self.entry.get().copied()
    }

    /// The watched descriptor; −1 for a timer.
    pub(crate) fn fd(&self) -> RawFd {
        self.fd
    }

    /// What it asked for last.
    pub(crate) fn asked(&self) -> Asked {
        *lock(&self.asked)
    }

    /// Whether it is a watch without interest or a disabled timer.
    pub(crate) fn is_parked(&self) -> bool {
        match self.asked() {
            Asked::Events(events) => events.is_empty(),
            Asked::Period(period) => period.is_disabled(),
        }
    }

    /// Whether it is a zero timer.
    pub(crate) fn is_zero_timer(&self) -> bool {
        self.asked() == Asked::Period(Period::EVERY_ITERATION)
    }

    /// Whether it runs now.
    pub(crate) fn is_running(&self) -> bool {
        matches!(self.callback.try_lock(), Err(TryLockError::WouldBlock))
    }

    /// Whether it is freed.
    pub(crate) fn is_freed(&self) -> bool {
        match self.callback.try_lock() {
            Ok(callback) => callback.is_none(),
            Err(TryLockError::Poisoned(callback)) => callback.into_inner().is_none(),
            Err(TryLockError::WouldBlock) => false,
        }
    }

    /// Calls it, unless it is freed. Waits while it runs elsewhere.
    pub(crate) fn call(&self, events: HandleEvents) {
        let entry = self.entry();
        match (&mut *lock(&self.callback), entry) {
            (Some(Callback::Handle(callback)), Some(Entry::Watch(id))) => {
                callback.call(id, self.fd, events);
            }
            (Some(Callback::Timeout(callback)), Some(Entry::Timer(id))) => callback.call(id),
            _ => {}
        }
    }

    /// Frees it here and now. Waits while it runs.
    pub(crate) fn free(&self) {
        let callback = lock(&self.callback).take();
        drop(callback);
    }

    /// Makes the loop forget it in place of freeing it.
    pub(crate) fn leak(&self) {
        self.leaked.store(true, Ordering::Relaxed);
    }
}

enum Callback {
    Handle(HandleCallback),
    Timeout(TimeoutCallback),
}

/// What the right subject holds in place of a callback.
struct Held {
    body: Arc<Body>,
    hooks: Arc<Hooks>,
    inner: Weak<dyn EventImpl>,
}

impl Held {
    fn call(&self, entry: Entry, events: HandleEvents) {
        // On another thread the add may not have returned yet.
        self.body.name(entry);
        let (Some(hook), Some(inner)) = (&self.hooks.call, self.inner.upgrade()) else {
            return self.body.call(events);
        };
        let site = Site {
            body: &self.body,
            entry,
            events,
            inner,
        };
        hook(&site, &mut || self.body.call(events));
    }

    fn into_callback(self) -> Option<Callback> {
        lock(&self.body.callback).take()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(callback) = lock(&self.body.callback).take() else {
            return;
        };
        if self.body.leaked.load(Ordering::Relaxed) {
            std::mem::forget(callback);
        } else if let Some(hook) = &self.hooks.free {
            hook(Box::new(callback));
        }
    }
}

struct Tampered {
    hooks: Arc<Hooks>,
    bodies: Arc<Bodies>,
}

impl Tampered {
    fn around<R>(&self, call: impl FnOnce() -> R) -> R {
        let Some(around) = &self.hooks.around else {
            return call();
        };
        let mut call = Some(call);
        let mut result = None;
        around(&mut || result = call.take().map(|call| call()));
        result.expect("the hook makes the call")
    }

    fn hold(
        &self,
        inner: &Arc<dyn EventImpl>,
        fd: RawFd,
        asked: Asked,
        callback: Callback,
    ) -> (Arc<Body>, Held) {
        let body = self.bodies.add(Body {
            entry: OnceLock::new(),
            fd,
            asked: Mutex::new(asked),
            callback: Mutex::new(Some(callback)),
            leaked: AtomicBool::new(false),
        });
        let held = Held {
            body: Arc::clone(&body),
            hooks: Arc::clone(&self.hooks),
            inner: Arc::downgrade(inner),
        };
        (body, held)
    }

    fn remove(&self, inner: &Arc<dyn EventImpl>, entry: Entry) -> Result<(), Error> {
        self.around(|| match &self.hooks.remove {
            Some(hook) => hook(inner, entry),
            None => entry.remove(&**inner),
        })
    }
}

impl Fault for Tampered {
    fn add_handle(
        &self,
        inner: &Arc<dyn EventImpl>,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        let asked = Asked::Events(events);
        let (body, held) = self.hold(inner, fd, asked, Callback::Handle(callback));
        let callback = HandleCallback::with_state(held, |held, id, _, events| {
            held.call(id.into(), events);
        });
        let added = self.around(|| match &self.hooks.add_handle {
            Some(hook) => hook(inner, fd, events, callback),
            None => inner.add_handle(fd, events, callback),
        });
        match added {
            Ok(id) => {
                body.name(id.into());
                Ok(id)
            }
            // The case must get back what it offered.
            Err(refused) => match refused.inner.into_state::<Held>().map(Held::into_callback) {
                Ok(Some(Callback::Handle(callback))) | Err(callback) => {
                    Err(Rejected::new(refused.error, callback))
                }
                Ok(_) => unreachable!("the callback of a watch was put into the body"),
            },
        }
    }

    fn update_handle(&self, inner: &Arc<dyn EventImpl>, watch: WatchId, events: HandleEvents) {
        self.bodies.asked(watch.into(), Asked::Events(events));
        self.around(|| match &self.hooks.update_handle {
            Some(hook) => hook(inner, watch, events),
            None => inner.update_handle(watch, events),
        });
    }

    fn remove_handle(&self, inner: &Arc<dyn EventImpl>, watch: WatchId) -> Result<(), Error> {
        self.remove(inner, watch.into())
    }

    fn add_timeout(
        &self,
        inner: &Arc<dyn EventImpl>,
        period: Period,
        callback: TimeoutCallback,
    ) -> Result<TimerId, Rejected<TimeoutCallback>> {
        let asked = Asked::Period(period);
        let (body, held) = self.hold(inner, -1, asked, Callback::Timeout(callback));
        let callback = TimeoutCallback::with_state(held, |held, id| {
            held.call(id.into(), HandleEvents::empty());
        });
        let added = self.around(|| match &self.hooks.add_timeout {
            Some(hook) => hook(inner, period, callback),
            None => inner.add_timeout(period, callback),
        });
        match added {
            Ok(id) => {
                body.name(id.into());
                Ok(id)
            }
            Err(refused) => match refused.inner.into_state::<Held>().map(Held::into_callback) {
                Ok(Some(Callback::Timeout(callback))) | Err(callback) => {
                    Err(Rejected::new(refused.error, callback))
                }
                Ok(_) => unreachable!("the callback of a timer was put into the body"),
            },
        }
    }

    fn update_timeout(&self, inner: &Arc<dyn EventImpl>, timer: TimerId, period: Period) {
        self.bodies.asked(timer.into(), Asked::Period(period));
        self.around(|| match &self.hooks.update_timeout {
            Some(hook) => hook(inner, timer, period),
            None => inner.update_timeout(timer, period),
        });
    }

    fn remove_timeout(&self, inner: &Arc<dyn EventImpl>, timer: TimerId) -> Result<(), Error> {
        self.remove(inner, timer.into())
    }

    fn turn(&self, inner: &dyn Subject, timeout: Duration) {
        match &self.hooks.turn {
            Some(hook) => hook(inner, timeout),
            None => inner.turn(timeout),
        }
    }

    fn nested_turn(&self, inner: &dyn Subject) -> Box<dyn Fn() + Send + Sync> {
        match &self.hooks.nested_turn {
            Some(hook) => hook(inner),
            None => inner.nested_turn(),
        }
    }
}

/// A panicking callback leaves its body usable.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
