//! The fixture's end of the supervisor.

use std::env;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::deadline::late;
use super::directory::Directory;
use super::supervising::OUTPUT;
use super::{RigError, Running, patience};

/// The name of the program, which does what [`supervise`](super::supervise)
/// says.
const NAME: &str = "rig-supervisor";

/// Runs one command, as often as it is told, until this is dropped.
#[derive(Debug)]
pub(super) struct Supervisor {
    program: PathBuf,
    directory: PathBuf,
    talk: Mutex<Talk>,
}

impl Supervisor {
    /// Starts a supervisor for `command`, which makes `directory`. Nothing else
    /// runs yet.
    pub(super) fn new(directory: &Directory, command: &[OsString]) -> Result<Self, RigError> {
        let program = program()?;
        let mut child = Command::new(&program)
            .arg(directory.path())
            .args(command)
            .env_clear()
            .envs(directory.environment())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(RigError::system(format!("run {}", program.display())))?;
        let talk = Talk {
            orders: child.stdin.take(),
            replies: child.stdout.take().expect("it is piped"),
            read: Vec::new(),
            child,
        };
        let supervisor = Self {
            program,
            directory: directory.path().to_owned(),
            talk: Mutex::new(talk),
        };
        let reply = supervisor.talk().reply()?;
        match reply.as_deref() {
            Some("ready") => Ok(supervisor),
            other => Err(supervisor.fault(other)),
        }
    }

    /// Runs the command. Returns as soon as it has been started.
    pub(super) fn start(&self) -> Result<Running, RigError> {
        let mut talk = self.talk();
        if let Some(orders) = &mut talk.orders {
            orders
                .write_all(b"start\n")
                .map_err(RigError::system("give the supervisor an order"))?;
        }
        loop {
            let reply = talk.reply()?;
            let line = reply.as_deref().unwrap_or_default();
            match line.split_once(' ') {
                Some(("started", pid)) => {
                    return Running::of_number(pid).ok_or_else(|| self.fault(Some(line)));
                }
                // An earlier run of it.
                Some(("ended", _)) => {}
                _ => return Err(self.fault(reply.as_deref())),
            }
        }
    }

    /// Waits until the command, started once, has ended, and returns how:
    /// `status 0`, `signal 9`.
    pub(super) fn ending(&self) -> Result<String, RigError> {
        let reply = self.talk().reply()?;
        let words = reply
            .as_deref()
            .and_then(|line| line.strip_prefix("ended ")?.split_once(' '));
        match words {
            Some((_, status)) => Ok(status.to_owned()),
            None => Err(self.fault(reply.as_deref())),
        }
    }

    /// What the command has printed.
    pub(super) fn printed(&self) -> String {
        let printed = std::fs::read(self.directory.join(OUTPUT)).unwrap_or_default();
        String::from_utf8_lossy(&printed).into_owned()
    }

    fn talk(&self) -> MutexGuard<'_, Talk> {
        self.talk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fault(&self, reply: Option<&str>) -> RigError {
        RigError::Supervisor {
            program: self.program.clone(),
            fault: match reply {
                Some(line) => format!("said {line:?}"),
                None => "ended; see what it printed on stderr".to_owned(),
            },
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        let mut talk = self.talk();
        // That is its order to end.
        talk.orders = None;
        loop {
            match talk.reply() {
                Ok(Some(_)) => {}
                // It has ended, or is about to without another word.
                Ok(None) => break,
                // To wait on would hang. It goes on trying.
                Err(error) => {
                    eprintln!("{}: {error}", self.program.display());
                    return;
                }
            }
        }
        let _ = talk.child.wait();
    }
}

#[derive(Debug)]
struct Talk {
    child: Child,
    orders: Option<ChildStdin>,
    replies: ChildStdout,
    /// What has been read and not yet returned.
    read: Vec<u8>,
}

impl Talk {
    /// Waits for the next line; none when the supervisor has ended.
    fn reply(&mut self) -> Result<Option<String>, RigError> {
        let began = Instant::now();
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return Ok(Some(String::from_utf8_lossy(&line[..end]).into_owned()));
            }
            let left = patience().saturating_sub(began.elapsed());
            let left = Timespec::try_from(left).expect("a minute");
            match poll(
                &mut [PollFd::new(&self.replies, PollFlags::IN)],
                Some(&left),
            ) {
                Ok(0) => return Err(late("the supervisor says something")),
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(error) => {
                    return Err(RigError::system("hear the supervisor")(error.into()));
                }
            }
            let mut bytes = [0; 256];
            let length = self
                .replies
                .read(&mut bytes)
                .map_err(RigError::system("hear the supervisor"))?;
            if length == 0 {
                return Ok(None);
            }
            self.read.extend(&bytes[..length]);
        }
    }
}

/// The program. Cargo builds it for the tests of this package, and puts it near
/// them; for those of another package, it is asked to.
fn program() -> Result<PathBuf, RigError> {
    static BUILT: Mutex<Option<PathBuf>> = Mutex::new(None);
    let own = env::current_exe().map_err(RigError::system("find this program"))?;
    // A test is in deps/, a program beside it.
    let near = own.ancestors().skip(1).take(2).map(|it| it.join(NAME));
    if let Some(program) = near.into_iter().find(|path| path.is_file()) {
        return Ok(program);
    }
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if built.is_none() {
        *built = Some(build()?);
    }
    Ok(built.clone().expect("just built"))
}

fn build() -> Result<PathBuf, RigError> {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "--bin", NAME])
        .arg("--message-format=json-render-diagnostics")
        .arg("--manifest-path")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .output()
        .map_err(RigError::system("run cargo"))?;
    let messages = String::from_utf8_lossy(&output.stdout);
    match executable(&messages) {
        Some(program) if output.status.success() => Ok(program),
        _ => Err(RigError::Failed {
            what: format!(
                "cargo, which was to build {NAME}, ended with {}",
                output.status
            ),
            printed: String::from_utf8_lossy(&output.stderr).into_owned(),
        }),
    }
}

/// The path of the program in cargo's messages, which are JSON, one a line.
fn executable(messages: &str) -> Option<PathBuf> {
    messages.lines().find_map(|message| {
        let (_, path) = message.split_once("\"executable\":\"")?;
        let (path, _) = path.split_once('"')?;
        path.ends_with(NAME).then(|| PathBuf::from(path))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_read_from_what_cargo_says() {
        let messages = r#"{"reason":"compiler-artifact","executable":null,"fresh":true}
{"reason":"compiler-artifact","executable":"/src/target/debug/rig-supervisor","fresh":true}
{"reason":"build-finished","success":true}"#;
        let program = PathBuf::from("/src/target/debug/rig-supervisor");
        assert_eq!(executable(messages), Some(program));
        assert_eq!(executable(""), None);
    }
}
