//! The prototype.

use std::cell::Cell;
use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;

use virt_event::{
    Error, EventImpl, HandleCallback, HandleEvents, Period, Rejected, TimeoutCallback, TimerId,
    WatchId,
};
use virt_event_reactor::{Builder, Reactor};

thread_local! {
    /// Where this thread's adds go; see [`Sharded::on`].
    static SHARD: Cell<usize> = const { Cell::new(0) };
}

/// Several reactors as one implementation, each driven by a thread of its own
/// ([`spawn`](Self::spawn)).
///
/// libvirt's calls do not say which connection they are for. An add goes to the
/// reactor that its thread has chosen:
///
/// - inside [`on`](Self::on), that one. Whoever opens a connection, starts its
///   keepalive, subscribes to its events or opens a stream does so in there,
///   always with the same reactor for one connection: libvirt adds on the
///   calling thread;
/// - in callbacks and frees, the reactor that calls: its thread runs it in `on`;
/// - on any other thread, the first one.
///
/// Updates and removals say an id, and an id tells the reactor: each has a range
/// of ids to itself. (The prototype does not keep it there. After as many adds as
/// the range has ids, a thousand million with two reactors, a reactor goes on in
/// the range of the next one.)
#[derive(Debug)]
pub struct Sharded {
    reactors: Vec<Arc<Reactor>>,
    /// How many ids each has.
    range: i32,
}

impl Sharded {
    /// One of so many new reactors; at least one.
    ///
    /// # Errors
    ///
    /// - The kernel's, if it has no more descriptors to give.
    pub fn new(reactors: u16) -> io::Result<Arc<Self>> {
        Self::with(reactors, &Reactor::builder())
    }

    /// The same with settings. The first id among them does not count.
    ///
    /// # Errors
    ///
    /// - As [`new`](Self::new).
    pub fn with(reactors: u16, settings: &Builder) -> io::Result<Arc<Self>> {
        let reactors = i32::from(reactors.max(1));
        let range = i32::MAX / reactors;
        let reactor = |at| settings.clone().first_id(at * range + 1).build();
        Ok(Arc::new(Self {
            reactors: (0..reactors).map(reactor).collect::<io::Result<_>>()?,
            range,
        }))
    }

    /// The reactors.
    pub fn reactors(&self) -> &[Arc<Reactor>] {
        &self.reactors
    }

    /// Runs `act`, whose adds on this thread go to the reactor with this index.
    ///
    /// # Panics
    ///
    /// - If there is no such reactor.
    pub fn on<R>(&self, shard: usize, act: impl FnOnce() -> R) -> R {
        /// Chosen before, and again afterwards, also by a panic.
        struct Before(usize);
        impl Drop for Before {
            fn drop(&mut self) {
                SHARD.set(self.0);
            }
        }

        assert!(shard < self.reactors.len(), "there is no reactor {shard}");
        let _before = Before(SHARD.replace(shard));
        act()
    }

    /// The index of the reactor that this thread's adds go to.
    pub fn here(&self) -> usize {
        // Another instance may have more of them.
        Some(SHARD.get())
            .filter(|shard| *shard < self.reactors.len())
            .unwrap_or_default()
    }

    fn chosen(&self) -> &Reactor {
        &self.reactors[self.here()]
    }

    /// The reactor that has an entry, if there is such an entry.
    fn of(&self, id: i32) -> &Reactor {
        // Ids are positive, and the last range is one longer where the division
        // left something.
        let shard = usize::try_from((id - 1) / self.range).unwrap_or_default();
        &self.reactors[shard.min(self.reactors.len() - 1)]
    }
}

impl EventImpl for Sharded {
    fn add_handle(
        &self,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        self.chosen().add_handle(fd, events, callback)
    }

    fn update_handle(&self, watch: WatchId, events: HandleEvents) {
        self.of(watch.get()).update_handle(watch, events);
    }

    fn remove_handle(&self, watch: WatchId) -> Result<(), Error> {
        self.of(watch.get()).remove_handle(watch)
    }

    fn add_timeout(
        &self,
        period: Period,
        callback: TimeoutCallback,
    ) -> Result<TimerId, Rejected<TimeoutCallback>> {
        self.chosen().add_timeout(period, callback)
    }

    fn update_timeout(&self, timer: TimerId, period: Period) {
        self.of(timer.get()).update_timeout(timer, period);
    }

    fn remove_timeout(&self, timer: TimerId) -> Result<(), Error> {
        self.of(timer.get()).remove_timeout(timer)
    }
}
