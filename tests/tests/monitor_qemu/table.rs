//! The table of events in the monitor's documentation.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use virt_event_monitor::EventKind;

use crate::case::{Case, Producer};

/// Panics unless the table names each producer for the kinds that its cases
/// show, and for no other.
pub(crate) fn compare(cases: &[Case]) {
    let file = "../crates/virt-event-monitor/docs/events.md";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let table = fs::read_to_string(file).unwrap();
    for producer in Producer::ALL {
        let says: BTreeSet<_> = table
            .lines()
            .filter_map(|line| row(line, producer.name()))
            .collect();
        let shows: BTreeSet<_> = cases
            .iter()
            .filter(|case| case.producer == producer)
            .flat_map(|case| case.kinds.iter().copied())
            .collect();
        assert_eq!(says, shows, "what the table says of {}", producer.name());
    }
}

/// The kind of a row that names `producer` in its last column.
fn row(line: &str, producer: &str) -> Option<EventKind> {
    let columns: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
    let &[_, name, _, _, shown_by] = columns.as_slice() else {
        return None;
    };
    let kind = EventKind::from_name(name.trim_matches('`'))?;
    shown_by
        .split(", ")
        .any(|it| it == producer)
        .then_some(kind)
}
