//! Prints the life of the domains of a URI, its argument, until the host goes
//! away, on tokio.
//!
//! libvirt's calls block, so they go to `spawn_blocking`, and so does the drop
//! of what holds the connection.

use std::time::Duration;

use tokio::task::spawn_blocking;
use virt::connect::Connect;
use virt_event_monitor::Monitor;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let driver = virt_event_tokio::install()?; // once, before connecting
    let uri = std::env::args().nth(1);
    let subscribed = spawn_blocking(move || {
        let connection = Connect::open(uri.as_deref())?;
        anyhow::Ok(Monitor::new(&connection)?.lifecycle()?)
    });
    let mut events = subscribed.await??;
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => println!("{event}"),
            Err(error) => println!("{error}"), // why the connection was closed; the end follows
        }
    }
    spawn_blocking(move || drop(events)).await?;
    driver.drain(Duration::from_secs(5)).await?; // nothing is left behind, or a list of what is
    Ok(())
}
