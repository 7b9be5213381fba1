//! Reading and writing stdin, stdout and stderr without ever waiting for them.
//!
//! `O_NONBLOCK` belongs to the open file, which the shell and whoever else
//! inherited it share with us: set on stdin, it breaks their reads, also after
//! we are gone. So it is never set on what we inherited.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FileType, Mode, OFlags, fstat};
use rustix::net::{RecvFlags, SendFlags};
use rustix::time::Timespec;

/// One end that bytes come from or go to.
#[derive(Debug)]
pub struct Endpoint {
    fd: OwnedFd,
    means: Means,
}

/// How waiting is avoided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Means {
    /// Opened anew, with an `O_NONBLOCK` that nobody shares: terminals and
    /// pipes.
    OpenedAnew,
    /// Each call asks for it; a socket cannot be opened anew.
    Socket,
    /// `poll` is asked first. It says yes at once for regular files, which must
    /// not be opened anew because that loses the position, and for `/dev/null`.
    AskedFirst,
}

/// What a pipe that `poll` calls writable takes without waiting: `PIPE_BUF`.
const SAFE_LENGTH: usize = 4096;

impl Endpoint {
    /// What `inherited` reads from.
    ///
    /// # Errors
    ///
    /// - It is a terminal of another user and not the one that this process is
    ///   controlled by.
    /// - No descriptors are left.
    pub fn reader(inherited: impl AsFd) -> io::Result<Self> {
        Self::new(inherited.as_fd(), OFlags::RDONLY)
    }

    /// What `inherited` writes to.
    ///
    /// # Errors
    ///
    /// As for [`reader`](Self::reader).
    pub fn writer(inherited: impl AsFd) -> io::Result<Self> {
        Self::new(inherited.as_fd(), OFlags::WRONLY)
    }

    fn new(inherited: BorrowedFd<'_>, access: OFlags) -> io::Result<Self> {
        let flags = access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let path = format!("/proc/self/fd/{}", inherited.as_raw_fd());
        let open = |path: &str| rustix::fs::open(path, flags, Mode::empty());
        let kind = FileType::from_raw_mode(fstat(inherited)?.st_mode);
        let (fd, means) = if kind == FileType::Socket {
            (inherited.try_clone_to_owned()?, Means::Socket)
        } else if rustix::termios::isatty(inherited) {
            // After `su` the terminal belongs to another user. /dev/tty stands
            // for it if it is the one that controls this process, and anybody
            // may open that.
            let is_controlling = rustix::termios::tcgetsid(inherited).is_ok();
            let fd = open(&path).or_else(|error| match is_controlling {
                true => open("/dev/tty"),
                false => Err(error),
            })?;
            (fd, Means::OpenedAnew)
        } else if kind == FileType::Fifo {
            // After `su` a pipe belongs to another user, too.
            match open(&path) {
                Ok(fd) => (fd, Means::OpenedAnew),
                Err(_) => (inherited.try_clone_to_owned()?, Means::AskedFirst),
            }
        } else {
            (inherited.try_clone_to_owned()?, Means::AskedFirst)
        };
        Ok(Self { fd, means })
    }

    /// Reads what is there; `None` if nothing is, 0 at the end.
    ///
    /// # Errors
    ///
    /// - What the system says.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        if !self.is_ready(PollFlags::IN)? {
            return Ok(None);
        }
        let result = match self.means {
            Means::Socket => {
                rustix::net::recv(&self.fd, buffer, RecvFlags::DONTWAIT).map(|(count, _)| count)
            }
            Means::OpenedAnew | Means::AskedFirst => rustix::io::read(&self.fd, buffer),
        };
        or_later(result)
    }

    /// Writes as much as is taken; `None` if nothing is.
    ///
    /// # Errors
    ///
    /// - What the system says.
    pub fn write(&self, bytes: &[u8]) -> io::Result<Option<usize>> {
        if !self.is_ready(PollFlags::OUT)? {
            return Ok(None);
        }
        let result = match self.means {
            Means::Socket => {
                let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                rustix::net::send(&self.fd, bytes, flags)
            }
            Means::OpenedAnew => rustix::io::write(&self.fd, bytes),
            Means::AskedFirst => {
                rustix::io::write(&self.fd, &bytes[..bytes.len().min(SAFE_LENGTH)])
            }
        };
        or_later(result)
    }

    /// Waits until bytes are taken, `limit` at most. Not for the loop's thread.
    pub fn wait_writable(&self, limit: std::time::Duration) {
        let mut fds = [PollFd::new(&self.fd, PollFlags::OUT)];
        // If it fails, the next write says why.
        let _ = poll(&mut fds, Timespec::try_from(limit).ok().as_ref());
    }

    /// Whether it is a terminal.
    pub fn is_terminal(&self) -> bool {
        rustix::termios::isatty(&self.fd)
    }

    /// Whether two of them are the same device, such as one terminal.
    pub fn is_same_device(&self, other: &Self) -> bool {
        let device = |endpoint: &Self| {
            let stat = fstat(&endpoint.fd).ok()?;
            let kind = FileType::from_raw_mode(stat.st_mode);
            (kind == FileType::CharacterDevice).then_some(stat.st_rdev)
        };
        device(self).is_some_and(|own| device(other) == Some(own))
    }

    fn is_ready(&self, flags: PollFlags) -> io::Result<bool> {
        if self.means != Means::AskedFirst {
            return Ok(true);
        }
        let mut fds = [PollFd::new(&self.fd, flags)];
        Ok(poll(&mut fds, Some(&Timespec::default()))? > 0)
    }
}

