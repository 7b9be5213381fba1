//! A process that somebody else started.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

use super::{RigError, wait_until};

/// A running process that is known by its pid file.
///
/// The number is good as long as the process has not ended and been reaped,
/// which the supervisor does at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running(Pid);

impl Running {
    /// The process of a pid file. A killed process leaves its file behind, so
    /// that its number may be anybody's by now: only who has `directory` on the
    /// command line is believed.
    pub(super) fn of_file(file: &Path, directory: &Path) -> Option<Self> {
        let process = Self::of_number(&fs::read_to_string(file).ok()?)?;
        process.mentions(directory).then_some(process)
    }

    /// The process with this number.
    pub(super) fn of_number(number: &str) -> Option<Self> {
        Pid::from_raw(number.trim().parse().ok()?).map(Self)
    }

    /// Every process that has `directory` on its command line.
    pub fn all_of(directory: &Path) -> Vec<Self> {
        processes()
            .map(Self)
            .filter(|process| process.mentions(directory))
            .collect()
    }

    /// Its number.
    pub fn pid(self) -> Pid {
        self.0
    }

    /// Sends it a signal.
    ///
    /// # Errors
    ///
    /// - It is gone.
    pub fn signal(self, signal: Signal) -> Result<(), RigError> {
        let what = format!("send {signal:?} to process {}", self.0);
        kill_process(self.0, signal).map_err(|error| RigError::system(what)(error.into()))
    }

    /// Sends it a signal that ends it, and waits until it has ended.
    ///
    /// # Errors
    ///
    /// - It is gone already, or it does not end.
    pub fn end(self, signal: Signal) -> Result<(), RigError> {
        self.signal(signal)?;
        wait_until(&format!("process {} ends", self.0), || self.has_ended())
    }

    /// Whether none of its threads runs any more; it may not have been reaped yet.
    ///
    /// The first thread can end before the others, which still hold what belongs
    /// to all of them: with the lock on a pid file, the next daemon cannot start.
    pub fn has_ended(self) -> bool {
        let Ok(threads) = fs::read_dir(format!("/proc/{}/task", self.0)) else {
            return true;
        };
        threads.flatten().all(|thread| {
            let stat = thread.path().join("stat");
            matches!(state(&stat.to_string_lossy()), None | Some('Z' | 'X'))
        })
    }

    /// Stops it, and waits until none of its threads runs.
    ///
    /// # Errors
    ///
    /// - It is gone.
    pub fn freeze(self) -> Result<(), RigError> {
        self.signal(Signal::STOP)?;
        wait_until(&format!("process {} stops", self.0), || {
            let Ok(threads) = fs::read_dir(format!("/proc/{}/task", self.0)) else {
                return false;
            };
            threads.flatten().all(|thread| {
                let stat = thread.path().join("stat");
                // A thread that has just ended does not run either.
                !matches!(state(&stat.to_string_lossy()), Some('R' | 'S' | 'D'))
            })
        })
    }

    /// Lets it go on after [`freeze`](Self::freeze).
    ///
    /// # Errors
    ///
    /// - It is gone.
    pub fn thaw(self) -> Result<(), RigError> {
        self.signal(Signal::CONT)
    }

    fn mentions(self, directory: &Path) -> bool {
        let name = directory.as_os_str().as_encoded_bytes();
        fs::read(format!("/proc/{}/cmdline", self.0))
            .is_ok_and(|line| line.windows(name.len()).any(|part| part == name))
    }
}

/// The pids of all processes.
pub(super) fn processes() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
}

/// The letter for what a process or thread is doing, out of its `stat`.
fn state(stat: &str) -> Option<char> {
    fields(&fs::read_to_string(stat).ok()?).0
}

/// The state and the parent of a process.
pub(super) fn parent(pid: Pid) -> Option<Pid> {
    Pid::from_raw(fields(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?).1?)
}

/// The state and the parent's number in a `stat`, which come after a name in
/// parentheses that may itself contain some.
fn fields(stat: &str) -> (Option<char>, Option<i32>) {
    let Some((_, rest)) = stat.rsplit_once(')') else {
        return (None, None);
    };
    let mut fields = rest.split_whitespace();
    let state = fields.next().and_then(|word| word.chars().next());
    let parent = fields.next().and_then(|word| word.parse().ok());
    (state, parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_look_like_anything() {
        let stat = "12 (a) S 3 (b)) T 7 12 12 0 -1";
        assert_eq!(fields(stat), (Some('T'), Some(7)));
        assert_eq!(fields(""), (None, None));
    }

    #[test]
    fn this_process_is_seen() {
        let own = rustix::process::getpid();
        assert!(processes().any(|pid| pid == own));
        assert_eq!(parent(own), rustix::process::getppid());
    }
}
