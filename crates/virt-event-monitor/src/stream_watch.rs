//! Data streams, such as a guest's console, on the loop.

use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use virt::stream::Stream;
use virt_event::Rejected;

use crate::close::Listening;
use crate::error::Error;
use crate::ffi::{Entry, OnConnectionClosed, OnStreamEvents, add_stream_callback, guarded};
use crate::owner::Owner;
use crate::serial::Serial;
use crate::{CloseReason, Monitor};

bitflags::bitflags! {
    /// What a data stream is ready for, or is asked about.
    #[doc(alias = "virStreamEventType")]
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct StreamEvents: i32 {
        /// `VIR_STREAM_EVENT_READABLE`: there is something to receive, be it the
        /// end of the stream.
        const READABLE = virt::sys::VIR_STREAM_EVENT_READABLE as i32;
        /// `VIR_STREAM_EVENT_WRITABLE`: something can be sent.
        const WRITABLE = virt::sys::VIR_STREAM_EVENT_WRITABLE as i32;
        /// `VIR_STREAM_EVENT_ERROR`: the stream is broken.
        const ERROR = virt::sys::VIR_STREAM_EVENT_ERROR as i32;
        /// `VIR_STREAM_EVENT_HANGUP`: the other side has closed the stream.
        const HANGUP = virt::sys::VIR_STREAM_EVENT_HANGUP as i32;
    }
}

/// A data stream of libvirt's that calls a closure on the loop whenever it is
/// ready, as long as it is ready (level-triggered).
///
/// It takes a [`Stream`] over that was made with `VIR_STREAM_NONBLOCK` and that
/// something has been connected to, such as a guest's console:
///
/// ```no_run
/// use virt::stream::Stream;
/// use virt_event_monitor::{Monitor, StreamEvents, StreamWatch};
///
/// # fn f(monitor: &Monitor, domain: &virt::domain::Domain) -> Result<(), Box<dyn std::error::Error>> {
/// let stream = Stream::new(monitor.connection(), virt::sys::VIR_STREAM_NONBLOCK)?;
/// domain.open_console(None, &stream, 0)?;
/// let console = StreamWatch::new(monitor, stream, StreamEvents::READABLE, |stream, _| {
///     let mut buffer = [0; 4096];
///     match stream.recv(&mut buffer) {
///         Ok(Some(0)) => { /* the end: finish the stream, or this is called for ever */ }
///         Ok(Some(count)) => println!("{}", buffer[..count].escape_ascii()),
///         Ok(None) => { /* nothing there after all */ }
///         Err(error) => eprintln!("{error}"),
///     }
/// })?;
/// # drop(console);
/// # Ok(())
/// # }
/// ```
///
/// (`Stream::event_add_callback` of `virt` must not be used on it, nor on any
/// other stream: it keeps a pointer to a value that moves.)
///
/// # The end
///
/// - The other side ends the stream: it becomes readable, and
///   [`recv`](StreamHandle::recv) gives `Some(0)`. Then [`finish`](Self::finish).
/// - The connection is closed. libvirt itself says nothing then: its callback
///   does not come, and a receiver hears for ever that it would block. Here the
///   closure is called once more, with `ERROR` and `HANGUP`; it can receive what
///   had arrived, and then [`Error::ConnectionClosed`]. After that call the
///   stream is aborted.
/// - Dropping it aborts the stream. Like finishing, that is a call to the host;
///   how long it may block is described on [`Subscription`](crate::Subscription).
///   If another thread is in the middle of a [`send`](StreamHandle::send), that
///   thread aborts the stream when it is done, and nobody waits for it.
///
/// In each case the callback is taken away from libvirt before the stream ends
/// (later libvirt could not do it any more and would watch a descriptor for
/// ever), the closure is not called again, and it is dropped a little later, by
/// the loop.
///
/// It may be dropped on any thread, also inside its own closure. It keeps its
/// connection open.
#[must_use = "dropping a StreamWatch aborts the stream"]
pub struct StreamWatch {
    handle: StreamHandle,
    #[expect(dead_code, reason = "listens until it is dropped")]
    listening: Listening,
}

