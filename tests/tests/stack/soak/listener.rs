//! A subscription that counts.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use virt::domain::Domain;
use virt_event_monitor::domain::Lifecycle;
use virt_event_monitor::{Error, EventKind, Events, Monitor, ObjectKind, Subscription};

use super::random::Random;

pub(super) struct Listener {
    way: Way,
    /// Events that were caused since it listens.
    caused: usize,
}

enum Way {
    Called {
        heard: Arc<AtomicUsize>,
        /// Calls until it is dropped.
        _subscription: Subscription,
    },
    Read {
        events: Events<Lifecycle>,
        read: usize,
    },
}

impl Listener {
    /// Subscribes in one of the ways that there are.
    pub(super) fn new(
        monitor: &Monitor,
        domain: &Domain,
        random: &mut Random,
    ) -> Result<Self, Error> {
        let heard = Arc::new(AtomicUsize::new(0));
        let counts = Arc::clone(&heard);
        let count = move || {
            counts.fetch_add(1, Ordering::SeqCst);
        };
        let subscription = match random.below(4) {
            0 => monitor
                .subscribe::<Lifecycle>()
                .callback(move |_| count())?,
            1 => {
                let of_one = monitor.subscribe::<Lifecycle>().of(domain);
                of_one.callback(move |_| count())?
            }
            2 => {
                let kinds = EventKind::ALL.iter().copied();
                let kinds = kinds.filter(|kind| kind.object() == ObjectKind::Domain);
                monitor.subscribe_any(kinds).callback(move |_| count())?
            }
            _ => {
                let events = monitor.lifecycle()?;
                return Ok(Self {
                    way: Way::Read { events, read: 0 },
                    caused: 0,
                });
            }
        };
        let way = Way::Called {
            heard,
            _subscription: subscription,
        };
        Ok(Self { way, caused: 0 })
    }

    pub(super) fn caused(&mut self, events: usize) {
        self.caused += events;
    }

    /// Whether it has heard of every event that was caused.
    ///
    /// # Panics
    ///
    /// - It has heard of more.
    pub(super) fn has_heard_all(&mut self) -> bool {
        let heard = match &mut self.way {
            Way::Called { heard, .. } => heard.load(Ordering::SeqCst),
            Way::Read { events, read } => {
                while let Poll::Ready(Some(Ok(_))) = poll(events) {
                    *read += 1;
                }
                *read
            }
        };
        assert!(heard <= self.caused, "{heard} of {}", self.caused);
        heard == self.caused
    }
}

fn poll(events: &mut Events<Lifecycle>) -> Poll<Option<Result<Lifecycle, impl Sized + use<>>>> {
    pin!(events.next()).poll(&mut Context::from_waker(Waker::noop()))
}
