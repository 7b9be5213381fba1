//! The mistakes of the guide, each with a proof that it breaks something, and
//! that the right code does not.

use std::error::Error;
use std::io;
use std::num::NonZeroU32;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::event::{EventfdFlags, eventfd};
use smol::future::FutureExt;
use smol::{Async, Executor, Timer};
use virt_event::{EventImpl, HandleCallback, HandleEvents, Period, TimeoutCallback};
use virt_event_reactor::{Attachment, Reactor, Turn, TurnError};

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn an_edge_host_that_waits_while_a_turn_is_pending_sleeps_through_it() {
    let calls = |run_once: RunOnce| {
        let scene = Scene::new();
        let mut host = MioHost::new(&scene.reactor);
        scene.always_ready(|| {});
        for _ in 0..5 {
            run_once(&mut host).unwrap();
        }
        scene.calls()
    };
    assert_eq!(calls(MioHost::run_once_wrong), 1);
    assert_eq!(calls(MioHost::run_once), 5);
}

#[test]
fn an_edge_host_that_waits_after_a_panic_sleeps_through_the_rest() {
    let calls = |run_once: RunOnce| {
        let scene = Scene::new();
        let mut host = MioHost::new(&scene.reactor);
        scene.always_ready(|| resume_unwind(Box::new("as the test wants")));
        for _ in 0..5 {
            let _ = catch_unwind(AssertUnwindSafe(|| run_once(&mut host)));
        }
        scene.calls()
    };
    assert_eq!(calls(MioHost::run_once_wrong), 1);
    assert_eq!(calls(MioHost::run_once), 5);
}

type RunOnce = fn(&mut MioHost) -> Result<(), Box<dyn Error>>;

/// A mio poll, on which a descriptor is reported once for each change.
struct MioHost {
    poll: Poll,
    events: Events,
    libvirt: Attachment,
    come_back: bool,
}

const LIBVIRT: Token = Token(0);

/// How long the host sleeps if nothing happens: for ever in a program. Here
/// nothing can happen that has not happened before.
const SLEEP: Option<Duration> = Some(Duration::ZERO);

impl MioHost {
    fn new(reactor: &Arc<Reactor>) -> Self {
        let libvirt = reactor.attach().unwrap();
        // So that what comes next takes more than one turn.
        libvirt.driver().set_budget(NonZeroU32::MIN);
        let poll = Poll::new().unwrap();
        let fd = libvirt.as_raw_fd();
        poll.registry()
            .register(&mut SourceFd(&fd), LIBVIRT, Interest::READABLE)
            .unwrap();
        Self {
            poll,
            events: Events::with_capacity(8),
            libvirt,
            come_back: false,
        }
    }

    fn run_once_wrong(&mut self) -> Result<(), Box<dyn Error>> {
        self.poll.poll(&mut self.events, SLEEP)?;
        if self.events.iter().any(|event| event.token() == LIBVIRT) {
            let _ = self.libvirt.turn(Some(Duration::ZERO))?;
        }
        Ok(())
    }

    fn run_once(&mut self) -> Result<(), Box<dyn Error>> {
        let timeout = match self.come_back {
            true => Some(Duration::ZERO),
            false => SLEEP,
        };
        self.poll.poll(&mut self.events, timeout)?;
        if self.come_back || self.events.iter().any(|event| event.token() == LIBVIRT) {
            // Also if the turn panics.
            self.come_back = true;
            self.come_back = self.libvirt.turn(Some(Duration::ZERO))?.pending;
        }
        Ok(())
    }
}

#[test]
fn a_lock_held_across_a_turn_is_held_in_every_callback() {
    for (serve, free) in [(serve_wrong as Serve, false), (serve, true)] {
        let scene = Scene::new();
        let libvirt = Arc::new(scene.reactor.attach().unwrap());
        let state = Arc::new(Mutex::new(State { libvirt }));
        let (sender, seen) = mpsc::channel();
        let weak = Arc::downgrade(&state);
        scene.always_ready(move || {
            // A callback that calls back into the program.
            let state = weak.upgrade().unwrap();
            sender.send(state.try_lock().is_ok()).unwrap();
        });
        let _ = serve(&state).unwrap();
        assert_eq!(seen.recv_timeout(PATIENCE), Ok(free));
    }
}

