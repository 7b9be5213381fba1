use virt_event::HandleEvents;

use crate::Case;

mod always_ready;
mod closed;
mod events;
mod interest;
mod level;
mod refused;
mod shared;
mod update;

/// The files in the order of the clauses.
pub(super) const CASES: &[&[Case]] = &[
    level::CASES,
    events::CASES,
    interest::CASES,
    shared::CASES,
    always_ready::CASES,
    refused::CASES,
    closed::CASES,
    update::CASES,
];

const NONE: HandleEvents = HandleEvents::empty();
const READABLE: HandleEvents = HandleEvents::READABLE;
const WRITABLE: HandleEvents = HandleEvents::WRITABLE;
const ERROR: HandleEvents = HandleEvents::ERROR;
const HANGUP: HandleEvents = HandleEvents::HANGUP;
const BOTH: HandleEvents = READABLE.union(WRITABLE);
