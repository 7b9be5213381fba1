use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use virt_event::{
    Error, EventImpl, HandleCallback, HandleEvents, Period, Rejected, TimeoutCallback, TimerId,
    WatchId,
};

use crate::{Capabilities, Config, Factory, SecondDriver, Stats, Subject};

/// What a broken subject does wrong. Everything that is not overridden goes
/// to the right subject, `inner`.
#[expect(missing_docs, reason = "each method stands for the one it intercepts")]
pub trait Fault: Send + Sync + 'static {
    fn add_handle(
        &self,
        inner: &Arc<dyn EventImpl>,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        inner.add_handle(fd, events, callback)
    }

    fn update_handle(&self, inner: &Arc<dyn EventImpl>, watch: WatchId, events: HandleEvents) {
        inner.update_handle(watch, events);
    }

    fn remove_handle(&self, inner: &Arc<dyn EventImpl>, watch: WatchId) -> Result<(), Error> {
        inner.remove_handle(watch)
    }

    fn add_timeout(
        &self,
        inner: &Arc<dyn EventImpl>,
        period: Period,
        callback: TimeoutCallback,
    ) -> Result<TimerId, Rejected<TimeoutCallback>> {
        inner.add_timeout(period, callback)
    }

    fn update_timeout(&self, inner: &Arc<dyn EventImpl>, timer: TimerId, period: Period) {
        inner.update_timeout(timer, period);
    }

    fn remove_timeout(&self, inner: &Arc<dyn EventImpl>, timer: TimerId) -> Result<(), Error> {
        inner.remove_timeout(timer)
    }

    fn turn(&self, inner: &dyn Subject, timeout: Duration) {
        inner.turn(timeout);
    }

    fn nested_turn(&self, inner: &dyn Subject) -> Box<dyn Fn() + Send + Sync> {
        inner.nested_turn()
    }

    fn waker(&self, inner: &dyn Subject) -> Box<dyn Fn() + Send + Sync> {
        inner.waker()
    }

    fn run(&self, inner: &dyn Subject) {
        inner.run();
    }

    fn stopper(&self, inner: &dyn Subject) -> Box<dyn Fn() + Send + Sync> {
        inner.stopper()
    }

    fn drain(&self, inner: &dyn Subject, limit: Duration) -> Result<(), String> {
        inner.drain(limit)
    }

    fn detach(&self, inner: &dyn Subject) {
        inner.detach();
    }

    fn attach(&self, inner: &dyn Subject) -> Result<(), String> {
        inner.attach()
    }

    fn second_driver(&self, inner: &dyn Subject) -> Result<SecondDriver, String> {
        inner.second_driver()
    }

    fn stats(&self, inner: &dyn Subject) -> Stats {
        inner.stats()
    }
}

/// A subject made by `factory`, with `fault` between it and the case.
pub fn broken(factory: Factory, config: &Config, fault: impl Fault) -> Box<dyn Subject> {
    broken_further(factory(config), fault)
}

/// As [`broken`], of a subject that is broken already.
pub fn broken_further(inner: Box<dyn Subject>, fault: impl Fault) -> Box<dyn Subject> {
    let fault = Arc::new(fault);
    Box::new(Broken {
        event_impl: Arc::new(BrokenImpl {
            inner: inner.event_impl(),
            fault: Arc::clone(&fault),
        }),
        inner,
        fault,
    })
}

/// A callback that runs `call` in place of `callback`, which it owns. An add
/// that refuses it must undo this with [`rejected_handle`].
pub fn intercept_handle(
    callback: HandleCallback,
    call: impl FnMut(&mut HandleCallback, WatchId, RawFd, HandleEvents) + Send + 'static,
) -> HandleCallback {
    HandleCallback::with_state(callback, call)
}

/// As [`intercept_handle`], for a timer.
pub fn intercept_timeout(
    callback: TimeoutCallback,
    call: impl FnMut(&mut TimeoutCallback, TimerId) + Send + 'static,
) -> TimeoutCallback {
    TimeoutCallback::with_state(callback, call)
}

/// Takes the caller's callback out of one made by [`intercept_handle`], so
/// that a refusal gives back what was offered.
pub fn rejected_handle(refused: Rejected<HandleCallback>) -> Rejected<HandleCallback> {
    let inner = match refused.inner.into_state::<HandleCallback>() {
        Ok(callback) | Err(callback) => callback,
    };
    Rejected::new(refused.error, inner)
}

struct Broken<F> {
    // Before `inner`, so that dropping the subject drops the implementation.
    event_impl: Arc<BrokenImpl<F>>,
    inner: Box<dyn Subject>,
    fault: Arc<F>,
}

impl<F: Fault> Subject for Broken<F> {
    fn event_impl(&self) -> Arc<dyn EventImpl> {
        Arc::clone(&self.event_impl) as Arc<dyn EventImpl>
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn turn(&self, timeout: Duration) {
        self.fault.turn(&*self.inner, timeout);
    }

    fn nested_turn(&self) -> Box<dyn Fn() + Send + Sync> {
        self.fault.nested_turn(&*self.inner)
    }

    fn waker(&self) -> Box<dyn Fn() + Send + Sync> {
        self.fault.waker(&*self.inner)
    }

    fn run(&self) {
        self.fault.run(&*self.inner);
    }

    fn stopper(&self) -> Box<dyn Fn() + Send + Sync> {
        self.fault.stopper(&*self.inner)
    }

    fn drain(&self, limit: Duration) -> Result<(), String> {
        self.fault.drain(&*self.inner, limit)
    }

    fn detach(&self) {
        self.fault.detach(&*self.inner);
    }

    fn attach(&self) -> Result<(), String> {
        self.fault.attach(&*self.inner)
    }

    fn second_driver(&self) -> Result<SecondDriver, String> {
        self.fault.second_driver(&*self.inner)
    }

    fn epoll_fd(&self) -> RawFd {
        self.inner.epoll_fd()
    }

    fn stats(&self) -> Stats {
        self.fault.stats(&*self.inner)
    }
}

struct BrokenImpl<F> {
    inner: Arc<dyn EventImpl>,
    fault: Arc<F>,
}

impl<F: Fault> EventImpl for BrokenImpl<F> {
    fn add_handle(
        &self,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        self.fault.add_handle(&self.inner, fd, events, callback)
    }

    fn update_handle(&self, watch: WatchId, events: HandleEvents) {
        self.fault.update_handle(&self.inner, watch, events);
    }

    fn remove_handle(&self, watch: WatchId) -> Result<(), Error> {
        self.fault.remove_handle(&self.inner, watch)
    }

    fn add_timeout(
        &self,
        period: Period,
        callback: TimeoutCallback,
    ) -> Result<TimerId, Rejected<TimeoutCallback>> {
        self.fault.add_timeout(&self.inner, period, callback)
    }

    fn update_timeout(&self, timer: TimerId, period: Period) {
        self.fault.update_timeout(&self.inner, timer, period);
    }

    fn remove_timeout(&self, timer: TimerId) -> Result<(), Error> {
        self.fault.remove_timeout(&self.inner, timer)
    }
}
