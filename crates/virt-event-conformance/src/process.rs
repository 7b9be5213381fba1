//! One child process with a deadline.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

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
    let pidfd = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    let mut stdout = Stream::new(child.stdout.take())?;
    let mut stderr = Stream::new(child.stderr.take())?;
    let ended = loop {
        let Some(left) = deadline.checked_sub(began.elapsed()) else {
            break false;
        };
        let mut fds = vec![PollFd::new(&pidfd, PollFlags::IN)];
        fds.extend(stdout.poll_fd());
        fds.extend(stderr.poll_fd());
        match poll(&mut fds, Some(&timespec(left))) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ended = !fds[0].revents().is_empty();
        stdout.read()?;
        stderr.read()?;
        if ended {
            break true;
        }
    };
    Ok((ended, stdout.text(), stderr.text()))
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
