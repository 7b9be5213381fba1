//! A terminal that a test types on and looks at.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags, fcntl_setfl};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::tcgetattr;
use rustix::time::Timespec;

use crate::rig::patience;

/// A pseudo-terminal. Nobody reads what programs print on it but
/// [`wait_for`](Self::wait_for) and [`take`](Self::take), so that it can be one
/// that takes nothing.
#[derive(Debug)]
pub struct PseudoTerminal {
    /// The user's side; none after [`hang_up`](Self::hang_up).
    master: Option<File>,
    /// The side of programs.
    slave: OwnedFd,
    /// What was read and not asked for yet.
    seen: Vec<u8>,
}

impl PseudoTerminal {
    /// A new one.
    ///
    /// # Errors
    ///
    /// - There are no more.
    pub fn open() -> io::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let slave = rustix::fs::open(name, flags, Mode::empty())?;
        fcntl_setfl(&master, OFlags::NONBLOCK)?;
        Ok(Self {
            master: Some(master.into()),
            slave,
            seen: Vec::new(),
        })
    }

    /// The programs' side, as one of a program's three.
    ///
    /// # Errors
    ///
    /// - There are no descriptors left.
    pub fn slave(&self) -> io::Result<Stdio> {
        Ok(self.slave.try_clone()?.into())
    }

    /// All modes, for comparison.
    ///
    /// # Panics
    ///
    /// - The terminal has hung up, because the leader of its session ended.
    pub fn modes(&self) -> String {
        format!("{:?}", tcgetattr(&self.slave).expect("the modes"))
    }

    /// Types.
    ///
    /// # Panics
    ///
    /// - It takes too long.
    pub fn type_in(&mut self, bytes: &[u8]) {
        let began = Instant::now();
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = &rest[self.try_type(rest)..];
            if !rest.is_empty() {
                assert!(began.elapsed() < patience(), "the terminal takes no input");
                self.poll(PollFlags::OUT, Duration::from_millis(100));
            }
        }
    }

    /// Types as much as is taken at once; how much that is.
    ///
    /// # Panics
    ///
    /// - The terminal has hung up.
    pub fn try_type(&mut self, bytes: &[u8]) -> usize {
        match self.master().write(bytes) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => panic!("cannot type: {error}"),
        }
    }

    /// Whether something can be typed.
    pub fn takes_input(&self) -> bool {
        self.poll(PollFlags::OUT, Duration::ZERO)
    }

    /// Closes the user's side, as when the window is closed.
    pub fn hang_up(&mut self) {
        self.master = None;
    }

    /// Reads until `words` are there, and takes everything up to them. They
    /// themselves are taken too, and not returned.
    ///
    /// # Panics
    ///
    /// - They do not come.
    pub fn wait_for(&mut self, words: &[u8]) -> Vec<u8> {
        let began = Instant::now();
        loop {
            if let Some(place) = find(&self.seen, words) {
                let mut before: Vec<_> = self.seen.drain(..place + words.len()).collect();
                before.truncate(place);
                return before;
            }
            assert!(
                began.elapsed() < patience(),
                "no `{}`, but `{}`",
                words.escape_ascii(),
                tail(&self.seen).escape_ascii()
            );
            self.read();
        }
    }

    /// Reads until there are `count` bytes, and takes them.
    ///
    /// # Panics
    ///
    /// - They do not come.
    pub fn take(&mut self, count: usize) -> Vec<u8> {
        let began = Instant::now();
        while self.seen.len() < count {
            let seen = self.seen.len();
            assert!(began.elapsed() < patience(), "{seen} of {count} bytes");
            self.read();
        }
        self.seen.drain(..count).collect()
    }

    /// How much has been printed that nobody has read yet.
    ///
    /// # Panics
    ///
    /// - The system does not say.
    pub fn unread(&self) -> u64 {
        rustix::io::ioctl_fionread(self.master()).expect("FIONREAD")
    }

    fn read(&mut self) {
        let mut buffer = [0; 65536];
        match self.master().read(&mut buffer) {
            Ok(count) => self.seen.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.poll(PollFlags::IN, Duration::from_millis(100));
            }
            Err(error) => panic!("cannot look: {error}"),
        }
    }

    /// Whether it is ready in time.
    fn poll(&self, flags: PollFlags, limit: Duration) -> bool {
        let mut fds = [PollFd::from_borrowed_fd(self.master().as_fd(), flags)];
        let limit = Timespec::try_from(limit).ok();
        poll(&mut fds, limit.as_ref()).is_ok_and(|ready| ready > 0)
    }

    fn master(&self) -> &File {
        self.master.as_ref().expect("it has not hung up")
    }
}

fn find(bytes: &[u8], words: &[u8]) -> Option<usize> {
    bytes.windows(words.len()).position(|part| part == words)
}

fn tail(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.len().saturating_sub(1000)..]
}
