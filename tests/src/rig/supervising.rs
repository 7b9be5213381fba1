//! What the program `rig-supervisor` does.

use std::env;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, set_child_subreaper, setsid, wait,
};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

use super::running::{parent, processes};

/// The file in the directory that takes what the command prints.
pub(super) const OUTPUT: &str = "output";

/// The whole of the program `rig-supervisor DIRECTORY COMMAND…`.
///
/// It makes the directory, and runs the command once for each line on its
/// standard input. When that ends, because the fixture was dropped or because
/// its process is gone, however that happened, it kills every process that
/// descends from a command, and removes the directory.
///
/// None can escape: a process whose parent has ended becomes a child of this
/// one (`PR_SET_CHILD_SUBREAPER`) and not of PID 1. So QEMU, which makes itself
/// a daemon, is also reaped at once. In a container PID 1 does that late or
/// never, and libvirt waits for it when it destroys a guest.
///
/// `PR_SET_PDEATHSIG` would not do instead: it fires when the *thread* that
/// started the process ends, and tests are run by threads.
///
/// On the standard output, a line each: `ready`; `started PID` or `failed WHY`
/// for each line of input; `ended PID STATUS` for each command that has ended.
pub fn supervise() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let directory = arguments.next().map(PathBuf::from);
    let command: Vec<OsString> = arguments.collect();
    let Some(directory) = directory.filter(|_| !command.is_empty()) else {
        eprintln!("usage: rig-supervisor DIRECTORY COMMAND...");
        return ExitCode::from(2);
    };
    let done = Supervising::begin(directory, command).and_then(|mut it| it.serve());
    if let Err(error) = done {
        eprintln!("rig-supervisor: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

struct Supervising {
    directory: PathBuf,
    command: Vec<OsString>,
    /// The commands that run.
    started: Vec<Pid>,
    /// Readable when a child has ended.
    ended: UnixStream,
    /// Readable when somebody wants this program to end.
    asked: UnixStream,
}

impl Supervising {
    fn begin(directory: PathBuf, command: Vec<OsString>) -> io::Result<Self> {
        set_child_subreaper(Some(getpid()))?;
        // Ctrl-C is for the test. It fails if this program was started by hand,
        // where Ctrl-C is for this program.
        let _ = setsid();
        let (ended, on_ended) = UnixStream::pair()?;
        pipe::register(SIGCHLD, on_ended)?;
        let (asked, on_asked) = UnixStream::pair()?;
        for signal in [SIGTERM, SIGINT, SIGHUP] {
            pipe::register(signal, on_asked.try_clone()?)?;
        }
        ended.set_nonblocking(true)?;
        // It removes only what it has made: this fails if it is there.
        DirBuilder::new().mode(0o700).create(&directory)?;
        Ok(Self {
            directory,
            command,
            started: Vec::new(),
            ended,
            asked,
        })
    }

    fn serve(&mut self) -> io::Result<()> {
        say("ready");
        let input = io::stdin();
        loop {
            let mut ready = [
                PollFd::new(&input, PollFlags::IN),
                PollFd::new(&self.ended, PollFlags::IN),
                PollFd::new(&self.asked, PollFlags::IN),
            ];
            match poll(&mut ready, None) {
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            let [input_ready, ended, asked] = ready.map(|fd| !fd.revents().is_empty());
            if ended {
                let _ = (&self.ended).read(&mut [0; 64]);
                self.reap();
            }
            if asked {
                return Ok(());
            }
            if input_ready {
                let mut orders = [0; 64];
                let length =
                    rustix::io::retry_on_intr(|| rustix::io::read(input.as_fd(), &mut orders))?;
                if length == 0 {
                    return Ok(());
                }
                for _ in orders[..length].iter().filter(|byte| **byte == b'\n') {
                    self.start();
                }
            }
        }
    }

    fn start(&mut self) {
        match self.spawn() {
            Ok(pid) => {
                self.started.push(pid);
                say(&format!("started {pid}"));
            }
            Err(error) => say(&format!("failed {error}")),
        }
    }

    fn spawn(&self) -> io::Result<Pid> {
        let output = self.output()?;
        let child = Command::new(&self.command[0])
            .args(&self.command[1..])
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        Ok(Pid::from_child(&child))
    }

    fn output(&self) -> io::Result<File> {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.directory.join(OUTPUT))
    }

    /// All that have ended, adopted ones too.
    fn reap(&mut self) {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            self.reaped(pid, status);
        }
    }

    fn reaped(&mut self, pid: Pid, status: WaitStatus) {
        let Some(at) = self.started.iter().position(|started| *started == pid) else {
            return;
        };
        self.started.swap_remove(at);
        remove_console_locks(pid);
        let status = match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => format!("status {code}"),
            (None, signal) => format!("signal {}", signal.unwrap_or_default()),
        };
        say(&format!("ended {pid} {status}"));
    }

    /// Kills the children, and then those who have become children by that,
    /// until there are none.
    ///
    /// Only the number of a child is sure to be its own until it is reaped, and
    /// that is done here; so nobody else is ever hit.
    fn kill_all(&mut self) {
        loop {
            for child in processes().filter(|pid| parent(*pid) == Some(getpid())) {
                let _ = kill_process(child, Signal::KILL);
            }
            match wait(WaitOptions::empty()) {
                Ok(Some((pid, status))) => self.reaped(pid, status),
                Ok(None) | Err(Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }
}

impl Drop for Supervising {
    fn drop(&mut self) {
        self.kill_all();
        if let Err(error) = fs::remove_dir_all(&self.directory) {
            let directory = self.directory.display();
            eprintln!("rig-supervisor: {directory} is left behind: {error}");
        }
    }
}

/// Whoever reads it may be gone, which its standard input will tell.
fn say(line: &str) {
    let mut output = io::stdout().lock();
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}

/// libvirt locks a guest's terminal with a file that holds its own number, and
/// has no chance to remove it when it is killed.
fn remove_console_locks(pid: Pid) {
    let files = fs::read_dir(Path::new("/var/lock")).into_iter().flatten();
    for file in files.flatten() {
        let is_lock = file.file_name().as_encoded_bytes().starts_with(b"LCK..");
        let ours =
            || fs::read_to_string(file.path()).is_ok_and(|text| text.trim() == pid.to_string());
        if is_lock && ours() {
            let _ = fs::remove_file(file.path());
        }
    }
}
