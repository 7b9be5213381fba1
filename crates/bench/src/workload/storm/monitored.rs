//! Subscriptions of the monitor's.

use std::hint::black_box;
use std::thread;

use anyhow::{Context, Result};
use virt::connect::Connect;
use virt_event_monitor::domain::Lifecycle;
use virt_event_monitor::{EventKind, Monitor, Subscription};

use super::tally::Tally;

pub(super) fn callback(connection: &Connect, tally: &'static Tally) -> Result<Subscription> {
    let subscription = Monitor::new(connection)?
        .subscribe::<Lifecycle>()
        .callback(|event| {
            black_box(&event);
            tally.arrived();
        })?;
    Ok(subscription)
}

pub(super) fn any(connection: &Connect, tally: &'static Tally) -> Result<Subscription> {
    let subscription = Monitor::new(connection)?
        .subscribe_any([EventKind::Lifecycle])
        .callback(|event| {
            black_box(&event);
            tally.arrived();
        })?;
    Ok(subscription)
}

/// The reader lives as long as the process.
pub(super) fn stream(connection: &Connect, tally: &'static Tally) -> Result<()> {
    let mut events = Monitor::new(connection)?.lifecycle()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .context("tokio has no runtime")?;
    let read = async move {
        // An event that the buffer had no room for is missing from the tally,
        // and ends the round.
        while let Some(event) = events.next().await {
            if black_box(event).is_ok() {
                tally.arrived();
            }
        }
    };
    thread::Builder::new()
        .name("reader".to_owned())
        .spawn(move || runtime.block_on(read))?;
    Ok(())
}