type Serve = fn(&Mutex<State>) -> Result<Turn, TurnError>;

struct State {
    libvirt: Arc<Attachment>,
}

fn serve_wrong(state: &Mutex<State>) -> Result<Turn, TurnError> {
    let state = state.lock().unwrap();
    state.libvirt.turn(Some(Duration::ZERO))
}

fn serve(state: &Mutex<State>) -> Result<Turn, TurnError> {
    let libvirt = Arc::clone(&state.lock().unwrap().libvirt);
    libvirt.turn(Some(Duration::ZERO))
}

#[test]
fn an_attachment_that_is_dropped_first_is_watched_for_ever() {
    for (stop, reported) in [(stop_wrong as Stop, true), (stop, false)] {
        let reactor = Reactor::new().unwrap();
        let MioHost {
            mut poll,
            mut events,
            libvirt,
            ..
        } = MioHost::new(&reactor);
        stop(&poll, libvirt).unwrap();
        // Work for the next driver, whoever that is.
        reactor.wake();
        poll.poll(&mut events, SLEEP).unwrap();
        assert_eq!(!events.is_empty(), reported);
    }
}

type Stop = fn(&Poll, Attachment) -> io::Result<()>;

fn stop_wrong(_: &Poll, libvirt: Attachment) -> io::Result<()> {
    drop(libvirt); // closes the descriptor
    Ok(())
}

fn stop(poll: &Poll, libvirt: Attachment) -> io::Result<()> {
    let fd = libvirt.as_raw_fd();
    poll.registry().deregister(&mut SourceFd(&fd))
}

#[test]
fn a_source_goes_when_it_is_detached() {
    let scene = Scene::new();
    let executor = Executor::new();
    let driver = smol_adapter::attach(&scene.reactor, &executor).unwrap();
    driver.detach();
    // One number may be watched once: the next driver has another.
    let next = smol_adapter::attach(&scene.reactor, &executor).unwrap();
    next.detach();
    let gone = async {
        while !executor.is_empty() {
            executor.tick().await;
        }
        true
    };
    let too_late = async {
        Timer::after(PATIENCE).await;
        false
    };
    assert!(smol::block_on(gone.or(too_late)));
}

#[test]
fn a_host_takes_a_descriptor_once() {
    let watched_by_libvirt = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
    let fd = watched_by_libvirt.as_fd();
    let refused = one_source_for_each_watch(&fd).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
    let reactor = Reactor::new().unwrap();
    one_source_for_all(&reactor, fd.as_raw_fd()).unwrap();
    assert_eq!(reactor.stats().watches, 2);
}

fn one_source_for_each_watch(fd: &impl AsFd) -> io::Result<()> {
    let _for_reading = Async::new_nonblocking(fd.as_fd())?;
    let _for_writing = Async::new_nonblocking(fd.as_fd())?;
    Ok(())
}

fn one_source_for_all(reactor: &Reactor, fd: RawFd) -> Result<(), Box<dyn Error>> {
    for events in [HandleEvents::READABLE, HandleEvents::WRITABLE] {
        reactor.add_handle(fd, events, HandleCallback::new(|_, _, _| {}))?;
    }
    Ok(())
}

#[test]
fn a_second_thread_that_turns_is_refused() {
    let scene = Scene::new();
    let libvirt = scene.reactor.attach().unwrap();
    let (inside, is_inside) = mpsc::channel();
    let (done, is_done) = mpsc::channel();
    scene.always_ready(move || {
        inside.send(()).unwrap();
        is_done.recv_timeout(PATIENCE).unwrap();
    });
    libvirt.driver().set_budget(NonZeroU32::MIN);
    thread::scope(|scope| {
        let first = scope.spawn(|| libvirt.turn(Some(PATIENCE)));
        is_inside.recv_timeout(PATIENCE).unwrap(); // a callback runs over there
        let second = libvirt.turn(Some(Duration::ZERO));
        assert!(matches!(second, Err(TurnError::Busy)), "{second:?}");
        done.send(()).unwrap();
        assert!(first.join().unwrap().is_ok());
    });
}

