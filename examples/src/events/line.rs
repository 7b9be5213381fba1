//! An event as a line of text.

use std::time::SystemTime;

use serde::Serialize;
use virt_event_monitor::AnyEvent;

/// How to show events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    /// As JSON rather than in words.
    pub json: bool,
    /// With the time at which they arrived.
    pub timestamp: bool,
}

impl Style {
    /// One line, without its end. Without a time if none is wanted.
    ///
    /// # Errors
    ///
    /// - It cannot be said in JSON.
    pub fn line(self, event: &AnyEvent, arrived: SystemTime) -> Result<String, serde_json::Error> {
        let timestamp = self
            .timestamp
            .then(|| humantime::format_rfc3339_millis(arrived).to_string());
        if self.json {
            return serde_json::to_string(&Json { timestamp, event });
        }
        let words = format!("{}: {event}", event.kind());
        Ok(match timestamp {
            Some(timestamp) => format!("{timestamp} {words}"),
            None => words,
        })
    }
}

/// The members of the event, and the time beside them.
#[derive(Serialize)]
struct Json<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    #[serde(flatten)]
    event: &'a AnyEvent,
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::{Value, json};

    use super::*;

    /// One second and a half before a new year.
    fn arrived() -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(1_767_225_598_500)
    }

    fn event() -> (AnyEvent, Value) {
        let value = json!({
            "event": "reboot",
            "domain": {"name": "vm \"1\"", "uuid": "6695eb01-f6a4-8304-79aa-97f2502e193f", "id": 4},
        });
        let event = serde_json::from_value(value.clone());
        (event.unwrap(), value)
    }

    fn line(json: bool, timestamp: bool) -> String {
        let style = Style { json, timestamp };
        style.line(&event().0, arrived()).unwrap()
    }

    #[test]
    fn words_say_kind_name_and_what_happened() {
        assert_eq!(line(false, false), "reboot: vm \"1\": rebooted");
        assert_eq!(
            line(false, true),
            "2025-12-31T23:59:58.500Z reboot: vm \"1\": rebooted"
        );
    }

    #[test]
    fn json_is_the_event_and_the_time_beside_it() {
        let (event, mut value) = event();
        assert_eq!(
            serde_json::from_str::<Value>(&line(true, false)).unwrap(),
            value
        );
        let timed = line(true, true);
        assert!(!timed.contains('\n'));
        value["timestamp"] = "2025-12-31T23:59:58.500Z".into();
        assert_eq!(serde_json::from_str::<Value>(&timed).unwrap(), value);
        // What does not know of the time reads the event.
        assert_eq!(serde_json::from_str::<AnyEvent>(&timed).unwrap(), event);
    }
}
