//! A program with a poll of its own, which serves libvirt as well.

use std::io::ErrorKind;
use std::time::Duration;

use virt_event_mio::mio::{Events, Poll, Token, Waker};
use virt_event_mio::virt_event;

const LIBVIRT: Token = Token(0);
const ENOUGH: Token = Token(1);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut poll = Poll::new()?;
    // Once, at the start of the program, before the first connection. Keep
    // `libvirt`: dropping it ends it all.
    let (libvirt, driver) = virt_event_mio::install(poll.registry(), LIBVIRT)?;

    // Stands for the program's own sources.
    let waker = Waker::new(poll.registry(), ENOUGH)?;
    // What libvirt's loop calls: a timer here.
    let mut ticks = 0;
    let timer = virt_event::add_timeout(Duration::from_millis(5), move || {
        ticks += 1;
        println!("tick {ticks}");
        if ticks == 3 {
            waker.wake().expect("an eventfd can be written to");
        }
    })?;

    let mut events = Events::with_capacity(64);
    let mut is_enough = false;
    while !is_enough {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            polled => polled?,
        }
        for event in &events {
            match event.token() {
                LIBVIRT => libvirt.dispatch()?, // every time
                ENOUGH => is_enough = true,
                _ => {}
            }
        }
    }

    println!("woken: it is enough");

    drop(timer); // and every domain and connection
    driver.drain(Duration::from_secs(5))?; // nothing is left behind
    println!("drained");
    Ok(())
}
