//! What the tests share.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use virt::connect::Connect;
use virt::domain::Domain;
use virt_event_loop::{EventLoop, LoopThread};
use virt_event_monitor::domain::ControlError;
use virt_event_monitor::{Monitor, Subscription};

/// After this long a test has failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// The loop of this process, running.
static LOOP: LazyLock<Mutex<LoopThread>> = LazyLock::new(|| {
    let event_loop = EventLoop::install().unwrap();
    Mutex::new(event_loop.spawn().unwrap())
});

/// A subscription that lasts as long as the process. libvirt's test driver has
/// one queue of events for the process, and an event that comes while the last
/// callback of all is taken away blocks that queue for good (src/fan.rs).
static LASTING: LazyLock<Subscription> = LazyLock::new(|| {
    LazyLock::force(&LOOP);
    virt::error::clear_error_callback();
    let connection = Connect::open(Some("test:///default")).unwrap();
    let monitor = Monitor::new(&connection).unwrap();
    monitor
        .subscribe::<ControlError>()
        .callback(|_| {})
        .unwrap()
});

/// A connection, the loop being there.
pub(crate) fn connect() -> Connect {
    LazyLock::force(&LASTING);
    Connect::open(Some("test:///default")).unwrap()
}

/// A monitor with a running domain that no other test knows.
pub(crate) struct Host {
    pub(crate) monitor: Monitor,
    pub(crate) domain: Domain,
    pub(crate) name: String,
}

impl Host {
    pub(crate) fn new() -> Self {
        let connection = connect();
        let name = unique("guest");
        let xml = format!(
            "<domain type='test'><name>{name}</name><memory>1024</memory>\
             <os><type>hvm</type></os></domain>"
        );
        let domain = connection.create_domain_xml(&xml, 0).unwrap();
        // The event of its start is on its way, and not for the test.
        settle();
        Self {
            monitor: Monitor::new(&connection).unwrap(),
            domain,
            name,
        }
    }

    /// Pauses the domain, or lets it go on, each of which is one event.
    pub(crate) fn toggle(&self) {
        if self
            .domain
            .info()
            .unwrap()
            .state
            .is(virt::domain::DomainState::Paused)
        {
            self.domain.resume().unwrap();
        } else {
            self.domain.suspend().unwrap();
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.domain.destroy();
    }
}

/// A name that no other test uses.
pub(crate) fn unique(what: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("{what}-{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// A channel for a callback to send into.
pub(crate) fn events<T>() -> (Sender<T>, Receiver<T>) {
    channel()
}

/// Waits until `condition` holds.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {LIMIT:?}: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until the loop has done all that was due.
pub(crate) fn settle() {
    let (sender, receiver) = channel();
    let timer = virt_event::add_timeout(virt_event::Period::EVERY_ITERATION, move || {
        let _ = sender.send(());
    });
    let timer = timer.unwrap();
    for _ in 0..3 {
        receiver.recv_timeout(LIMIT).unwrap();
    }
    drop(timer);
}

/// Polls a future on this thread until it is ready.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "not ready within {LIMIT:?}");
        thread::park_timeout(left);
    }
}

/// Polls a future once.
pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
