//! Signals, on a thread of their own.
//!
//! A signal handler may do next to nothing, and restoring a terminal is more
//! than that. `signal_hook::iterator` lets its handler write a byte to a
//! socket, and a thread reads it. That thread waits for nothing else, so a
//! second signal ends the program also when the loop and libvirt's calls hang.

use std::sync::Arc;
use std::thread;

use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
use signal_hook::iterator::Signals;
use signal_hook::low_level;

use crate::Failure;
use crate::console::terminal::Terminal;
use crate::interrupt::{self, Race};

/// From now on, and until the process ends:
///
/// - the first of SIGINT, SIGTERM, SIGHUP and SIGQUIT calls `leave`, unless
///   `leaving` was won before; `leave` must not wait
/// - each later one restores the terminal and ends the process with
///   [`interrupt::EXIT_STATUS`]
/// - SIGTSTP lends the terminal to the shell and stops the process
/// - SIGCONT takes it back
///
/// # Errors
///
/// - No descriptors or threads are left.
pub fn watch(
    terminal: Option<Arc<Terminal>>,
    leaving: Race,
    leave: impl Fn() + Send + 'static,
) -> Result<(), Failure> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT])?;
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for signal in signals.forever() {
                match signal {
                    SIGTSTP => {
                        with(&terminal, Terminal::lend);
                        // Fails only for signals that do not exist.
                        let _ = low_level::emulate_default_handler(SIGTSTP);
                    }
                    SIGCONT => with(&terminal, Terminal::take_back),
                    _ if leaving.win() => leave(),
                    _ => end_now(&terminal),
                }
            }
        })?;
    Ok(())
}

/// Restores the terminal and ends the process, past everything that could hold
/// it up.
pub fn end_now(terminal: &Option<Arc<Terminal>>) -> ! {
    with(terminal, Terminal::restore);
    low_level::exit(interrupt::EXIT_STATUS.into())
}

fn with(terminal: &Option<Arc<Terminal>>, act: impl FnOnce(&Terminal)) {
    if let Some(terminal) = terminal {
        act(terminal);
    }
}
