//! The file that `--log` names.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::Failure;

/// Adds lines with the time to a file, or nowhere.
#[derive(Debug)]
pub struct Log(Option<(PathBuf, File)>);

impl Log {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    ///
    /// - It cannot be opened for writing.
    pub fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else {
            return Ok(Self(None));
        };
        let file = File::options().append(true).create(true).open(path);
        let file = file.map_err(|error| failure(path, &error))?;
        Ok(Self(Some((path.to_owned(), file))))
    }

    /// Adds a line.
    ///
    /// # Errors
    ///
    /// - It cannot be written.
    pub fn add(&mut self, line: impl fmt::Display) -> Result<(), Failure> {
        let Some((path, file)) = &mut self.0 else {
            return Ok(());
        };
        // One write, so that lines of two programs do not mix.
        let now = humantime::format_rfc3339_seconds(SystemTime::now());
        let line = format!("{now} {line}\n");
        file.write_all(line.as_bytes())
            .map_err(|error| failure(path, &error))
    }
}

fn failure(path: &Path, error: &io::Error) -> Failure {
    format!("cannot write the log `{}`: {error}", path.display()).into()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn lines_are_added_to_what_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        for line in ["one", "two"] {
            Log::open(Some(&path)).unwrap().add(line).unwrap();
        }
        let text = fs::read_to_string(&path).unwrap();
        let words: Vec<_> = text.lines().map(|line| &line[21..]).collect();
        assert_eq!(words, ["one", "two"]);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let directory = tempfile::tempdir().unwrap();
        for (path, reason) in [
            (directory.path(), "directory"),
            (Path::new("/dev/full"), "No space"),
        ] {
            let written = Log::open(Some(path)).and_then(|mut log| log.add("x"));
            let message = written.unwrap_err().to_string();
            assert!(message.contains(&path.display().to_string()), "{message}");
            assert!(message.contains(reason), "{message}");
        }
    }

    #[test]
    fn no_file_is_no_error() {
        Log::open(None).unwrap().add("x").unwrap();
    }
}
