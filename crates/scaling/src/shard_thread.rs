//! Who drives a reactor of the prototype.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};
use virt_event_loop::{EventLoop, LoopHandle};

use crate::Sharded;

/// A thread that drives one reactor. Dropping it stops the thread and waits for
/// its end.
#[derive(Debug)]
#[must_use = "dropping it stops the thread"]
pub struct ShardThread {
    handle: LoopHandle,
    thread: Option<JoinHandle<()>>,
}

impl Sharded {
    /// Starts a thread that drives the reactor with this index. What is added in
    /// its callbacks stays with it.
    ///
    /// # Errors
    ///
    /// - Somebody drives it already, or the system has no thread to give.
    ///
    /// # Panics
    ///
    /// - If there is no such reactor.
    pub fn spawn(self: &Arc<Self>, shard: usize) -> Result<ShardThread> {
        let event_loop = EventLoop::attach(&self.reactors()[shard])?;
        let handle = event_loop.handle();
        let sharded = Arc::clone(self);
        let thread = thread::Builder::new()
            .name(format!("shard-{shard}"))
            .spawn(move || sharded.on(shard, || run(&event_loop)))
            .context("no thread for a reactor")?;
        Ok(ShardThread {
            handle,
            thread: Some(thread),
        })
    }
}

/// Until it is stopped, or its process is a forked child. A callback that panics
/// does not end it.
fn run(event_loop: &EventLoop) {
    while let Err(panic) = catch_unwind(AssertUnwindSafe(|| event_loop.run())) {
        // What it carries may panic, too.
        mem::forget(panic);
    }
}

impl Drop for ShardThread {
    fn drop(&mut self) {
        self.handle.stop();
        if let Some(thread) = self.thread.take() {
            // It catches panics.
            let _ = thread.join();
        }
    }
}
