//! A closure that takes one thing at a time.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ffi::{Sink, guarded, soon};

/// A closure of the user's that is never called twice at once, nor under a lock
/// of ours, and that is dropped by the loop.
///
/// What comes while it runs waits, and is delivered when it returns. That
/// happens where the closure turns the loop itself and the loop calls a
/// callback that runs already (the reactor does not, libvirt's own loop does).
pub(crate) struct Serial<T> {
    state: Mutex<State<T>>,
}

type Closure<T> = Box<dyn FnMut(T) + Send>;

struct State<T> {
    /// `None` while it runs, and once it is over.
    closure: Option<Closure<T>>,
    /// What has not been delivered yet, in order.
    waiting: VecDeque<T>,
    /// Nothing is added to `waiting` any more; the closure goes when that is
    /// empty.
    ended: bool,
}

impl<T: 'static> Serial<T> {
    pub(crate) fn new(closure: impl FnMut(T) + Send + 'static) -> Self {
        Self {
            state: Mutex::new(State {
                closure: Some(Box::new(closure)),
                waiting: VecDeque::new(),
                ended: false,
            }),
        }
    }

    /// Calls the closure, now or after the call that is under way.
    pub(crate) fn call(&self, event: T) {
        let mut state = self.lock();
        if state.ended {
            return;
        }
        state.waiting.push_back(event);
        let Some(closure) = state.closure.take() else {
            return;
        };
        drop(state);
        self.deliver(closure);
    }

    /// Calls the closure for all that waits, and puts it back. A panic ends one
    /// call only.
    fn deliver(&self, mut closure: Closure<T>) {
        loop {
            let mut state = self.lock();
            match state.waiting.pop_front() {
                Some(event) => {
                    drop(state);
                    guarded(|| closure(event));
                }
                None if state.ended => {
                    drop(state);
                    return drop_on_the_loop(Some(closure));
                }
                // Under the same lock as the look into the queue, so that
                // nothing is left there.
                None => {
                    state.closure = Some(closure);
                    return;
                }
            }
        }
    }

    /// Calls the closure a last time, now or after the call that is under way.
    pub(crate) fn call_and_end(&self, event: T) {
        let mut state = self.lock();
        if state.ended {
            return;
        }
        state.ended = true;
        state.waiting.push_back(event);
        let closure = state.closure.take();
        drop(state);
        if let Some(closure) = closure {
            self.deliver(closure);
        }
    }

    /// Calls the closure no more.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        state.waiting.clear();
        let closure = state.closure.take();
        drop(state);
        drop_on_the_loop(closure);
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send + 'static> Sink<T> for Serial<T> {
    fn accept(&self, event: T) {
        self.call(event);
    }
}

fn drop_on_the_loop<T: 'static>(closure: Option<Closure<T>>) {
    if let Some(closure) = closure {
        soon(move || drop(closure));
    }
}
