//! Moves bytes between stdin, stdout and the guest's stream.
//!
//! Each direction has a [`Queue`]. A side is watched for exactly as long as it
//! can get on: a reader while its queue has room, a writer while its queue
//! holds something. So a terminal that takes nothing stops the stream, and a
//! guest that takes nothing stops the keyboard, and nothing is lost.
//!
//! The lock is held for calls that cannot wait, and for no others.
//! `virStreamSend` can wait: on a remote connection it returns when the message
//! is in the socket, whatever `VIR_STREAM_NONBLOCK` says, and a daemon that
//! does not read keeps it there. On the loop's thread that would stop
//! everything, keepalive too. So it has a thread to itself, which runs
//! [`Relay::send_until_stopped`], and is called without the lock.

mod switch;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use virt_event::HandleEvents;

use self::switch::Switch;
use crate::Failure;
use crate::console::endpoint::Endpoint;
use crate::console::queue::{Filled, Queue};

/// The key that leaves: Ctrl-].
pub const ESCAPE: u8 = 0x1d;

/// How much may wait in each direction.
pub const BOUND: usize = 64 * 1024;

/// How much is sent to the guest in one message.
const MESSAGE_LENGTH: usize = 8 * 1024;

/// A guest's console, as far as bytes are concerned. None of it waits but
/// `send`.
pub trait Stream: Send + Sync {
    /// Receives what is there; `None` if nothing is, 0 at the end.
    ///
    /// # Errors
    ///
    /// - The stream is broken or was closed.
    fn receive(&self, buffer: &mut [u8]) -> Result<Option<usize>, Failure>;

    /// Sends some of the bytes; `None` if none are taken now.
    ///
    /// # Errors
    ///
    /// - The stream is broken or was closed.
    fn send(&self, bytes: &[u8]) -> Result<Option<usize>, Failure>;

    /// From now on [`Relay::stream_ready`] is to be called for these events.
    ///
    /// # Errors
    ///
    /// - The stream is broken or was closed.
    fn set_interest(&self, interest: HandleEvents) -> Result<(), Failure>;
}

/// What the relay has to tell.
#[derive(Debug)]
pub enum Report {
    /// Ctrl-] was typed.
    Left,
    /// The terminal is gone.
    TerminalGone,
    /// There will be no more input.
    InputEnded,
    /// Stdin cannot be read.
    InputFailed(io::Error),
    /// Stdout cannot be written.
    OutputFailed(io::Error),
    /// A stream has given everything it had.
    StreamEnded {
        /// The number that it was attached with.
        number: u64,
        /// Why, if the other side did not just close it.
        error: Option<Failure>,
    },
}

/// The place where all bytes pass. Shared by all threads.
pub struct Relay {
    state: Mutex<State>,
    /// Something in `state` is not as it was.
    changed: Condvar,
    stdin: Arc<Endpoint>,
    stdout: Arc<Endpoint>,
    /// Stdin is a terminal, so there is somebody who types, and Ctrl-] leaves.
    has_keyboard: bool,
    report: Box<dyn Fn(Report) + Send + Sync>,
}

struct State {
    to_guest: Queue,
    to_stdout: Queue,
    stream: Option<Attached>,
    stdin: Switch,
    stdout: Switch,
    stdin_ended: bool,
    stdout_failed: bool,
    /// The user does not want to see more output.
    leaving: bool,
    /// The sending thread is to end.
    stopped: bool,
}

struct Attached {
    stream: Arc<dyn Stream>,
    /// Tells it from those before it, whose callbacks may come late.
    number: u64,
    interest: HandleEvents,
    /// It took what it was last given, or has since said that it would.
    can_send: bool,
    /// Sending failed. Receiving tells why, when all has been received.
    cannot_send: bool,
    /// It said so, and may not call again.
    hung_up: bool,
    /// All that there was has been received.
    ended: bool,
}

impl Relay {
    /// Nothing moves before [`start`](Self::start). `report` is called on any
    /// thread, must not wait, and must not call the relay.
    pub fn new(
        stdin: Endpoint,
        stdout: Endpoint,
        report: impl Fn(Report) + Send + Sync + 'static,
    ) -> Arc<Self> {
        let has_keyboard = stdin.is_terminal();
        Self::with_bound(BOUND, stdin, stdout, has_keyboard, report)
    }

