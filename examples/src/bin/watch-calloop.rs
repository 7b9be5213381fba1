//! Prints the life of the domains of a URI, its argument, until the host goes
//! away, on calloop.
//!
//! The stream of events is an event source of calloop's, whose closure has the
//! data of the loop, which is `()` here. (libvirt's own callbacks are `Send` and
//! cannot have it; what comes from those goes through a `calloop::channel`.)

use std::time::Duration;

use calloop::{EventLoop, stream::StreamSource};
use virt::connect::Connect;
use virt_event_monitor::Monitor;

fn main() -> anyhow::Result<()> {
    let mut event_loop = EventLoop::try_new()?;
    let handle = event_loop.handle();
    let driver = virt_event_calloop::install(&handle)?; // once, before connecting
    let connection = Connect::open(std::env::args().nth(1).as_deref())?;
    let events = Monitor::new(&connection)?.lifecycle()?;
    let source = StreamSource::new(events)?;
    let signal = event_loop.get_signal();
    handle.insert_source(source, move |event, (), ()| match event {
        Some(Ok(event)) => println!("{event}"),
        Some(Err(error)) => println!("{error}"), // why the connection was closed
        None => signal.stop(),
    })?;
    event_loop.run(None, &mut (), |_| {})?;
    drop(connection); // last: the events have gone with their source
    driver.drain(Duration::from_secs(5))?; // nothing is left behind, or a list of what is
    Ok(())
}
