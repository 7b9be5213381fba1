//! Ctrl-C and SIGTERM, as an event on the loop like any other.

use std::error::Error;
use std::fmt;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};
use virt_event::{HandleEvents, Watch};

use crate::Failure;

/// The exit status of a program that Ctrl-C ended: 128 + SIGINT.
pub const EXIT_STATUS: u8 = 130;

/// The user ended the program before its work was done. The orderly way out was
/// taken nevertheless; the process exits with [`EXIT_STATUS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl Error for Interrupted {}

/// Decides between an interrupt and the end of something that cannot be called
/// off: whichever comes first has it.
#[derive(Debug, Clone, Default)]
pub struct Race(Arc<AtomicBool>);

impl Race {
    /// True for the first call on this and all its clones, and only for that.
    #[must_use = "who did not win must not go on"]
    pub fn win(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

/// Calls a function on the loop when the user wants the program to end.
#[must_use = "dropping it turns the first Ctrl-C into nothing"]
#[derive(Debug)]
pub struct Interrupt(
    #[expect(dead_code, reason = "watches until it is dropped")] Watch<UnixStream>,
);

impl Interrupt {
    /// From now on the first Ctrl-C or SIGTERM calls `on_interrupt`, on the
    /// loop's thread. The second one ends the process at once with status
    /// [`EXIT_STATUS`], in case the orderly way out hangs.
    ///
    /// # Errors
    ///
    /// - No loop is installed yet, or no descriptors are left.
    pub fn watch(mut on_interrupt: impl FnMut() + Send + 'static) -> Result<Self, Failure> {
        // The signal handler writes a byte; the loop sees it. A signal that
        // comes before the loop runs waits in the socket.
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        let seen_one = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: what the handler does first must see the flag of
            // an earlier signal, not of its own.
            flag::register_conditional_shutdown(signal, EXIT_STATUS.into(), Arc::clone(&seen_one))?;
            flag::register(signal, Arc::clone(&seen_one))?;
            low_level::pipe::register(signal, writer.try_clone()?)?;
        }
        let source = reader.try_clone()?;
        let watch = virt_event::add_handle(source, HandleEvents::READABLE, move |_| {
            // Take the byte: as long as it is there, we are called.
            if std::io::Read::read(&mut &reader, &mut [0; 16]).is_ok() {
                on_interrupt();
            }
        })?;
        Ok(Self(watch))
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_race_has_one_winner() {
        for _ in 0..100 {
            let race = Race::default();
            let runners =
                [race.clone(), race.clone()].map(|race| thread::spawn(move || race.win()));
            let wins = runners.map(|runner| u32::from(runner.join().unwrap()));
            assert_eq!(wins.iter().sum::<u32>(), 1);
            assert!(!race.win());
        }
    }
}
