//! What `events` does with a connection.

use std::fmt;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::SystemTime;

use virt::connect::Connect;
use virt::domain::Domain;
use virt_event_monitor::{
    AnyEvent, CloseReason, CloseSubscription, Error, EventKind, Monitor, Subscription,
};

use super::options::Options;
use crate::output::print;
use crate::reconnect::{Ended, Session};
use crate::stopping::Stopping;
use crate::{Failure, domain};

/// Prints events, over as many connections as it takes.
pub struct Following<'a> {
    options: &'a Options,
    stopping: &'a Stopping,
    tell: &'a dyn Fn(fmt::Arguments<'_>),
    /// The domain by its UUID, once that is known: its id may be another one's
    /// on the next connection.
    uuid: Option<String>,
    /// Whether the user knows what is left out.
    told: bool,
    seen: u64,
}

impl<'a> Following<'a> {
    /// Nothing is printed yet.
    pub fn new(
        options: &'a Options,
        stopping: &'a Stopping,
        tell: &'a dyn Fn(fmt::Arguments<'_>),
    ) -> Self {
        Self {
            options,
            stopping,
            tell,
            uuid: None,
            told: false,
            seen: 0,
        }
    }

    /// How many events were printed.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Whether `--count` events were printed, or one without `--count`.
    pub fn is_satisfied(&self) -> bool {
        self.seen >= self.options.count.map_or(1, u64::from)
    }

    fn is_complete(&self) -> bool {
        self.options.count.is_some() && self.is_satisfied()
    }

    fn domain(&mut self, connection: &Connect) -> Result<Option<Domain>, Failure> {
        let Some(wanted) = self.uuid.as_deref().or(self.options.domain.as_deref()) else {
            return Ok(None);
        };
        let domain = domain::find(connection, wanted)?;
        let uuid = domain.uuid_string();
        self.uuid = Some(uuid.map_err(|error| error.message().to_owned())?);
        Ok(Some(domain))
    }

    /// Subscribes to each kind by itself, so that those which the connection
    /// does not report can be left out.
    fn subscribe(
        &mut self,
        monitor: &Monitor,
        domain: Option<&Domain>,
        news: &Sender<News>,
    ) -> Result<Vec<Subscription>, Failure> {
        let mut subscriptions = Vec::new();
        let mut refused = Vec::new();
        for &kind in &self.options.kinds {
            match subscribe(monitor, kind, domain, news.clone()) {
                Ok(subscription) => subscriptions.push(subscription),
                Err(error) if !self.options.kinds_are_named && is_refused(&error, monitor) => {
                    refused.push(error);
                }
                Err(error) => return Err(error.into()),
            }
        }
        match refused.pop() {
            Some(error) if subscriptions.is_empty() => return Err(error.into()),
            last if !self.told => {
                for error in refused.into_iter().chain(last) {
                    (self.tell)(format_args!("left out: {error}"));
                }
                self.told = true;
            }
            _ => {}
        }
        Ok(subscriptions)
    }
}

/// What a session waits for.
enum News {
    Event(Box<AnyEvent>, SystemTime),
    Closed(CloseReason),
    Stopped,
}

/// All that holds a connection, in the order in which it goes.
pub struct Live {
    #[expect(dead_code, reason = "they last until they are dropped")]
    subscriptions: Vec<Subscription>,
    #[expect(dead_code, reason = "it lasts until it is dropped")]
    end: CloseSubscription,
    news: Receiver<News>,
}

impl Session for Following<'_> {
    type Live = Live;

    fn begin(&mut self, connection: &Connect) -> Result<Live, Failure> {
        let monitor = Monitor::new(connection)?;
        let (sender, news) = mpsc::channel();
        let domain = self.domain(connection)?;
        let subscriptions = self.subscribe(&monitor, domain.as_ref(), &sender)?;
        let closed = sender.clone();
        let end = monitor.on_close(move |reason| drop(closed.send(News::Closed(reason))));
        self.stopping
            .on_stop(move |_| drop(sender.send(News::Stopped)));
        Ok(Live {
            subscriptions,
            end,
            news,
        })
    }

    fn follow(&mut self, live: Live) -> Result<Ended, Failure> {
        for news in &live.news {
            match news {
                // Whatever waits for a slow reader of stdout.
                News::Event(..) if self.stopping.why().is_some() => break,
                News::Event(event, arrived) => {
                    let line = self.options.style.line(&event, arrived)?;
                    print(format_args!("{line}\n"))?;
                    self.seen += 1;
                    if self.is_complete() {
                        break;
                    }
                }
                News::Closed(reason) => return Ok(Ended::Lost(reason)),
                News::Stopped => break,
            }
        }
        Ok(Ended::Done)
    }
}

/// The callback runs on the loop, so it only passes the event on, with the time
/// at which it came. Where stdout is slow, events wait in memory, and none is
/// lost.
fn subscribe(
    monitor: &Monitor,
    kind: EventKind,
    domain: Option<&Domain>,
    news: Sender<News>,
) -> Result<Subscription, Error> {
    let mut events = monitor.subscribe_any([kind]);
    if let Some(domain) = domain {
        events = events.of(domain);
    }
    events.callback(move |event| drop(news.send(News::Event(Box::new(event), SystemTime::now()))))
}

/// Whether this connection will not report such events. A driver without them
/// says so; a daemon that is older than they are has another error for it.
fn is_refused(error: &Error, monitor: &Monitor) -> bool {
    matches!(error, Error::Subscribe { .. }) && monitor.connection().is_alive().unwrap_or(false)
}
