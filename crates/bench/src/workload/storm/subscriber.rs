//! Who hears of a storm.

use std::any::Any;
use std::fmt;

use anyhow::Result;
use virt::connect::Connect;

use super::tally::Tally;
use super::{monitored, raw};

/// A way to subscribe to the life of every domain of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subscriber {
    /// A function that libvirt calls, which looks at nothing: the hardest to
    /// stand beside
    Raw,
    /// A function that libvirt calls, which copies what the event says about
    /// its domain, as whoever wants to use it has to
    RawCopy,
    /// The monitor's callback of one type of event
    Callback,
    /// The monitor's callback of any kind of event
    Any,
    /// The monitor's stream, read on a thread by tokio's `block_on`
    Stream,
}

impl Subscriber {
    /// Subscribes; `tally` is told of each event. Ends when what this returns is
    /// dropped.
    pub(super) fn subscribe(
        self,
        connection: &Connect,
        tally: &'static Tally,
    ) -> Result<Box<dyn Any>> {
        Ok(match self {
            Self::Raw => Box::new(raw::Subscription::counting(connection, tally)?),
            Self::RawCopy => Box::new(raw::Subscription::copying(connection, tally)?),
            Self::Callback => Box::new(monitored::callback(connection, tally)?),
            Self::Any => Box::new(monitored::any(connection, tally)?),
            Self::Stream => Box::new(monitored::stream(connection, tally)?),
        })
    }
}

impl fmt::Display for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raw => "raw",
            Self::RawCopy => "raw-copy",
            Self::Callback => "callback",
            Self::Any => "any",
            Self::Stream => "stream",
        })
    }
}
