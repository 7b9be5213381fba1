//! The terminal, in raw mode while a guest has it, and as it was before on
//! every way out.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::getpgrp;
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetpgrp, tcsetattr};

/// The terminal that stdin is. Any thread may give it back at any time.
#[derive(Debug)]
pub struct Terminal {
    fd: OwnedFd,
    /// As we found it.
    before: Termios,
    mode: Mutex<Mode>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// As we found it; it may become raw.
    Untouched,
    Raw,
    /// Stopped while it was raw: the shell has it.
    Lent,
    /// Restored for good.
    Restored,
}

impl Terminal {
    /// The terminal `stdin`; `None` if it is something else.
    ///
    /// # Errors
    ///
    /// - Its modes cannot be read, or no descriptors are left.
    pub fn of(stdin: impl AsFd) -> io::Result<Option<Arc<Self>>> {
        let stdin = stdin.as_fd();
        if !isatty(stdin) {
            return Ok(None);
        }
        Ok(Some(Arc::new(Self {
            fd: stdin.try_clone_to_owned()?,
            before: tcgetattr(stdin)?,
            mode: Mutex::new(Mode::Untouched),
        })))
    }

    /// Makes every key go through as it is typed, until the terminal is
    /// restored. Does nothing after that.
    ///
    /// # Errors
    ///
    /// - The terminal refuses.
    pub fn make_raw(&self) -> io::Result<()> {
        self.change(|mode| match mode {
            Mode::Untouched | Mode::Raw => self.set_raw(),
            Mode::Lent | Mode::Restored => Ok(mode),
        })
    }

    /// Makes the terminal what it was before, for good. It does not wait for
    /// output that the terminal has not taken.
    pub fn restore(&self) {
        let _ = self.change(|mode| {
            if mode == Mode::Raw {
                self.set_before();
            }
            Ok(Mode::Restored)
        });
    }

    /// The same for the time in which the process is stopped.
    pub fn lend(&self) {
        let _ = self.change(|mode| match mode {
            Mode::Raw => {
                self.set_before();
                Ok(Mode::Lent)
            }
            other => Ok(other),
        });
    }

    /// Makes the terminal raw again after a stop. Whoever stopped the process
    /// may have lent the terminal without asking (SIGSTOP).
    pub fn take_back(&self) {
        // An error means that the terminal is gone, which reading will tell.
        let _ = self.change(|mode| match mode {
            Mode::Raw | Mode::Lent => self.set_raw(),
            other => Ok(other),
        });
    }

    /// Whether lines need `\r\n`, because a raw terminal adds no `\r`.
    pub fn is_raw(&self) -> bool {
        *self.mode.lock().unwrap_or_else(PoisonError::into_inner) == Mode::Raw
    }

    fn change(&self, to: impl FnOnce(Mode) -> io::Result<Mode>) -> io::Result<()> {
        // A panic in here leaves a mode that is still true.
        let mut mode = self.mode.lock().unwrap_or_else(PoisonError::into_inner);
        *mode = to(*mode)?;
        Ok(())
    }

    fn set_raw(&self) -> io::Result<Mode> {
        let mut raw = self.before.clone();
        raw.make_raw();
        tcsetattr(&self.fd, OptionalActions::Now, &raw)?;
        Ok(Mode::Raw)
    }

    fn set_before(&self) {
        // In the background the terminal is the shell's, with modes of its own.
        // To set them would stop this process (SIGTTOU) instead of ending it.
        let is_background = tcgetpgrp(&self.fd).is_ok_and(|foreground| foreground != getpgrp());
        if !is_background {
            // It fails only if the terminal is gone.
            let _ = tcsetattr(&self.fd, OptionalActions::Now, &self.before);
        }
    }
}

/// Restores the terminal when it goes out of scope.
#[must_use = "dropping it restores the terminal at once"]
#[derive(Debug)]
pub struct RestoreOnDrop(pub Option<Arc<Terminal>>);

impl Drop for RestoreOnDrop {
    fn drop(&mut self) {
        if let Some(terminal) = &self.0 {
            terminal.restore();
        }
    }
}

/// From now on a panic, on any thread, restores the terminal before its message
/// is printed, so that the message can be read.
pub fn restore_on_panic(terminal: &Arc<Terminal>) {
    let terminal = Arc::clone(terminal);
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        terminal.restore();
        print(info);
    }));
}

/// A pseudo-terminal, for tests.
#[cfg(test)]
pub(crate) mod pty {
    use std::os::fd::OwnedFd;

    use rustix::fs::{Mode, OFlags};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    /// Both of its sides.
    pub(crate) struct Pty {
        #[expect(dead_code, reason = "the slave hangs up without it")]
        pub(crate) master: OwnedFd,
        pub(crate) slave: OwnedFd,
    }

    pub(crate) fn open() -> Pty {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        Pty { master, slave }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    /// Everything there is to know of the modes.
    fn modes(fd: impl AsFd) -> String {
        format!("{:?}", tcgetattr(fd).unwrap())
    }

    #[test]
    fn only_terminals_count() {
        let null = File::open("/dev/null").unwrap();
        assert!(Terminal::of(&null).unwrap().is_none());
    }

    #[test]
    fn the_modes_afterwards_are_those_before() {
        let pty = pty::open();
        let before = modes(&pty.slave);
        let terminal = Terminal::of(&pty.slave).unwrap().unwrap();
        terminal.make_raw().unwrap();
        assert!(terminal.is_raw());
        let raw = modes(&pty.slave);
        assert_ne!(raw, before);
        terminal.lend();
        assert_eq!(modes(&pty.slave), before);
        terminal.take_back();
        assert_eq!(modes(&pty.slave), raw);
        drop(RestoreOnDrop(Some(Arc::clone(&terminal))));
        assert_eq!(modes(&pty.slave), before);
        // For good: a SIGCONT that comes now changes nothing.
        terminal.take_back();
        terminal.make_raw().unwrap();
        assert!(!terminal.is_raw());
        assert_eq!(modes(&pty.slave), before);
    }

    #[test]
    fn what_another_left_behind_when_it_stopped_us_is_overridden() {
        let pty = pty::open();
        let terminal = Terminal::of(&pty.slave).unwrap().unwrap();
        let before = tcgetattr(&pty.slave).unwrap();
        terminal.make_raw().unwrap();
        let raw = modes(&pty.slave);
        tcsetattr(&pty.slave, OptionalActions::Now, &before).unwrap();
        terminal.take_back();
        assert_eq!(modes(&pty.slave), raw);
    }

    #[test]
    fn a_panic_restores_the_modes_first() {
        let pty = pty::open();
        let before = modes(&pty.slave);
        let terminal = Terminal::of(&pty.slave).unwrap().unwrap();
        let printing = panic::take_hook();
        let (sender, at_print) = std::sync::mpsc::channel();
        let slave = pty.slave.try_clone().unwrap();
        panic::set_hook(Box::new(move |info| {
            let _ = sender.send(modes(&slave));
            printing(info);
        }));
        terminal.make_raw().unwrap();
        restore_on_panic(&terminal);
        let _ = std::thread::spawn(|| panic!("as the test wants")).join();
        assert_eq!(at_print.recv().unwrap(), before);
    }
}