impl StreamWatch {
    /// Calls `closure` on the loop's thread whenever `stream` is ready for one
    /// of `interest`; with the empty set not at all, until
    /// [`set_interest`](StreamHandle::set_interest) says otherwise.
    ///
    /// The closure must not block. `monitor` is that of the stream's connection.
    /// A stream without `VIR_STREAM_NONBLOCK` cannot be told apart and would
    /// block the loop.
    ///
    /// A panic of the closure ends that call only. It is caught, because libvirt
    /// is the caller, and the panic hook reports it.
    ///
    /// # Errors
    ///
    /// - [`Error::ConnectionClosed`] if the connection is lost.
    /// - [`Error::Forked`] in a child process.
    /// - [`Error::Libvirt`] if libvirt refuses, as when nothing is connected to
    ///   the stream, or it has a callback already.
    ///
    /// The stream comes back with each, as it was. The closure is dropped by
    /// the loop.
    #[doc(alias = "virStreamEventAddCallback")]
    pub fn new(
        monitor: &Monitor,
        stream: Stream,
        interest: StreamEvents,
        mut closure: impl FnMut(&StreamHandle, StreamEvents) + Send + 'static,
    ) -> Result<Self, Rejected<Stream, Error>> {
        let shared = Arc::new_cyclic(|weak: &Weak<Shared>| {
            let weak = weak.clone();
            Shared {
                watched: Mutex::new(None),
                pending: AtomicI32::new(0),
                closed: OnceLock::new(),
                owner: monitor.hub().owner(),
                closure: Serial::new(move |()| {
                    // Whoever calls has a reference, so this always succeeds.
                    let Some(shared) = weak.upgrade() else { return };
                    let events = shared.pending.swap(0, Ordering::AcqRel);
                    if events != 0 {
                        let events = StreamEvents::from_bits_retain(events);
                        let handle = StreamHandle { shared };
                        guarded(|| closure(&handle, events));
                        handle.shared.after_call(events);
                    }
                }),
            }
        });
        let refused = |error, stream| {
            shared.closure.end();
            Err(Rejected::new(error, stream))
        };
        if shared.owner.is_parent() {
            return refused(Error::Forked, stream);
        }
        if let Some(reason) = monitor.close_reason() {
            return refused(Error::ConnectionClosed(reason), stream);
        }
        // Held until the stream is in its place: the loop may call at once.
        let mut place = shared.lock();
        match add_stream_callback(&stream, interest.bits(), shared.clone()) {
            Ok(entry) => {
                *place = Some(Arc::new(Watched {
                    stream: Some(stream),
                    entry,
                }));
                drop(place);
            }
            Err(source) => {
                drop(place);
                let error = Error::Libvirt {
                    attempt: "watch the stream",
                    source,
                };
                return refused(error, stream);
            }
        }
        Ok(Self {
            listening: Listening::new(monitor.hub(), shared.clone()),
            handle: StreamHandle { shared },
        })
    }

    /// What sends and receives.
    pub fn handle(&self) -> &StreamHandle {
        &self.handle
    }

    /// Ends the stream in order. This is a call to the host and may block. (If
    /// another thread is in the middle of sending or receiving, the stream is
    /// aborted by that thread instead.)
    ///
    /// # Errors
    ///
    /// - [`Error::Libvirt`] if something went wrong on the stream earlier, of
    ///   which this is the last chance to be told. The stream is over then, too.
    /// - [`Error::ConnectionClosed`] if it has ended with its connection.
    #[doc(alias = "virStreamFinish")]
    pub fn finish(self) -> Result<(), Error> {
        self.handle.shared.end("finish the stream", Stream::finish)
    }

