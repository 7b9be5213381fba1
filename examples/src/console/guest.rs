//! A guest's state and its console. All of it may block, but for what moves
//! bytes.

use virt::connect::Connect;
use virt::domain::Domain;
use virt::error::{Error, ErrorNumber};
use virt::sys;
use virt_event::HandleEvents;
use virt_event_monitor::{StreamEvents, StreamHandle};

use super::options::Options;
use super::relay::Stream;
use crate::Failure;

/// Whether the guest is running or paused. One that was never defined is gone
/// when it stops.
///
/// # Errors
///
/// - The host does not answer.
pub fn is_on(domain: &Domain) -> Result<bool, Failure> {
    match domain.is_active() {
        Ok(active) => Ok(active),
        Err(error) if error.code().is(ErrorNumber::NoDomain) => Ok(false),
        Err(error) => Err(failure("cannot tell whether the guest runs", &error)),
    }
}

/// The guest's console, to be moved on by [`Relay`](super::relay::Relay).
///
/// # Errors
///
/// - libvirt's, as when the guest does not run, or another client has its
///   console.
pub fn open_console(
    connection: &Connect,
    domain: &Domain,
    options: &Options,
) -> Result<virt::stream::Stream, Error> {
    let mut flags = 0;
    if options.force {
        flags |= sys::VIR_DOMAIN_CONSOLE_FORCE;
    }
    if options.safe {
        flags |= sys::VIR_DOMAIN_CONSOLE_SAFE;
    }
    let stream = virt::stream::Stream::new(connection, sys::VIR_STREAM_NONBLOCK)?;
    domain.open_console(None, &stream, flags)?;
    Ok(stream)
}

/// Why the console of a running guest could not be opened.
pub fn console_failure(error: &Error, options: &Options) -> Failure {
    let what = format!("cannot open the console of `{}`", options.domain);
    let mut message = failure(&what, error).to_string();
    // libvirt has no number of its own for it.
    if error.code().is(ErrorNumber::OperationFailed) && !options.force {
        message += "; if another client has it, `--force` takes it over";
    }
    message.into()
}

/// libvirt's own words, after ours.
pub fn failure(what: &str, error: &Error) -> Failure {
    format!("{what}: {}", error.message()).into()
}

impl Stream for StreamHandle {
    fn receive(&self, buffer: &mut [u8]) -> Result<Option<usize>, Failure> {
        Ok(self.recv(buffer)?)
    }

    fn send(&self, bytes: &[u8]) -> Result<Option<usize>, Failure> {
        Ok(StreamHandle::send(self, bytes)?)
    }

    fn set_interest(&self, interest: HandleEvents) -> Result<(), Failure> {
        let pairs = PAIRS.iter().filter(|(own, _)| interest.contains(*own));
        let events = pairs.map(|&(_, events)| events).collect();
        Ok(StreamHandle::set_interest(self, events)?)
    }
}

/// A stream's events in the words of a descriptor's.
pub fn handle_events(events: StreamEvents) -> HandleEvents {
    let pairs = PAIRS.iter().filter(|(_, other)| events.contains(*other));
    pairs.map(|&(own, _)| own).collect()
}

const PAIRS: [(HandleEvents, StreamEvents); 4] = [
    (HandleEvents::READABLE, StreamEvents::READABLE),
    (HandleEvents::WRITABLE, StreamEvents::WRITABLE),
    (HandleEvents::ERROR, StreamEvents::ERROR),
    (HandleEvents::HANGUP, StreamEvents::HANGUP),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_keep_their_meaning() {
        let all = [
            (StreamEvents::READABLE, HandleEvents::READABLE),
            (StreamEvents::WRITABLE, HandleEvents::WRITABLE),
            (StreamEvents::ERROR, HandleEvents::ERROR),
            (StreamEvents::HANGUP, HandleEvents::HANGUP),
        ];
        for (stream, handle) in all {
            assert_eq!(handle_events(stream), handle);
        }
        assert_eq!(handle_events(StreamEvents::all()), HandleEvents::all());
    }
}
