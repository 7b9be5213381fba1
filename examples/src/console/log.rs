//! The file that `--log` names.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::Failure;

const SECONDS_PER_DAY: u64 = 86_400;

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
        let line = format!("{} {line}\n", now());
        file.write_all(line.as_bytes())
            .map_err(|error| failure(path, &error))
    }
}

fn failure(path: &Path, error: &io::Error) -> Failure {
    format!("cannot write the log `{}`: {error}", path.display()).into()
}

/// Now, in UTC, as in `2026-11-22T16:24:09Z`.
fn now() -> String {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    date(since_epoch.unwrap_or_default().as_secs())
}

fn date(seconds: u64) -> String {
    let (year, month, day) = civil(seconds / SECONDS_PER_DAY);
    let second = seconds % SECONDS_PER_DAY;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        second / 3_600,
        second / 60 % 60,
        second % 60
    )
}

/// Year, month and day, so many days after 1970-01-01. The year is taken to
/// begin in March, so that the leap day is its last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // since 0000-03-01
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = match month {
        0..10 => (year, month + 3),
        _ => (year + 1, month - 9),
    };
    (era * 400 + year, month, day)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn dates_agree_with_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_709_251_200, "2024-03-01T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(date(seconds), expected);
        }
    }

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
