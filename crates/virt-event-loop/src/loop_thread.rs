use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{self, JoinHandle};

use virt_event_reactor::TurnError;

use crate::{EventLoop, LoopHandle};

/// A thread that runs an [`EventLoop`]. Dropping it stops and joins the
/// thread.
#[derive(Debug)]
#[must_use = "dropping a LoopThread stops its loop"]
pub struct LoopThread {
    handle: LoopHandle,
    /// `None` once joined.
    thread: Option<JoinHandle<(EventLoop, Result<(), TurnError>)>>,
}

impl EventLoop {
    /// Starts a thread named `virt-event-loop` that runs this loop until it is
    /// stopped. Nothing else in this crate starts a thread.
    ///
    /// A panicking callback does not end the thread: the panic hook reports
    /// it, and the loop goes on, because every connection depends on it.
    ///
    /// # Errors
    ///
    /// - The system's, if it has no thread to give. The loop is dropped then.
    pub fn spawn(self) -> io::Result<LoopThread> {
        let handle = self.handle();
        let thread = thread::Builder::new()
            .name("virt-event-loop".to_owned())
            .spawn(move || {
                let result = loop {
                    // The reactor is consistent after a panic; that is its
                    // contract (C8).
                    match catch_unwind(AssertUnwindSafe(|| self.run())) {
                        Ok(result) => break result,
                        // What it carries may panic, too.
                        Err(panic) => mem::forget(panic),
                    }
                };
                (self, result)
            })?;
        Ok(LoopThread {
            handle,
            thread: Some(thread),
        })
    }
}

impl LoopThread {
    /// A handle that stops or wakes the loop from any thread.
    pub fn handle(&self) -> LoopHandle {
        self.handle.clone()
    }

    /// Stops the loop, waits for the thread to end, and gives the loop back,
    /// for instance to [drain](EventLoop::drain) it here. A callback that is
    /// running completes first.
    ///
    /// # Errors
    ///
    /// - The [`TurnError`] that ended the loop earlier, if one did. The loop
    ///   is dropped then.
    ///
    /// # Panics
    ///
    /// On the loop's own thread, which cannot wait for itself; the loop is
    /// stopped all the same.
    pub fn stop(mut self) -> Result<EventLoop, TurnError> {
        assert!(
            !self.is_own_thread(),
            "a LoopThread cannot be stopped and waited for on its own thread"
        );
        let Some((event_loop, result)) = self.join() else {
            unreachable!("only this method and drop join, and both take the guard")
        };
        // The thread may have ended before, by another stop.
        event_loop.forget_stop();
        result.map(|()| event_loop)
    }

    fn is_own_thread(&self) -> bool {
        self.thread
            .as_ref()
            .is_some_and(|thread| thread.thread().id() == thread::current().id())
    }

    fn join(&mut self) -> Option<(EventLoop, Result<(), TurnError>)> {
        let thread = self.thread.take()?;
        self.handle.stop();
        match thread.join() {
            Ok(outcome) => Some(outcome),
            Err(_) => unreachable!("panics are caught inside the thread"),
        }
    }
}

impl Drop for LoopThread {
    fn drop(&mut self) {
        // A guard that was moved into a callback is dropped on the thread that
        // it would join; that thread then ends by itself.
        if self.is_own_thread() {
            self.handle.stop();
        } else {
            self.join();
        }
    }
}