#[test]
fn a_yield_lets_tasks_run_and_not_the_loop() {
    const TURNS: u32 = 4000;
    let others = |spawn: Spawn| {
        let scene = Scene::new();
        let executor = Executor::new();
        spawn(&executor, scene.reactor.attach().unwrap()).unwrap();
        scene.always_ready(|| {});
        let began = Instant::now();
        let other = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&other);
        let ready = Async::new_nonblocking(eventfd(1, EventfdFlags::CLOEXEC).unwrap()).unwrap();
        let task = executor.spawn(async move {
            loop {
                ready.readable().await.unwrap();
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        smol::block_on(executor.run(async {
            while scene.reactor.stats().turns < u64::from(TURNS) {
                assert!(began.elapsed() < PATIENCE);
                smol::future::yield_now().await;
            }
        }));
        drop(task);
        other.load(Ordering::Relaxed)
    };
    let (wrong, right) = (others(spawn_that_yields), others(spawn_right));
    println!("served in {TURNS} turns: {wrong} and {right} times");
    assert!(
        2 * wrong < right,
        "{wrong} and {right} times in {TURNS} turns"
    );
}

fn spawn_that_yields(executor: &Executor<'static>, attachment: Attachment) -> io::Result<()> {
    let watched = Async::new_nonblocking(attachment)?;
    let task = executor.spawn(async move {
        loop {
            match watched.get_ref().turn(Some(Duration::ZERO)) {
                Ok(turn) if turn.pending => smol::future::yield_now().await,
                Ok(_) => watched.readable().await.unwrap(),
                Err(_) => break,
            }
        }
    });
    task.detach();
    Ok(())
}

#[test]
fn a_panic_ends_a_task_that_does_not_catch_it_and_nobody_is_told() {
    for (spawn, goes_on) in [(spawn_wrong as Spawn, false), (spawn_right, true)] {
        let scene = Scene::new();
        let executor = Executor::new();
        spawn(&executor, scene.reactor.attach().unwrap()).unwrap();
        scene.always_ready(|| resume_unwind(Box::new("as the test wants")));
        let began = Instant::now();
        while scene.calls() < 3 && !executor.is_empty() {
            assert!(began.elapsed() < PATIENCE);
            let a_moment = async {
                Timer::after(Duration::from_millis(10)).await;
            };
            smol::block_on(executor.tick().or(a_moment));
        }
        assert_eq!(scene.calls() == 3, goes_on);
        assert_eq!(executor.is_empty(), !goes_on);
    }
}

type Spawn = fn(&Executor<'static>, Attachment) -> io::Result<()>;

fn spawn_right(executor: &Executor<'static>, attachment: Attachment) -> io::Result<()> {
    let reactor = Arc::clone(attachment.driver().reactor());
    drop(attachment);
    smol_adapter::attach(&reactor, executor).map_err(io::Error::other)?;
    Ok(())
}

fn spawn_wrong(executor: &Executor<'static>, attachment: Attachment) -> io::Result<()> {
    let watched = Async::new_nonblocking(attachment)?;
    let task = executor.spawn(async move {
        loop {
            watched.readable().await.unwrap();
            if watched.get_ref().turn(Some(Duration::ZERO)).is_err() {
                break;
            }
        }
    });
    task.detach();
    Ok(())
}

/// A reactor, and what was called on it.
struct Scene {
    reactor: Arc<Reactor>,
    calls: Arc<AtomicU32>,
}

impl Scene {
    fn new() -> Self {
        Self {
            reactor: Reactor::new().unwrap(),
            calls: Arc::default(),
        }
    }

    /// Adds something that is to be called in every iteration.
    fn always_ready(&self, mut then: impl FnMut() + Send + 'static) {
        let calls = Arc::clone(&self.calls);
        let callback = TimeoutCallback::new(move |_| {
            calls.fetch_add(1, Ordering::Relaxed);
            then();
        });
        self.reactor
            .add_timeout(Period::EVERY_ITERATION, callback)
            .unwrap();
    }

    fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }
}