    /// Ends the stream at once. This is a call to the host and may block.
    ///
    /// # Errors
    ///
    /// - [`Error::Libvirt`] if libvirt refuses. The stream is over then, too.
    /// - [`Error::ConnectionClosed`] if it has ended with its connection.
    #[doc(alias = "virStreamAbort")]
    pub fn abort(self) -> Result<(), Error> {
        self.handle.shared.end("abort the stream", Stream::abort)
    }
}

impl Drop for StreamWatch {
    fn drop(&mut self) {
        // An error means that it has ended already, or that the host is gone.
        let _ = self.handle.shared.end("abort the stream", Stream::abort);
    }
}

impl fmt::Debug for StreamWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamWatch").finish_non_exhaustive()
    }
}

/// Sends and receives on the stream of a [`StreamWatch`], from any thread. It
/// does not keep the stream: after the end of the watch it gives errors.
#[derive(Clone)]
pub struct StreamHandle {
    shared: Arc<Shared>,
}

impl StreamHandle {
    /// Receives into `buffer`: how many bytes, of which 0 means the end of the
    /// stream, or `None` if there are none at this moment.
    ///
    /// # Errors
    ///
    /// - [`Error::ConnectionClosed`] once everything that had arrived before the
    ///   connection was closed has been received.
    /// - [`Error::StreamEnded`] after the end of the watch.
    /// - [`Error::Libvirt`] if the stream is broken.
    #[doc(alias = "virStreamRecv")]
    pub fn recv(&self, buffer: &mut [u8]) -> Result<Option<usize>, Error> {
        let received = self
            .shared
            .with("receive from the stream", |stream| stream.recv(buffer))?;
        let received = bytes(received);
        match (received, self.shared.closed.get()) {
            (None, Some(reason)) => Err(Error::ConnectionClosed(*reason)),
            _ => Ok(received),
        }
    }

    /// Sends the beginning of `data`: how many bytes of it, or `None` if the
    /// stream takes nothing at this moment. Ask for
    /// [`WRITABLE`](StreamEvents::WRITABLE) only while there is something to
    /// send, since a stream is nearly always ready for that.
    ///
    /// **This may block** on a connection to a daemon: libvirt then sends at
    /// once and waits until the daemon has taken it, whatever the stream's flags
    /// say. A daemon does not read while its guest takes no input. What ends the
    /// wait then is keepalive, if the loop runs on another thread; so send from
    /// the loop's thread only what a guest is sure to take. One call sends 256 KiB
    /// at most.
    ///
    /// # Errors
    ///
    /// - [`Error::ConnectionClosed`] if the connection is lost.
    /// - [`Error::StreamEnded`] after the end of the watch.
    /// - [`Error::Libvirt`] if the stream is broken.
    #[doc(alias = "virStreamSend")]
    pub fn send(&self, data: &[u8]) -> Result<Option<usize>, Error> {
        if let Some(reason) = self.shared.closed.get() {
            return Err(Error::ConnectionClosed(*reason));
        }
        let beginning = &data[..data.len().min(SEND_LIMIT)];
        let sent = self
            .shared
            .with("send to the stream", |stream| stream.send(beginning))?;
        Ok(bytes(sent))
    }

    /// Asks for other events from now on; the empty set for none.
    ///
    /// # Errors
    ///
    /// - [`Error::ConnectionClosed`] if the connection is lost.
    /// - [`Error::StreamEnded`] after the end of the watch.
    /// - [`Error::Libvirt`] if libvirt refuses.
    #[doc(alias = "virStreamEventUpdateCallback")]
    pub fn set_interest(&self, interest: StreamEvents) -> Result<(), Error> {
        if let Some(reason) = self.shared.closed.get() {
            return Err(Error::ConnectionClosed(*reason));
        }
        self.shared.with("watch the stream", |stream| {
            stream.event_update_callback(interest.bits() as u32)
        })
    }
}

impl fmt::Debug for StreamHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamHandle").finish_non_exhaustive()
    }
}

/// What one call sends at most. libvirt refuses more than some MiB, and a smaller
/// piece blocks for less long.
const SEND_LIMIT: usize = 256 * 1024;

