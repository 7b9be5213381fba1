use std::fmt::{self, Write as _};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// What the subject reports through `tracing`. Needs
/// [`Capabilities::LOGS`](crate::Capabilities::LOGS).
///
/// [`capture`](Self::capture) takes the process's subscriber, which a child
/// process of the runner has to itself.
#[derive(Clone, Copy, Debug)]
pub struct Logs(&'static Mutex<Vec<LogRecord>>);

/// One reported event.
#[derive(Clone, Debug)]
pub struct LogRecord {
    /// Its level.
    pub level: Level,
    /// The message and all fields, as `message name=value …`.
    pub text: String,
}

static RECORDS: OnceLock<Mutex<Vec<LogRecord>>> = OnceLock::new();

impl Logs {
    /// Starts to record.
    pub fn capture() -> Self {
        let records = RECORDS.get_or_init(Mutex::default);
        // An error means that an earlier call has done it.
        let _ = tracing::subscriber::set_global_default(Recording(records));
        Self(records)
    }

    /// What was reported at `level`.
    pub fn at(&self, level: Level) -> Vec<LogRecord> {
        lock(self.0)
            .iter()
            .filter(|record| record.level == level)
            .cloned()
            .collect()
    }

    /// What was reported as an error.
    pub fn errors(&self) -> Vec<LogRecord> {
        self.at(Level::ERROR)
    }

    /// What was reported as a warning.
    pub fn warnings(&self) -> Vec<LogRecord> {
        self.at(Level::WARN)
    }

    /// Forgets everything so far.
    pub fn clear(&self) {
        lock(self.0).clear();
    }
}

/// Whether `text` contains this number by itself, not as a part of a longer
/// one, of a fraction or of a duration.
pub(crate) fn says(text: &str, number: i32) -> bool {
    let number = number.to_string();
    text.split(|c: char| !c.is_alphanumeric() && !"-.µ".contains(c))
        .any(|word| word.trim_end_matches('.') == number)
}

struct Recording(&'static Mutex<Vec<LogRecord>>);

impl Subscriber for Recording {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        lock(self.0).push(LogRecord {
            level: *event.metadata().level(),
            text: format!("{}{}", text.message, text.fields),
        });
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

fn lock(records: &Mutex<Vec<LogRecord>>) -> MutexGuard<'_, Vec<LogRecord>> {
    records.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_whole() {
        for text in ["fd=42", "fd -1, id 42: bad", "it was 42.", "(42)"] {
            assert!(says(text, 42), "{text}");
        }
        assert!(says("fd=-1", -1));
        for text in [
            "fd=420",
            "took=42.042ms",
            "took=23.42ms",
            "42ms",
            "-42",
            "a42",
        ] {
            assert!(!says(text, 42), "{text}");
        }
    }
}
