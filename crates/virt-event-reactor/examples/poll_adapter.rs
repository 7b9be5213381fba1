//! A complete adapter: libvirt on a loop made of nothing but `poll(2)`.
//!
//! The host watches one descriptor, and takes a turn when it is readable. Run
//! it with `cargo run -p virt-event-reactor --example poll_adapter`.

use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use virt_event::{EventImpl, Period, TimeoutCallback};
use virt_event_reactor::{AttachError, Attachment, Driver, Reactor, TurnError};

/// The host loop. A real one has other descriptors in its poll set.
struct PollLoop {
    libvirt: Attachment,
}

impl PollLoop {
    /// Attaches, and hands the user the driver. An `install` would call
    /// `virt_event_libvirt::installed_or_install(Reactor::new)` first.
    fn attach(reactor: &Arc<Reactor>) -> Result<(Self, Driver), AttachError> {
        let libvirt = reactor.attach()?;
        let driver = libvirt.driver().clone();
        Ok((Self { libvirt }, driver))
    }

    /// Runs until the driver is detached.
    fn run(&self) -> Result<(), Box<dyn std::error::Error>> {
        loop {
            match poll(&mut [PollFd::new(&self.libvirt, PollFlags::IN)], None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            match self.libvirt.turn(Some(std::time::Duration::ZERO)) {
                Ok(_) => {}
                Err(TurnError::Detached) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let reactor = Reactor::new()?;
    let (host, driver) = PollLoop::attach(&reactor)?;

    let mut ticks = 0;
    let clock = driver.clone();
    let timer = reactor.add_timeout(
        Period::millis(10),
        TimeoutCallback::new(move |_| {
            ticks += 1;
            println!("tick {ticks}");
            if ticks == 3 {
                clock.detach();
            }
        }),
    )?;
    host.run()?;

    reactor.remove_timeout(timer)?;
    driver.drain(std::time::Duration::from_secs(1))?;
    println!("drained: {:?}", driver.stats());
    Ok(())
}
