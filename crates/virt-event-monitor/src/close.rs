//! The end of a connection, and who wants to know of it.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::event::c_enum::c_enum;
use crate::ffi::{OnConnectionClosed, guarded, soon};
use crate::monitor::Hub;

c_enum! {
    /// Why a connection was closed.
    CloseReason, "virConnectCloseReason" {
        Error = VIR_CONNECT_CLOSE_REASON_ERROR, "I/O error";
        /// The daemon ended, or closed the connection.
        Eof = VIR_CONNECT_CLOSE_REASON_EOF, "end of file";
        /// The host was silent for `interval` × (`count` + 1) seconds, as set
        /// with `Connect::set_keep_alive`.
        Keepalive = VIR_CONNECT_CLOSE_REASON_KEEPALIVE, "keepalive timeout";
        /// This program closed it.
        Client = VIR_CONNECT_CLOSE_REASON_CLIENT, "closed by this program";
    }
}

/// Those who want to know; told once, on the loop.
#[derive(Default)]
pub(crate) struct Listeners {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    reason: Option<CloseReason>,
    listeners: Vec<(u64, Arc<dyn OnConnectionClosed>)>,
    next: u64,
}

impl Listeners {
    pub(crate) fn reason(&self) -> Option<CloseReason> {
        self.lock().reason
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OnConnectionClosed for Listeners {
    fn connection_closed(&self, reason: CloseReason) {
        let mut state = self.lock();
        state.reason = Some(reason);
        let listeners = mem::take(&mut state.listeners);
        drop(state);
        for (_, listener) in listeners {
            // The others want to know, too.
            guarded(|| listener.connection_closed(reason));
        }
    }
}

/// The place of a listener; given up when dropped.
pub(crate) struct Listening {
    hub: Arc<Hub>,
    id: u64,
}

impl Listening {
    /// Tells `listener` once the connection of `hub` is closed: from now on,
    /// or soon if it is closed already.
    pub(crate) fn new(hub: &Arc<Hub>, listener: Arc<dyn OnConnectionClosed>) -> Self {
        let mut state = hub.listeners().lock();
        let id = state.next;
        state.next += 1;
        match state.reason {
            None => {
                state.listeners.push((id, listener));
                drop(state);
            }
            Some(reason) => {
                drop(state);
                soon(move || listener.connection_closed(reason));
            }
        }
        Self {
            hub: Arc::clone(hub),
            id,
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if self.hub.owner().is_parent() {
            return;
        }
        let mut state = self.hub.listeners().lock();
        let place = state.listeners.iter().position(|(id, _)| *id == self.id);
        let listener = place.map(|place| state.listeners.remove(place));
        drop(state);
        drop(listener);
    }
}

/// A closure that waits for the end of a connection. Dropping it calls that
/// off; the closure is then dropped unused, by the loop.
///
/// It keeps the connection open, so drop it first.
#[must_use = "dropping it means that the closure is not called"]
pub struct CloseSubscription {
    waiting: Arc<Waiting>,
    listening: Listening,
}

impl CloseSubscription {
    pub(crate) fn new(hub: &Arc<Hub>, closure: impl FnOnce(CloseReason) + Send + 'static) -> Self {
        let waiting = Arc::new(Waiting(Mutex::new(Some(Box::new(closure)))));
        Self {
            listening: Listening::new(hub, waiting.clone()),
            waiting,
        }
    }
}

impl Drop for CloseSubscription {
    fn drop(&mut self) {
        if self.listening.hub.owner().is_parent() {
            mem::forget(Arc::clone(&self.waiting));
            return;
        }
        if let Some(closure) = self.waiting.take() {
            soon(move || drop(closure));
        }
    }
}

impl fmt::Debug for CloseSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloseSubscription").finish_non_exhaustive()
    }
}

type OnClose = Box<dyn FnOnce(CloseReason) + Send>;

struct Waiting(Mutex<Option<OnClose>>);

impl Waiting {
    fn take(&self) -> Option<OnClose> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl OnConnectionClosed for Waiting {
    fn connection_closed(&self, reason: CloseReason) {
        if let Some(closure) = self.take() {
            closure(reason);
        }
    }
}

/// The end of a connection as a future, from
/// [`Monitor::closed`](crate::Monitor::closed). It may be polled again after it
/// was ready, and is ready then.
///
/// It keeps the connection open, so drop it first.
#[must_use = "futures do nothing unless they are polled"]
pub struct Closed {
    awaited: Arc<Awaited>,
    #[expect(dead_code, reason = "listens until it is dropped")]
    listening: Listening,
}

impl Closed {
    pub(crate) fn new(hub: &Arc<Hub>) -> Self {
        let awaited = Arc::new(Awaited::default());
        Self {
            listening: Listening::new(hub, awaited.clone()),
            awaited,
        }
    }
}

impl Future for Closed {
    type Output = CloseReason;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<CloseReason> {
        let mut state = self.awaited.lock();
        if let Some(reason) = state.reason {
            return Poll::Ready(reason);
        }
        let replaced = state.waker.replace(context.waker().clone());
        drop(state);
        drop(replaced);
        Poll::Pending
    }
}

impl fmt::Debug for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closed").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Awaited(Mutex<AwaitedState>);

#[derive(Default)]
struct AwaitedState {
    reason: Option<CloseReason>,
    waker: Option<Waker>,
}

impl Awaited {
    fn lock(&self) -> MutexGuard<'_, AwaitedState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OnConnectionClosed for Awaited {
    fn connection_closed(&self, reason: CloseReason) {
        let mut state = self.lock();
        state.reason = Some(reason);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
