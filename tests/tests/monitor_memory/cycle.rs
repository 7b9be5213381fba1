//! A connection that is opened, monitored and closed.

use std::any::Any;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Waker};

use virt::connect::Connect;
use virt::domain::Domain;
use virt_event::Period;
use virt_event_monitor::domain::{Lifecycle, Reboot};
use virt_event_monitor::{EventKind, Monitor, ObjectKind, StreamError, Subscription};

use super::{LIMIT, reactor, wait_until};

/// Events of a cycle.
const EVENTS: usize = 6;

/// Whatever has to be dropped.
type Held = Vec<Box<dyn Any + Send>>;

/// Opens a connection, takes everything that a monitor gives, causes events, and
/// drops it all in an order, and at a place, that depends on `number`.
pub(super) fn cycle(number: usize) {
    let connection = Connect::open(Some("test:///default")).unwrap();
    let domain = connection.lookup_domain_by_name("test").unwrap();
    let monitor = Monitor::new(&connection).unwrap();
    let kinds = || {
        let kinds = EventKind::ALL.iter().copied();
        kinds.filter(|kind| kind.object() == ObjectKind::Domain)
    };

    let of_one = monitor.subscribe::<Lifecycle>().of(&domain);
    let of_one = of_one.callback(drop).unwrap();
    let silent = monitor.subscribe::<Reboot>().callback(drop).unwrap();
    let any = monitor.subscribe_any(kinds()).callback(drop).unwrap();
    let any_stream = monitor.subscribe_any(kinds()).of(&domain).stream().unwrap();
    let mut read = monitor.lifecycle().unwrap();
    let full = monitor.subscribe::<Lifecycle>().capacity(EVENTS / 2);
    let full = full.stream().unwrap();
    let on_close = monitor.on_close(|_| unreachable!("the driver closes no connection"));
    let mut closed = monitor.closed();
    // Behind the others: what it has heard of, they have.
    let heard = Heard::of(&monitor);
    // So that they hold a waker.
    assert!(poll(&mut closed).is_pending());
    assert!(poll(read.next()).is_pending());

    cause(&domain, EVENTS);
    // In the others, events are on their way while all is dropped.
    if number % 2 == 0 {
        heard.wait_for(EVENTS);
        assert!(matches!(poll(read.next()), Poll::Ready(Some(Ok(_)))));
    }
    let held: Held = vec![
        Box::new(connection),
        Box::new(heard),
        Box::new(of_one),
        Box::new(monitor.clone()),
        Box::new(silent),
        Box::new(any),
        Box::new(any_stream),
        Box::new(domain.clone()),
        Box::new(read),
        Box::new(full),
        Box::new(on_close),
        Box::new(closed),
    ];
    if number % 5 == 0 {
        return drop_inside_a_callback(shuffled(held, number), monitor, &domain);
    }
    drop((monitor, domain));
    match number % 5 {
        1 => drop_in_reverse(held),
        2 => drop_on_the_loop(shuffled(held, number)),
        _ => drop(shuffled(held, number)),
    }
}

/// Opens a connection, lets a stream overflow that nobody reads, has a look at
/// it now and then, and drops it.
pub(super) fn cycle_beside_a_full_stream(number: usize) {
    const CAPACITY: usize = 32;
    let connection = Connect::open(Some("test:///default")).unwrap();
    let domain = connection.lookup_domain_by_name("test").unwrap();
    let monitor = Monitor::new(&connection).unwrap();
    let begun = monitor.subscribe::<Lifecycle>().capacity(CAPACITY);
    let mut events = begun.stream().unwrap();
    let heard = Heard::of(&monitor);
    let surplus = 2 + number % CAPACITY / 2 * 2;
    cause(&domain, CAPACITY + surplus);
    heard.wait_for(CAPACITY + surplus);
    if number % 3 == 0 {
        let lagged = Err(StreamError::Lagged(surplus as u64));
        assert_eq!(poll(events.next()), Poll::Ready(Some(lagged)));
        for _ in 0..CAPACITY {
            assert!(matches!(poll(events.next()), Poll::Ready(Some(Ok(_)))));
        }
        assert!(poll(events.next()).is_pending());
    }
    let held: Held = vec![
        Box::new(connection),
        Box::new(domain),
        Box::new(monitor),
        Box::new(events),
        Box::new(heard),
    ];
    drop(shuffled(held, number));
}

/// A subscriber to the life of every domain, which counts.
pub(super) struct Heard {
    count: Arc<AtomicUsize>,
    #[expect(dead_code, reason = "counts until it is dropped")]
    subscription: Subscription,
}

impl Heard {
    pub(super) fn of(monitor: &Monitor) -> Self {
        let count = Arc::new(AtomicUsize::new(0));
        let counts = Arc::clone(&count);
        let subscription = monitor.subscribe::<Lifecycle>().callback(move |_| {
            counts.fetch_add(1, Ordering::SeqCst);
        });
        Self {
            count,
            subscription: subscription.unwrap(),
        }
    }

    /// Waits for so many, or more: the connections of this driver share their
    /// events, and the one before may not be closed yet.
    pub(super) fn wait_for(&self, events: usize) {
        wait_until("all events are heard of", || {
            self.count.load(Ordering::SeqCst) >= events
        });
    }
}

/// Causes an even number of events: pauses a running domain and lets it go on.
pub(super) fn cause(domain: &Domain, events: usize) {
    assert_eq!(events % 2, 0);
    for _ in 0..events / 2 {
        domain.suspend().unwrap();
        domain.resume().unwrap();
    }
}

fn poll<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn drop_in_reverse(mut held: Held) {
    while let Some(last) = held.pop() {
        drop(last);
    }
}

fn drop_on_the_loop(held: Held) {
    let (sender, done) = channel();
    let mut held = Some(held);
    let timer = virt_event::add_timeout(Period::EVERY_ITERATION, move || {
        drop(held.take());
        let _ = sender.send(());
    });
    done.recv_timeout(LIMIT).unwrap();
    drop(timer.unwrap());
}

/// The callback belongs to one of those that are dropped.
fn drop_inside_a_callback(mut held: Held, monitor: Monitor, domain: &Domain) {
    let (give, take) = channel::<Held>();
    let (sender, done) = channel();
    let subscription = monitor.subscribe::<Lifecycle>().callback(move |_| {
        if let Ok(held) = take.try_recv() {
            drop(held);
            let _ = sender.send(());
        }
    });
    let middle = held.len() / 2;
    held.insert(middle, Box::new(subscription.unwrap()));
    drop(monitor);
    give.send(held).unwrap();
    domain.suspend().unwrap();
    done.recv_timeout(LIMIT).unwrap();
    // The next connection finds the domain as it is now, if this one still
    // closes. Not before libvirt has forgotten the last callback: an event that
    // comes just then stays in its queue, which from then on is never flushed
    // (`virObjectEventStateQueueRemote` looks for the timer before it takes the
    // lock).
    reactor().drain(LIMIT).unwrap();
    domain.resume().unwrap();
}

/// The same in another order, which follows from `number`.
fn shuffled(mut held: Held, number: usize) -> Held {
    let mut random = number as u64;
    for end in (1..held.len()).rev() {
        // Knuth's generator; its upper bits are the good ones.
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        held.swap(end, (random >> 33) as usize % (end + 1));
    }
    held
}
