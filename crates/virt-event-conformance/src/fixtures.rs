//! Descriptors of every kind, and waiting.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::EventfdFlags;
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::pipe::PipeFlags;

/// Numbers from here on are used by [`numbered`] and [`closed_number`] only, so
/// that no other thread of the process takes one that was just closed.
const HIGH: RawFd = 200;

static PATIENCE_MS: AtomicU64 = AtomicU64::new(10_000);

/// How long a case waits for something that must happen.
pub fn patience() -> Duration {
    Duration::from_millis(PATIENCE_MS.load(Ordering::Relaxed))
}

/// Changes [`patience`]: broken subjects, of which nothing is expected, get
/// less.
pub fn set_patience(patience: Duration) {
    PATIENCE_MS.store(patience.as_millis() as u64, Ordering::Relaxed);
}

/// Waits, without turning the loop, until another thread has made `condition`
/// true.
///
/// # Panics
///
/// - If that takes longer than [`patience`], naming `what` was awaited.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(
            began.elapsed() < patience(),
            "waited {:?} in vain: {what}",
            began.elapsed()
        );
        thread::sleep(Duration::from_millis(1));
    }
}

/// A pipe: the reading end, the writing end. Neither blocks.
pub fn pipe() -> (OwnedFd, OwnedFd) {
    rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).expect("pipe2")
}

/// Two connected stream sockets that do not block.
pub fn socketpair() -> (UnixStream, UnixStream) {
    let (one, other) = UnixStream::pair().expect("socketpair");
    one.set_nonblocking(true).expect("O_NONBLOCK");
    other.set_nonblocking(true).expect("O_NONBLOCK");
    (one, other)
}

/// A descriptor that is readable between [`kick`](EventFd::kick) and
/// [`take`](EventFd::take), and always writable.
#[derive(Debug)]
pub struct EventFd(OwnedFd);

/// An eventfd that is not readable yet.
pub fn eventfd() -> EventFd {
    EventFd(
        rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).expect("eventfd"),
    )
}

impl EventFd {
    /// Makes it readable.
    pub fn kick(&self) {
        rustix::io::write(&self.0, &1_u64.to_ne_bytes()).expect("write to an eventfd");
    }

    /// Makes it unreadable. Returns whether it was readable.
    pub fn take(&self) -> bool {
        rustix::io::read(&self.0, &mut [0; 8]).is_ok()
    }

    /// The same eventfd under another number, for a callback.
    pub fn duplicate(&self) -> Self {
        Self(self.0.try_clone().expect("F_DUPFD"))
    }

    /// The descriptor itself, to be closed or put elsewhere.
    pub fn into_fd(self) -> OwnedFd {
        self.0
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for EventFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// A regular file, open for reading and not empty. epoll refuses it.
pub fn regular_file() -> File {
    File::open("/proc/self/exe").expect("open the program's own file")
}

/// `/dev/null`, open for reading and writing. epoll refuses it.
pub fn dev_null() -> File {
    File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .expect("open /dev/null")
}

/// A duplicate of `fd` whose number is the lowest free one from 200 on. Close
/// it, and the next call gets the same number, because nothing else takes
/// numbers that high.
pub fn numbered(fd: impl AsFd) -> OwnedFd {
    fcntl_dupfd_cloexec(fd, HIGH).expect("F_DUPFD_CLOEXEC")
}

/// A number that no descriptor has, and that no other gets by chance.
pub fn closed_number() -> RawFd {
    numbered(dev_null()).as_raw_fd()
}

/// Writes one byte.
pub fn write_byte(fd: impl AsFd) {
    let written = rustix::io::write(fd, b"x").expect("write");
    assert_eq!(written, 1, "no room for one byte");
}

/// Reads and forgets everything there is.
pub fn read_all(fd: impl AsFd) {
    let mut buffer = [0; 4096];
    loop {
        match rustix::io::read(&fd, &mut buffer) {
            Ok(0) | Err(Errno::AGAIN) => return,
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => panic!("read: {error}"),
        }
    }
}

/// Writes until there is no more room.
pub fn fill(fd: impl AsFd) {
    let buffer = [0; 4096];
    loop {
        match rustix::io::write(&fd, &buffer) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return,
            Err(error) => panic!("write: {error}"),
        }
    }
}

/// The members of an epoll set, as `/proc/self/fdinfo` shows them: descriptor
/// number and interest (the kernel's `EPOLL…` bits).
///
/// # Panics
///
/// - If `set` is no open descriptor.
pub fn epoll_members(set: RawFd) -> Vec<(RawFd, u32)> {
    let mut text = String::new();
    File::open(format!("/proc/self/fdinfo/{set}"))
        .and_then(|mut file| file.read_to_string(&mut text))
        .expect("read fdinfo");
    text.lines().filter_map(epoll_member).collect()
}

/// What the kernel goes on to report of a member of an epoll set (its `EPOLL…`
/// bits). `None` if it is no member, or a parked one: one that is asked for
/// nothing, with `EPOLLONESHOT`. Of that the kernel reports an error or a hang-up
/// at most once, and nothing else.
///
/// # Panics
///
/// - If `set` is no open descriptor.
pub fn epoll_interest(set: RawFd, fd: RawFd) -> Option<u32> {
    const UNASKED: u32 = 0x8 | 0x10;
    const ONE_SHOT: u32 = 1 << 30;
    let (_, events) = epoll_members(set)
        .into_iter()
        .find(|&(member, _)| member == fd)?;
    let is_parked = events & ONE_SHOT != 0 && events & !ONE_SHOT & !UNASKED == 0;
    (!is_parked).then_some(events)
}

/// Reads a line such as `tfd:        7 events:       19 data: …`.
fn epoll_member(line: &str) -> Option<(RawFd, u32)> {
    let mut words = line.strip_prefix("tfd:")?.split_whitespace();
    let fd = words.next()?.parse().ok()?;
    let events = match words.next()? {
        "events:" => words.next()?,
        _ => return None,
    };
    Some((fd, u32::from_str_radix(events, 16).ok()?))
}

/// Makes a descriptor of any kind not block.
pub fn set_nonblocking(fd: impl AsFd) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(&fd)?;
    rustix::fs::fcntl_setfl(&fd, flags | rustix::fs::OFlags::NONBLOCK)?;
    Ok(())
}
