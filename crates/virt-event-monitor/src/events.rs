//! Events to be awaited.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::stream::{FusedStream, Stream};

use crate::close::Listening;
use crate::error::StreamError;
use crate::event::Event;
use crate::queue::Queue;
use crate::subscription::Subscription;

/// A subscription as a stream of events, for any executor.
///
/// The loop puts events into a bounded buffer and never waits. When the buffer
/// is full, the oldest event is dropped, and the reader's next item is
/// [`StreamError::Lagged`] with the number of those that are missing.
///
/// When the connection is closed by anything but this program, the events that
/// had arrived come first, then [`StreamError::Closed`] with the reason, and
/// then the stream ends: nobody waits for ever on a dead host. (Drivers inside
/// this process never close a connection.)
///
/// Dropping it ends the subscription, and may block, as described on
/// [`Subscription`].
#[must_use = "dropping Events ends the subscription at once"]
pub struct Events<E: Event> {
    queue: Arc<Queue<E>>,
    /// The order matters: the end of the connection is heard of until the
    /// subscription is over.
    subscription: Subscription,
    #[expect(dead_code, reason = "listens until it is dropped")]
    listening: Listening,
}

impl<E: Event> Events<E> {
    pub(crate) fn new(queue: Arc<Queue<E>>, subscription: Subscription) -> Self {
        Self {
            listening: Listening::new(subscription.hub(), queue.clone()),
            queue,
            subscription,
        }
    }

    /// The next event, or `None` after the end.
    ///
    /// Cancel-safe: a call that is dropped before it is ready has taken nothing.
    pub async fn next(&mut self) -> Option<Result<E, StreamError>> {
        poll_fn(|context| self.queue.poll(context)).await
    }
}

impl<E: Event> Stream for Events<E> {
    type Item = Result<E, StreamError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.queue.poll(context)
    }
}

impl<E: Event> FusedStream for Events<E> {
    fn is_terminated(&self) -> bool {
        self.queue.is_ended()
    }
}

impl<E: Event> fmt::Debug for Events<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("subscription", &self.subscription)
            .finish_non_exhaustive()
    }
}
