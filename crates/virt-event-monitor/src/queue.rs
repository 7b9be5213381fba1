//! The bounded buffer between the loop and a reader.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::CloseReason;
use crate::error::StreamError;
use crate::ffi::{OnConnectionClosed, Sink};

/// Filled by the loop, emptied by one reader. A full one lets go of what is
/// oldest, and counts it: the loop never waits.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    capacity: usize,
}

struct State<T> {
    events: VecDeque<T>,
    /// How many were let go since the reader was last told.
    lost: u64,
    closed: Option<CloseReason>,
    /// The reader knows that nothing more comes, or is gone.
    ended: bool,
    /// Who waits; taken by whoever wakes it.
    reader: Option<Waker>,
}

impl<T> Queue<T> {
    /// A buffer for `capacity` events, at least one.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            state: Mutex::new(State {
                events: VecDeque::new(),
                lost: 0,
                closed: None,
                ended: false,
                reader: None,
            }),
            capacity,
        }
    }

    /// What comes next.
    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Result<T, StreamError>>> {
        let mut state = self.lock();
        if state.lost > 0 {
            let lost = std::mem::take(&mut state.lost);
            return Poll::Ready(Some(Err(StreamError::Lagged(lost))));
        }
        if let Some(event) = state.events.pop_front() {
            return Poll::Ready(Some(Ok(event)));
        }
        if state.ended {
            return Poll::Ready(None);
        }
        if let Some(reason) = state.closed {
            state.ended = true;
            return Poll::Ready(Some(Err(StreamError::Closed(reason))));
        }
        let replaced = match &mut state.reader {
            Some(waker) if waker.will_wake(context.waker()) => None,
            slot => slot.replace(context.waker().clone()),
        };
        // Dropping one is the executor's business, and no lock is held across that.
        drop(state);
        drop(replaced);
        Poll::Pending
    }

    /// Whether [`poll`](Self::poll) says nothing but `None` any more.
    pub(crate) fn is_ended(&self) -> bool {
        let state = self.lock();
        state.ended && state.events.is_empty() && state.lost == 0
    }

    /// Nobody reads any more.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        state.events.clear();
        state.lost = 0;
        let reader = state.reader.take();
        drop(state);
        drop(reader);
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send> Sink<T> for Queue<T> {
    fn accept(&self, event: T) {
        let mut state = self.lock();
        // Also after the connection was closed, as long as the reader does not know:
        // a callback that turns the loop itself keeps back what had arrived.
        if state.ended {
            return;
        }
        let oldest = if state.events.len() == self.capacity {
            state.lost += 1;
            state.events.pop_front()
        } else {
            None
        };
        state.events.push_back(event);
        let reader = state.reader.take();
        drop(state);
        drop(oldest);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl<T: Send> OnConnectionClosed for Queue<T> {
    fn connection_closed(&self, reason: CloseReason) {
        let mut state = self.lock();
        state.closed.get_or_insert(reason);
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

#[cfg(test)]
mod tests;