    fn with_bound(
        bound: usize,
        stdin: Endpoint,
        stdout: Endpoint,
        has_keyboard: bool,
        report: impl Fn(Report) + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                to_guest: Queue::new(bound),
                to_stdout: Queue::new(bound),
                stream: None,
                stdin: Switch::new(HandleEvents::READABLE),
                stdout: Switch::new(HandleEvents::WRITABLE),
                stdin_ended: false,
                stdout_failed: false,
                leaving: false,
                stopped: false,
            }),
            changed: Condvar::new(),
            stdin: Arc::new(stdin),
            stdout: Arc::new(stdout),
            has_keyboard,
            report: Box::new(report),
        })
    }

    /// Begins to watch stdin and stdout on the loop.
    ///
    /// # Errors
    ///
    /// - No loop is installed, or it refuses.
    pub fn start(self: &Arc<Self>) -> Result<(), virt_event::Error> {
        let mut state = self.lock();
        // Weak, because the relay owns the watches.
        let relay = Arc::downgrade(self);
        state.stdin.start(Arc::clone(&self.stdin), move || {
            if let Some(relay) = relay.upgrade() {
                relay.stdin_ready();
            }
        })?;
        let relay = Arc::downgrade(self);
        state.stdout.start(Arc::clone(&self.stdout), move || {
            if let Some(relay) = relay.upgrade() {
                relay.stdout_ready();
            }
        })?;
        self.settle(&mut state);
        Ok(())
    }

    /// Ends the watches and [`send_until_stopped`](Self::send_until_stopped).
    pub fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        state.stdin.stop();
        state.stdout.stop();
        self.changed.notify_all();
    }

    /// Connects a guest. Numbers must not repeat.
    pub fn attach(&self, number: u64, stream: Arc<dyn Stream>) {
        let mut state = self.lock();
        state.stream = Some(Attached {
            stream,
            number,
            interest: HandleEvents::empty(),
            can_send: true,
            cannot_send: false,
            hung_up: false,
            ended: false,
        });
        self.move_output(&mut state);
        self.settle(&mut state);
    }

    /// Forgets the guest. What was typed for it goes with it; what came from a
    /// pipe or a file waits for the next one.
    pub fn detach(&self) {
        let mut state = self.lock();
        state.stream = None;
        if self.has_keyboard {
            state.to_guest.clear();
        }
        self.settle(&mut state);
    }

    /// Shows words of the program's own after all output that came before.
    pub fn interject(&self, words: &str) {
        let mut state = self.lock();
        if !state.stdout_failed {
            state.to_stdout.push(words.as_bytes());
        }
        self.move_output(&mut state);
        self.settle(&mut state);
    }

    /// From now on no more is read from stdin or written to stdout.
    pub fn leave(&self) {
        let mut state = self.lock();
        state.leaving = true;
        self.settle(&mut state);
    }

    /// Waits until all output is written, or the user leaves, however long
    /// stdout takes.
    pub fn flush(&self) {
        let state = self.lock();
        let unwritten =
            |state: &mut State| state.awaits_stdout() && !state.leaving && !state.stopped;
        drop(self.changed.wait_while(state, unwritten));
    }

    /// Waits until all input is sent, or the stream ends, or for `limit`.
    pub fn finish_sending(&self, limit: Duration) {
        let state = self.lock();
        let unsent = |state: &mut State| {
            !state.to_guest.is_empty()
                && (state.stream.as_ref()).is_some_and(|stream| !stream.cannot_send)
        };
        drop(self.changed.wait_timeout_while(state, limit, unsent));
    }

    /// Where output goes.
    pub fn stdout(&self) -> &Endpoint {
        &self.stdout
    }

    /// Whether output is waiting for stdout.
    pub fn awaits_stdout(&self) -> bool {
        self.lock().awaits_stdout()
    }

    /// Sends to whatever guest is attached. For a thread of its own, because it
    /// waits.
    pub fn send_until_stopped(&self) {
        while self.wait_to_send() {
            self.send_once();
        }
    }

    /// False if there is nothing to send ever again.
    fn wait_to_send(&self) -> bool {
        let nothing = |state: &mut State| !state.stopped && state.to_send().is_none();
        let state = self.changed.wait_while(self.lock(), nothing);
        !state.unwrap_or_else(PoisonError::into_inner).stopped
    }

    fn send_once(&self) {
        let Some((number, stream, bytes)) = self.lock().to_send() else {
            return;
        };
        // Without the lock, because it may wait.
        let sent = stream.send(&bytes);
        let mut state = self.lock();
        let state = &mut *state;
        // Another guest may be attached by now.
        if let Some(attached) = state.attached(number) {
            match sent {
                Ok(Some(count)) => state.to_guest.consume(count),
                Ok(None) => attached.can_send = false,
                Err(_) => attached.cannot_send = true,
            }
        }
        self.settle(state);
    }

    /// Called on the loop's thread when stdin can be read.
    fn stdin_ready(&self) {
        let mut state = self.lock();
        if !state.stdin.is_on() {
            return;
        }
        let mut left = false;
        let filled = state.to_guest.fill(|buffer| {
            if left {
                return Ok(None);
            }
            let count = self.stdin.read(buffer)?;
            let typed = &buffer[..count.unwrap_or(0)];
            let escape = typed.iter().position(|&byte| byte == ESCAPE);
            match escape.filter(|_| self.has_keyboard) {
                Some(place) => {
                    left = true;
                    Ok((place > 0).then_some(place))
                }
                None => Ok(count),
            }
        });
        if self.has_keyboard && !state.has_guest() {
            state.to_guest.clear();
        }
        match filled {
            Ok(Filled::ForNow) => {}
            Ok(Filled::ToTheEnd) => {
                state.stdin_ended = true;
                (self.report)(match self.has_keyboard {
                    true => Report::TerminalGone,
                    false => Report::InputEnded,
                });
            }
            Err(error) => {
                state.stdin_ended = true;
                (self.report)(match self.has_keyboard {
                    true => Report::TerminalGone,
                    false => Report::InputFailed(error),
                });
            }
        }
        if left {
            state.leaving = true;
            (self.report)(Report::Left);
        }
        self.settle(&mut state);
    }

    /// Called on the loop's thread when stdout can be written.
    fn stdout_ready(&self) {
        let mut state = self.lock();
        self.move_output(&mut state);
        self.settle(&mut state);
    }

    /// To be called on the loop's thread when the stream has news.
    pub fn stream_ready(&self, number: u64, events: HandleEvents) {
        let mut state = self.lock();
        let Some(attached) = state.attached(number) else {
            return;
        };
        if events.contains(HandleEvents::WRITABLE) {
            attached.can_send = true;
        }
        attached.hung_up |= events.intersects(HandleEvents::ERROR | HandleEvents::HANGUP);
        self.move_output(&mut state);
        self.settle(&mut state);
    }

    /// Moves what there is from the stream to stdout: a queue full at most, to
    /// let others have their turn, but all of it if the stream has hung up. A
    /// connection that died takes back what has not been received then.
    fn move_output(&self, state: &mut State) {
        if state.leaving {
            return;
        }
        self.write_output(state);
        if let Some(attached) = state.stream.as_mut().filter(|attached| !attached.ended) {
            let stream = &attached.stream;
            let received = match attached.hung_up {
                true => state.to_stdout.take_all(|buffer| stream.receive(buffer)),
                false => state.to_stdout.fill(|buffer| stream.receive(buffer)),
            };
            match received {
                Ok(Filled::ForNow) => {}
                Ok(Filled::ToTheEnd) => self.end_stream(attached, None),
                Err(error) => self.end_stream(attached, Some(error)),
            }
        }
        self.write_output(state);
    }

    fn write_output(&self, state: &mut State) {
        if state.stdout_failed {
            state.to_stdout.clear();
        } else if let Err(error) = state.to_stdout.drain(|bytes| self.stdout.write(bytes)) {
            state.stdout_failed = true;
            state.to_stdout.clear();
            (self.report)(match self.stdout.is_terminal() {
                true => Report::TerminalGone,
                false => Report::OutputFailed(error),
            });
        }
    }

    fn end_stream(&self, attached: &mut Attached, error: Option<Failure>) {
        attached.ended = true;
        attached.cannot_send = true;
        // Or it would go on saying that it ended. It may be past listening.
        attached.interest = HandleEvents::empty();
        let _ = attached.stream.set_interest(attached.interest);
        let number = attached.number;
        (self.report)(Report::StreamEnded { number, error });
    }

    /// Lets each side be watched for what it can do now.
    fn settle(&self, state: &mut State) {
        let reads = !state.stdin_ended && !state.leaving && state.to_guest.room() > 0;
        state
            .stdin
            .set(reads && (self.has_keyboard || state.has_guest()));
        let writes = !state.leaving && state.awaits_stdout();
        state.stdout.set(writes);
        let receives = !state.leaving && state.to_stdout.room() > 0;
        if let Some(attached) = state.stream.as_mut().filter(|attached| !attached.ended) {
            let sends = !attached.can_send && !attached.cannot_send && !state.to_guest.is_empty();
            let mut interest = HandleEvents::empty();
            interest.set(HandleEvents::READABLE, receives);
            interest.set(HandleEvents::WRITABLE, sends);
            if interest != attached.interest {
                attached.interest = interest;
                if let Err(error) = attached.stream.set_interest(interest) {
                    self.end_stream(attached, Some(error));
                }
            }
        }
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // After a panic the program ends, and it must still find its way out.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has_guest(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| !stream.ended)
    }

    fn awaits_stdout(&self) -> bool {
        !self.stdout_failed && !self.to_stdout.is_empty()
    }

    fn attached(&mut self, number: u64) -> Option<&mut Attached> {
        self.stream
            .as_mut()
            .filter(|stream| stream.number == number)
    }

    fn to_send(&self) -> Option<(u64, Arc<dyn Stream>, Vec<u8>)> {
        let attached = self.stream.as_ref()?;
        let bytes = self.to_guest.front(MESSAGE_LENGTH);
        let can_send = attached.can_send && !attached.cannot_send && !bytes.is_empty();
        can_send.then(|| {
            (
                attached.number,
                Arc::clone(&attached.stream),
                bytes.to_vec(),
            )
        })
    }
}
