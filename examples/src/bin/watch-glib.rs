//! Prints the life of the domains of a URI, its argument, until the host goes
//! away, on a GLib main loop.
//!
//! In a GTK program the main loop is the application's `run`. The future may
//! hold widgets, which libvirt's own callbacks may not, because those are
//! `Send`. A program with windows opens the connection on another thread, since
//! that blocks (`gio::spawn_blocking`).

use std::time::Duration;

use glib::{MainContext, MainLoop, Priority};
use virt::connect::Connect;
use virt_event_monitor::Monitor;

fn main() -> anyhow::Result<()> {
    let driver = virt_event_glib::install(&MainContext::default(), Priority::DEFAULT)?;
    let connection = Connect::open(std::env::args().nth(1).as_deref())?;
    let mut events = Monitor::new(&connection)?.lifecycle()?;
    let main_loop = MainLoop::new(None, false);
    let ended = main_loop.clone();
    glib::spawn_future_local(async move {
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => println!("{event}"),
                Err(error) => println!("{error}"), // why the connection was closed
            }
        }
        ended.quit();
    });
    main_loop.run();
    drop(connection); // last: the future has dropped the events
    driver.drain(Duration::from_secs(5))?; // nothing is left behind, or a list of what is
    Ok(())
}