impl AsFd for Endpoint {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn or_later(result: rustix::io::Result<usize>) -> io::Result<Option<usize>> {
    use rustix::io::Errno;
    match result {
        Ok(count) => Ok(Some(count)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Seek, Write};
    use std::os::unix::net::UnixStream;

    use rustix::fs::fcntl_getfl;

    use super::*;
    use crate::console::terminal::pty;

    /// Writes until the other side takes no more; the count.
    fn stuff(writer: &Endpoint) -> usize {
        let mut count = 0;
        while let Some(taken) = writer.write(&[b'x'; 10_000]).unwrap() {
            count += taken;
        }
        count
    }

    fn is_blocking(fd: impl AsFd) -> bool {
        !fcntl_getfl(fd).unwrap().contains(OFlags::NONBLOCK)
    }

    #[test]
    fn pipes_sockets_and_terminals_do_not_wait_and_stay_as_they_were() {
        let (pipe_reader, pipe_writer) = rustix::pipe::pipe().unwrap();
        let (socket_reader, socket_writer) = UnixStream::pair().unwrap();
        let terminal = pty::open();
        let mut raw = rustix::termios::tcgetattr(&terminal.slave).unwrap();
        raw.make_raw();
        let now = rustix::termios::OptionalActions::Now;
        rustix::termios::tcsetattr(&terminal.slave, now, &raw).unwrap();
        let pairs: [(&dyn AsFd, &dyn AsFd); 3] = [
            (&pipe_reader, &pipe_writer),
            (&socket_reader, &socket_writer),
            (&terminal.slave, &terminal.slave),
        ];
        for (inherited_reader, inherited_writer) in pairs {
            let reader = Endpoint::reader(inherited_reader.as_fd()).unwrap();
            let writer = Endpoint::writer(inherited_writer.as_fd()).unwrap();
            assert_eq!(reader.read(&mut [0; 8]).unwrap(), None);
            assert!(stuff(&writer) > 0);
            assert!(is_blocking(inherited_reader) && is_blocking(inherited_writer));
        }
        let reader = Endpoint::reader(&pipe_reader).unwrap();
        assert_eq!(reader.read(&mut [0; 8]).unwrap(), Some(8));
    }

    #[test]
    fn a_pipe_that_cannot_be_opened_anew_does_not_wait_either() {
        let (pipe_reader, pipe_writer) = rustix::pipe::pipe().unwrap();
        let shared = |fd: OwnedFd| Endpoint {
            fd,
            means: Means::AskedFirst,
        };
        let (reader, writer) = (shared(pipe_reader), shared(pipe_writer));
        assert_eq!(reader.read(&mut [0; 8]).unwrap(), None);
        let count = stuff(&writer);
        assert!(count > 0);
        let mut read = 0;
        while let Some(more) = reader.read(&mut [0; 10_000]).unwrap() {
            read += more;
        }
        assert_eq!(read, count);
        drop(writer);
        assert_eq!(reader.read(&mut [0; 8]).unwrap(), Some(0));
    }

    #[test]
    fn a_file_is_read_and_written_where_it_stands() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"before, after").unwrap();
        file.seek(io::SeekFrom::Start(8)).unwrap();
        let reader = Endpoint::reader(&file).unwrap();
        let mut buffer = [0; 99];
        assert_eq!(reader.read(&mut buffer).unwrap(), Some(5));
        assert_eq!(&buffer[..5], b"after");
        assert_eq!(reader.read(&mut buffer).unwrap(), Some(0));
        let writer = Endpoint::writer(&file).unwrap();
        assert_eq!(writer.write(b" all").unwrap(), Some(4));
        file.rewind().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "before, after all");
    }

    #[test]
    fn dev_null_takes_everything_and_has_nothing() {
        let null = File::options().read(true).write(true).open("/dev/null");
        let null = null.unwrap();
        let reader = Endpoint::reader(&null).unwrap();
        assert_eq!(reader.read(&mut [0; 8]).unwrap(), Some(0));
        let writer = Endpoint::writer(&null).unwrap();
        assert_eq!(writer.write(b"1234").unwrap(), Some(4));
    }

    #[test]
    fn a_reader_that_went_away_is_an_error() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        drop(reader);
        let error = Endpoint::writer(&writer).unwrap().write(b"x").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn one_terminal_is_recognised_and_two_are_told_apart() {
        let (one, two) = (pty::open(), pty::open());
        let endpoint = |fd: &OwnedFd| Endpoint::writer(fd).unwrap();
        assert!(endpoint(&one.slave).is_same_device(&endpoint(&one.slave)));
        assert!(!endpoint(&one.slave).is_same_device(&endpoint(&two.slave)));
        let (_reader, writer) = rustix::pipe::pipe().unwrap();
        let pipe = endpoint(&writer);
        assert!(!pipe.is_same_device(&pipe));
    }
}