/// A count of libvirt's: -2 means that it would block.
fn bytes(count: isize) -> Option<usize> {
    usize::try_from(count).ok()
}

/// What the watch, its handles and libvirt share.
struct Shared {
    /// `None` once it is over. Locked for moments only: a call of libvirt's is
    /// made with a reference.
    watched: Mutex<Option<Arc<Watched>>>,
    /// What the closure has not been told yet.
    pending: AtomicI32,
    /// Why the connection was closed, once it is.
    closed: OnceLock<CloseReason>,
    closure: Serial<()>,
    owner: Owner,
}

/// A stream with a callback. Aborted when the last reference goes, which may be
/// that of a thread in the middle of a call when the stream ends: libvirt does
/// not bear the end of a stream during another call on it.
struct Watched {
    /// `None` at the end.
    stream: Option<Stream>,
    #[expect(dead_code, reason = "is found until it is dropped")]
    entry: Entry,
}

impl Watched {
    fn stream(&self) -> &Stream {
        self.stream.as_ref().expect("taken at the end only")
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            // An error means that the host is gone.
            let _ = stream.abort();
        }
    }
}

impl Shared {
    /// Calls libvirt, unless the stream is over.
    fn with<T>(
        &self,
        attempt: &'static str,
        call: impl FnOnce(&Stream) -> Result<T, virt::error::Error>,
    ) -> Result<T, Error> {
        if self.owner.is_parent() {
            return Err(Error::Forked);
        }
        let watched = self.lock().clone().ok_or_else(|| self.over())?;
        call(watched.stream()).map_err(|source| self.failed(attempt, source))
    }

    /// Ends the stream, or leaves that to the thread that is in the middle of a
    /// call on it.
    fn end(
        self: &Arc<Self>,
        attempt: &'static str,
        call: impl FnOnce(Stream) -> Result<(), virt::error::Error>,
    ) -> Result<(), Error> {
        if self.owner.is_parent() {
            mem::forget(Arc::clone(self));
            return Err(Error::Forked);
        }
        self.closure.end();
        let watched = self.lock().take().ok_or_else(|| self.over())?;
        // It fails only if the callback has been taken away before.
        let _ = watched.stream().event_remove_callback();
        let last = Arc::into_inner(watched).and_then(|mut watched| watched.stream.take());
        match last {
            Some(stream) => call(stream).map_err(|source| self.failed(attempt, source)),
            None => Ok(()),
        }
    }

    /// After each call of the closure: the one that told of the end of the
    /// connection was the last, and has received what was left.
    fn after_call(self: &Arc<Self>, events: StreamEvents) {
        if self.closed.get().is_some() && events.contains(StreamEvents::HANGUP) {
            let _ = self.end("abort the stream", Stream::abort);
        }
    }

    fn failed(&self, attempt: &'static str, source: virt::error::Error) -> Error {
        match self.closed.get() {
            Some(reason) => Error::ConnectionClosed(*reason),
            None => Error::Libvirt { attempt, source },
        }
    }

    /// Why there is no stream.
    fn over(&self) -> Error {
        match self.closed.get() {
            Some(reason) => Error::ConnectionClosed(*reason),
            None => Error::StreamEnded,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Watched>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OnStreamEvents for Shared {
    fn stream_events(&self, events: i32) {
        self.pending.fetch_or(events, Ordering::AcqRel);
        self.closure.call(());
    }
}

impl OnConnectionClosed for Shared {
    fn connection_closed(&self, reason: CloseReason) {
        if self.closed.set(reason).is_err() {
            return;
        }
        let watched = self.lock().clone();
        if let Some(watched) = watched {
            // Otherwise data that is left would have it called again.
            let _ = watched.stream().event_remove_callback();
        }
        let events = StreamEvents::ERROR | StreamEvents::HANGUP;
        self.pending.fetch_or(events.bits(), Ordering::AcqRel);
        self.closure.call_and_end(());
    }
}
