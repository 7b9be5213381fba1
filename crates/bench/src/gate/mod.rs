//! A round whose operations are called on another thread than the loop's.
//!
//! libvirt changes interest and timers on the thread of whoever calls an RPC
//! while the loop sleeps, and waking that loop is what the calls cost most. So
//! the loop runs on the thread that asked for the round, and a second thread
//! makes the calls.

mod bare;
mod on_loop;

use std::sync::Mutex;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use anyhow::{Context, Result};

pub(crate) use self::bare::{Bare, never};
pub(crate) use self::on_loop::OnLoop;
use crate::event_fd::EventFd;
use crate::sample::{Sample, Stopwatch, Whose};

/// What the control descriptor says.
const START: u64 = 1;
const STOP: u64 = 2;

/// Starts the calls once the loop runs, and ends the loop after them. Needs
/// only a descriptor that the loop watches, for a libvirt loop cannot be woken.
#[derive(Debug)]
struct Gate {
    control: EventFd,
    /// Tells the calling thread that the loop runs. There while a round has
    /// not begun; taken by the loop's thread.
    running: Mutex<Option<SyncSender<()>>>,
}

impl Gate {
    fn new() -> Result<Self> {
        Ok(Self {
            control: EventFd::new()?,
            running: Mutex::new(None),
        })
    }

    /// The descriptor that the loop has to watch, and to call [`ready`] for.
    ///
    /// [`ready`]: Self::ready
    fn control(&self) -> &EventFd {
        &self.control
    }

    /// Heeds the control descriptor, on the loop's thread. True: end the loop.
    fn ready(&self) -> bool {
        let stop = self.control.take() >= STOP;
        self.tell_running();
        stop
    }

    /// Runs the loop on this thread by `run`, which returns when `ready` said
    /// so, and `operations` times `call` on another.
    ///
    /// The sample holds the CPU time of both threads, hence what the loop did
    /// about the calls, or of the caller alone, and the wall time of the caller.
    fn round(
        &self,
        operations: u64,
        whose: Whose,
        run: impl FnOnce() -> Result<()>,
        mut call: impl FnMut() -> Result<()> + Send,
    ) -> Result<Sample> {
        let (running, begin) = sync_channel(1);
        *self.running.lock().expect("nobody panics with it") = Some(running);
        self.control.add(START);
        thread::scope(|scope| {
            let calls = scope.spawn(move || {
                begin.recv().context("the loop ended before its round")?;
                let stopwatch = Stopwatch::of(whose);
                let result = (0..operations).try_for_each(|_| call());
                let sample = stopwatch.stop();
                self.control.add(STOP);
                result.map(|()| sample)
            });
            let ran = run();
            // Where the loop failed before it called back, the other thread
            // still waits.
            self.running.lock().expect("nobody panics with it").take();
            let sample = calls.join().expect("the calls do not panic");
            ran.and(sample)
        })
    }

    fn tell_running(&self) {
        if let Some(running) = self.running.lock().expect("nobody panics with it").take() {
            // It has room for one and gets one; the receiver waits for it.
            let _ = running.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calls_are_made_while_the_loop_runs() {
        let gate = Gate::new().unwrap();
        let mut calls = 0;
        let run = || {
            while !readable(&gate) || !gate.ready() {
                thread::yield_now();
            }
            Ok(())
        };
        let call = || {
            calls += 1;
            Ok(())
        };
        gate.round(5, Whose::Process, run, call).unwrap();
        assert_eq!(calls, 5);
    }

    #[test]
    fn a_loop_that_fails_at_once_ends_the_round() {
        let gate = Gate::new().unwrap();
        let error = gate
            .round(
                5,
                Whose::Process,
                || anyhow::bail!("no loop"),
                || unreachable!(),
            )
            .unwrap_err();
        assert_eq!(error.to_string(), "no loop");
    }

    fn readable(gate: &Gate) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut fds = [PollFd::new(gate.control(), PollFlags::IN)];
        poll(&mut fds, Some(&Timespec::default())).unwrap() == 1
    }
}
