//! What the tests have in common.

use std::io::{Read, Write};
use std::ops::Deref;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::Duration;

use virt_event::{
    EventImpl, HandleCallback, HandleEvents, Period, TimeoutCallback, TimerId, WatchId,
};
use virt_event_glib::glib::{ControlFlow, MainContext, MainLoop, Priority, Source};
use virt_event_glib::{Driver, Leftover, Reactor, glib};

/// After this long a test has failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) const EVERY_MILLI: Period = Period::millis(1);

/// A reactor of a test's own. In the end what is registered is removed and
/// freed, because callbacks may hold the reactor.
pub(crate) struct OwnReactor(Arc<Reactor>);

impl OwnReactor {
    pub(crate) fn new() -> Self {
        Self(Reactor::new().unwrap())
    }
}

impl Deref for OwnReactor {
    type Target = Arc<Reactor>;

    fn deref(&self) -> &Arc<Reactor> {
        &self.0
    }
}

impl Drop for OwnReactor {
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        for entry in self
            .0
            .drain(Duration::ZERO)
            .err()
            .into_iter()
            .flat_map(|it| it.left)
        {
            match entry {
                Leftover::Handle { watch, .. } => self.0.remove_handle(watch).unwrap(),
                Leftover::Timeout { timer, .. } => self.0.remove_timeout(timer).unwrap(),
                other => panic!("who removes {other}?"),
            }
        }
        self.0.drain(LIMIT).unwrap();
    }
}

/// A reactor, and a context of its own that drives it.
pub(crate) fn driven() -> (OwnReactor, MainContext, Driver) {
    let reactor = OwnReactor::new();
    let context = MainContext::new();
    let driver = virt_event_glib::attach(&reactor, &context, Priority::DEFAULT).unwrap();
    (reactor, context, driver)
}

pub(crate) fn timer(
    reactor: &Reactor,
    period: impl Into<Period>,
    mut callback: impl FnMut() + Send + 'static,
) -> TimerId {
    let callback = TimeoutCallback::new(move |_| callback());
    reactor.add_timeout(period.into(), callback).unwrap()
}

/// A watch for reading; whoever gave the stream keeps it open.
pub(crate) fn watch(
    reactor: &Reactor,
    stream: &UnixStream,
    mut callback: impl FnMut() + Send + 'static,
) -> WatchId {
    let callback = HandleCallback::new(move |_, _, _| callback());
    let events = HandleEvents::READABLE;
    reactor
        .add_handle(stream.as_raw_fd(), events, callback)
        .unwrap()
}

/// A pair of which the first end can be read, and always can.
pub(crate) fn readable() -> (UnixStream, UnixStream) {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"x").unwrap();
    (ours, theirs)
}

pub(crate) fn read_one(mut stream: &UnixStream) {
    stream.read_exact(&mut [0]).unwrap();
}

/// Counts in callbacks.
#[derive(Clone, Default)]
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    pub(crate) fn up(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// A callback that counts and does no more.
    pub(crate) fn counter(&self) -> impl FnMut() + Send + use<> {
        let count = self.clone();
        move || count.up()
    }
}

/// Iterates, asleep in between, until `done`; a wake-up that does not come
/// fails the test.
pub(crate) fn iterate_until(context: &MainContext, what: &str, mut done: impl FnMut() -> bool) {
    let alarm = Alarm::set(context, || {});
    while !done() {
        assert!(!alarm.has_rung(), "in vain: {what}");
        context.iteration(true);
    }
}

/// Runs a main loop until somebody quits it.
pub(crate) fn run(main_loop: &MainLoop, what: &str) {
    let quitter = main_loop.clone();
    let alarm = Alarm::set(&main_loop.context(), move || quitter.quit());
    main_loop.run();
    assert!(!alarm.has_rung(), "in vain: {what}");
}

/// Rings on a context when the limit is over, unless it is dropped before.
struct Alarm {
    rung: Arc<AtomicBool>,
    _source: Attached,
}

impl Alarm {
    fn set(context: &MainContext, then: impl Fn() + Send + 'static) -> Self {
        let rung = Arc::new(AtomicBool::new(false));
        let ring = {
            let rung = Arc::clone(&rung);
            move || {
                rung.store(true, Ordering::SeqCst);
                then();
                ControlFlow::Continue
            }
        };
        let source = glib::timeout_source_new(LIMIT, Some("alarm"), Priority::HIGH, ring);
        Self {
            rung,
            _source: Attached::new(source, context),
        }
    }

    fn has_rung(&self) -> bool {
        self.rung.load(Ordering::SeqCst)
    }
}

/// A source of GLib's that is destroyed when this is dropped.
pub(crate) struct Attached(Source);

impl Attached {
    fn new(source: Source, context: &MainContext) -> Self {
        source.attach(Some(context));
        Self(source)
    }

    /// One that is ready in every iteration.
    pub(crate) fn always_ready(
        context: &MainContext,
        priority: Priority,
        mut callback: impl FnMut() + Send + 'static,
    ) -> Self {
        let source = glib::idle_source_new(None, priority, move || {
            callback();
            ControlFlow::Continue
        });
        Self::new(source, context)
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.0.destroy();
    }
}

/// A thread that runs a main loop.
pub(crate) struct Runner {
    main_loop: MainLoop,
    thread: JoinHandle<()>,
}

impl Runner {
    /// Returns when the loop runs.
    pub(crate) fn start(context: &MainContext) -> Self {
        let main_loop = MainLoop::new(Some(context), false);
        let (sender, running) = mpsc::channel();
        let source = glib::idle_source_new(None, Priority::HIGH, move || {
            let _ = sender.send(());
            ControlFlow::Break
        });
        source.attach(Some(context));
        let thread = thread::spawn({
            let main_loop = main_loop.clone();
            move || main_loop.run()
        });
        running.recv_timeout(LIMIT).unwrap();
        Self { main_loop, thread }
    }

    pub(crate) fn thread(&self) -> ThreadId {
        self.thread.thread().id()
    }

    pub(crate) fn stop(self) {
        self.main_loop.quit();
        self.thread.join().unwrap();
    }
}
