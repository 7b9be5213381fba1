//! Ending a program that waits: for events, for an answer, for the time to pass.

use std::fmt;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Why a program is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Ctrl-C or SIGTERM.
    Interrupted,
    /// It was to run for so long only.
    TimedOut,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupted => "interrupted",
            Self::TimedOut => "timed out",
        })
    }
}

/// Tells the thread that waits, whatever it waits for at the moment, that the
/// program is to end.
///
/// The loop's thread [stops](Self::stop), since signals and timers are events on
/// the loop; the thread that talks to libvirt waits.
#[derive(Clone, Default)]
pub struct Stopping(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    why: Option<Stop>,
    waiting: Option<Waiting>,
}

type Waiting = Box<dyn FnOnce(Stop) + Send>;

impl Stopping {
    /// The program is to end. Only the first reason counts.
    pub fn stop(&self, why: Stop) {
        let mut state = self.lock();
        if state.why.is_none() {
            state.why = Some(why);
            let waiting = state.waiting.take();
            drop(state);
            if let Some(waiting) = waiting {
                waiting(why);
            }
        }
    }

    /// Why the program is to end, if it is.
    pub fn why(&self) -> Option<Stop> {
        self.lock().why
    }

    /// Calls `wake` when the program is to end; at once if it is already. It
    /// takes the place of the one before, which is forgotten.
    pub fn on_stop(&self, wake: impl FnOnce(Stop) + Send + 'static) {
        let mut state = self.lock();
        match state.why {
            Some(why) => {
                drop(state);
                wake(why);
            }
            None => {
                let former = state.waiting.replace(Box::new(wake));
                drop(state);
                drop(former);
            }
        }
    }

    /// Waits; `None` if the time has passed.
    pub fn wait(&self, time: Duration) -> Option<Stop> {
        let (sender, receiver) = mpsc::channel();
        self.on_stop(move |why| {
            let _ = sender.send(why);
        });
        receiver.recv_timeout(time).ok()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn whoever_waits_is_told_at_once() {
        let stopping = Stopping::default();
        let waiting = stopping.clone();
        let waits = thread::spawn(move || waiting.wait(LONG));
        stopping.stop(Stop::Interrupted);
        assert_eq!(waits.join().unwrap(), Some(Stop::Interrupted));
    }

    #[test]
    fn the_first_reason_counts_for_ever() {
        let stopping = Stopping::default();
        assert_eq!(stopping.wait(Duration::from_millis(1)), None);
        stopping.stop(Stop::TimedOut);
        stopping.stop(Stop::Interrupted);
        for _ in 0..2 {
            assert_eq!(stopping.wait(LONG), Some(Stop::TimedOut));
        }
    }

    #[test]
    fn only_the_last_one_who_waits_is_told() {
        let stopping = Stopping::default();
        let (sender, told) = mpsc::channel();
        for number in [1, 2] {
            let sender = sender.clone();
            stopping.on_stop(move |_| sender.send(number).unwrap());
        }
        stopping.stop(Stop::Interrupted);
        drop(sender);
        assert_eq!(told.iter().collect::<Vec<_>>(), [2]);
    }
}
