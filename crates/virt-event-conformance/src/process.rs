//! One child process with a deadline.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid,
};

/// The most that is kept of what a child writes to each stream, in bytes.
const KEPT: usize = 64 * 1024;

/// A child that has ended, or was ended.
pub(crate) struct Finished {
    /// `None` if the deadline ended it.
    pub(crate) status: Option<ExitStatus>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a command in a process group of its own until it ends or `deadline` is
/// over, then kills what is left of the group and reaps the child.
pub(crate) fn run(mut command: Command, deadline: Duration) -> io::Result<Finished> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let watched = watch(&mut child, deadline);
    // The child is not reaped yet, so its number cannot name another group. An
    // error means that the group is gone.
    let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
    let status = child.wait()?;
    let (in_time, stdout, stderr) = watched?;
    Ok(Finished {
        status: in_time.then_some(status),
        stdout,
        stderr,
    })
}

/// Reads what the child writes until it ends or the deadline is over. Returns
/// whether it ended by itself.
fn watch(child: &mut Child, deadline: Duration) -> io::Result<(bool, String, String)> {
    let began = Instant::now();
    let end = End::of(child)?;
    let mut stdout = Stream::new(child.stdout.take())?;
    let mut stderr = Stream::new(child.stderr.take())?;
    let ended = loop {
        let Some(left) = deadline.checked_sub(began.elapsed()) else {
            break false;
        };
        let mut fds: Vec<_> = end.poll_fd().into_iter().collect();
        fds.extend(stdout.poll_fd());
        fds.extend(stderr.poll_fd());
        match poll(&mut fds, Some(&timespec(left.min(end.look_every())))) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ended = end.has_come()?;
        stdout.read()?;
        stderr.read()?;
        if ended {
            break true;
        }
    };
    Ok((ended, stdout.text(), stderr.text()))
}

/// The end of a child, which leaves it to be reaped.
struct End {
    child: Pid,
    /// Readable then. `None` where there is no such thing, as under valgrind.
    pidfd: Option<OwnedFd>,
}

impl End {
    fn of(child: &Child) -> io::Result<Self> {
        let child = Pid::from_child(child);
        let pidfd = match pidfd_open(child, PidfdFlags::empty()) {
            Ok(pidfd) => Some(pidfd),
            Err(Errno::NOSYS) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Self { child, pidfd })
    }

    fn poll_fd(&self) -> Option<PollFd<'_>> {
        let pidfd = self.pidfd.as_ref()?;
        Some(PollFd::new(pidfd, PollFlags::IN))
    }

    /// How long it may go unnoticed in a wait for [`poll_fd`](Self::poll_fd).
    fn look_every(&self) -> Duration {
        match self.pidfd {
            Some(_) => Duration::MAX,
            None => Duration::from_millis(10),
        }
    }

    fn has_come(&self) -> io::Result<bool> {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(waitid(WaitId::Pid(self.child), look)?.is_some())
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: duration.as_secs() as i64,
        tv_nsec: duration.subsec_nanos().into(),
    }
}

/// One of the child's output streams, read without blocking.
struct Stream<R> {
    /// `None` once it has ended.
    source: Option<R>,
    bytes: Vec<u8>,
}

impl<R: Read + AsFd> Stream<R> {
    fn new(source: Option<R>) -> io::Result<Self> {
        if let Some(source) = &source {
            crate::fixtures::set_nonblocking(source)?;
        }
        Ok(Self {
            source,
            bytes: Vec::new(),
        })
    }

    fn poll_fd(&self) -> Option<PollFd<'_>> {
        let source = self.source.as_ref()?;
        Some(PollFd::new(source, PollFlags::IN))
    }

    /// Takes in what there is.
    fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        while let Some(source) = &mut self.source {
            match source.read(&mut buffer) {
                Ok(0) => self.source = None,
                Ok(count) => {
                    // The beginning and the end matter; a flood does not.
                    if self.bytes.len() < KEPT {
                        self.bytes.extend_from_slice(&buffer[..count]);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn text(self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}
