//! Finding a guest and opening its console. All of it may block, but for what
//! moves bytes.

use virt::connect::Connect;
use virt::domain::Domain;
use virt::error::{Error, ErrorNumber};
use virt::sys;
use virt_event::HandleEvents;
use virt_event_monitor::{StreamEvents, StreamHandle};

use super::options::Options;
use super::relay::Stream;
use crate::Failure;

/// Looks `options.domain` up: as a name, then as a UUID, then as an id.
///
/// # Errors
///
/// - There is no such domain, or the host does not answer.
pub fn find(connection: &Connect, options: &Options) -> Result<Domain, Failure> {
    let wanted = options.domain.as_str();
    let by_name = || Some(connection.lookup_domain_by_name(wanted));
    let by_uuid = || is_uuid(wanted).then(|| connection.lookup_domain_by_uuid_string(wanted));
    let by_id = || {
        let id = wanted
            .parse()
            .ok()
            .filter(|&id| i32::try_from(id).is_ok())?;
        Some(connection.lookup_domain_by_id(id))
    };
    type Lookup<'a> = &'a dyn Fn() -> Option<Result<Domain, Error>>;
    let lookups: [Lookup<'_>; 3] = [&by_name, &by_uuid, &by_id];
    for found in lookups.iter().filter_map(|lookup| lookup()) {
        match found {
            Ok(domain) => return Ok(domain),
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(failure(&format!("cannot look `{wanted}` up"), &error)),
        }
    }
    let uri = &options.uri;
    Err(format!(
        "there is no domain with the name, UUID or id `{wanted}` on {uri}; \
         `virsh -c '{uri}' list --all` lists those there are"
    )
    .into())
}

/// 32 hexadecimal digits, with any hyphens. For anything else libvirt would
/// report a malformed UUID, where the user meant a name.
fn is_uuid(text: &str) -> bool {
    let digits = text.bytes().filter(|&byte| byte != b'-');
    digits.clone().count() == 32 && digits.clone().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether the guest is running or paused. One that was never defined is gone
/// when it stops.
///
/// # Errors
///
/// - The host does not answer.
pub fn is_on(domain: &Domain) -> Result<bool, Failure> {
    match domain.is_active() {
        Ok(active) => Ok(active),
        Err(error) if is_missing(&error) => Ok(false),
        Err(error) => Err(failure("cannot tell whether the guest runs", &error)),
    }
}

fn is_missing(error: &Error) -> bool {
    error.code().is(ErrorNumber::NoDomain)
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
    fn only_uuids_are_taken_for_one() {
        for uuid in [
            "6695eb01-f6a4-8304-79aa-97f2502e193f",
            "6695EB01F6A4830479AA97F2502E193F",
        ] {
            assert!(is_uuid(uuid), "{uuid}");
        }
        for name in ["test", "", "1", "6695eb01-f6a4-8304-79aa-97f2502e193", "é"] {
            assert!(!is_uuid(name), "{name}");
        }
    }

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
