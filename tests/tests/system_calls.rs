//! How many system calls each operation makes, as `strace` sees them: what
//! the operation cannot avoid, and none besides.
//!
//! The test starts itself under `strace` to do one operation a hundred times
//! between two marks, and counts the calls in between.

use std::os::fd::AsRawFd;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use tokio::sync::Notify;
use virt_event::{EventImpl, HandleCallback, HandleEvents, Period, TimeoutCallback};
use virt_event_calloop::calloop;
use virt_event_conformance::fixtures::{EventFd, eventfd};
use virt_event_loop::EventLoop;
use virt_event_mio::mio::{Events, Poll, Token};
use virt_event_reactor::Reactor;

const TIMES: usize = 100;
const CHILD: &str = "VIRT_EVENT_COUNTED_OPERATION";

/// An operation, and the calls that a hundred of it make.
struct Counted {
    name: &'static str,
    run: fn(),
    expected: &'static [(&'static str, usize)],
}

const COUNTED: &[Counted] = &[
    Counted {
        name: "update_handle_off_and_on",
        run: update_handle_off_and_on,
        expected: &[("epoll_ctl", 2 * TIMES)],
    },
    Counted {
        name: "update_handle_widen_and_narrow",
        run: update_handle_widen_and_narrow,
        expected: &[("epoll_ctl", 2 * TIMES)],
    },
    Counted {
        name: "update_handle_to_the_same",
        run: update_handle_to_the_same,
        expected: &[],
    },
    Counted {
        name: "update_timeout_later_and_off",
        run: update_timeout_later_and_off,
        expected: &[],
    },
    Counted {
        name: "update_timeout_earlier",
        run: update_timeout_earlier,
        expected: &[("timerfd_settime", TIMES)],
    },
    Counted {
        name: "add_and_remove_handle",
        run: add_and_remove_handle,
        // The first pending free wakes the loop; the others find it awake.
        expected: &[("epoll_ctl", 2 * TIMES), ("write", 1)],
    },
    Counted {
        name: "add_and_remove_timeout",
        run: add_and_remove_timeout,
        // The alarm of the first one stays set: it is the earliest.
        expected: &[("write", 1)],
    },
    Counted {
        name: "turn_with_one_ready_watch",
        run: turn_with_one_ready_watch,
        expected: &[("epoll_wait", TIMES)],
    },
    Counted {
        name: "turn_with_a_zero_timer",
        run: turn_with_a_zero_timer,
        expected: &[("epoll_wait", TIMES)],
    },
    Counted {
        name: "turn_of_a_host_with_one_event",
        run: turn_of_a_host_with_one_event,
        // The event, the look whether there is more, and the test's own
        // writing and reading.
        expected: &[("epoll_wait", 2 * TIMES), ("read", TIMES), ("write", TIMES)],
    },
    // The same on each host: its own wait besides, and what a host does around
    // each event anyway.
    Counted {
        name: "event_on_mio",
        run: event_on_mio,
        expected: &[("epoll_wait", 3 * TIMES), ("read", TIMES), ("write", TIMES)],
    },
    Counted {
        name: "event_on_tokio",
        run: event_on_tokio,
        // tokio looks once more, without waiting, before it returns.
        expected: &[("epoll_wait", 4 * TIMES), ("read", TIMES), ("write", TIMES)],
    },
    Counted {
        name: "event_on_calloop",
        run: event_on_calloop,
        // calloop waits by `polling`, which sets a timer, and changes and reads
        // its own descriptors.
        expected: &[
            ("epoll_ctl", 2 * TIMES),
            ("epoll_wait", 3 * TIMES),
            ("read", 2 * TIMES),
            ("timerfd_settime", TIMES),
            ("write", TIMES),
        ],
    },
    Counted {
        name: "event_on_glib",
        run: event_on_glib,
        expected: &[
            ("epoll_wait", 2 * TIMES),
            ("poll", TIMES),
            ("read", TIMES),
            ("write", TIMES),
        ],
    },
];

fn main() -> ExitCode {
    if let Ok(name) = std::env::var(CHILD) {
        let counted = COUNTED.iter().find(|counted| counted.name == name);
        (counted.expect("the parent passes a name of the table").run)();
        return ExitCode::SUCCESS;
    }
    let trials = COUNTED
        .iter()
        .map(|counted| Trial::test(counted.name, || check(counted)))
        .collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn check(counted: &Counted) -> Result<(), Failed> {
    let trace = tempfile::NamedTempFile::new()?;
    let status = Command::new("strace")
        .arg("-o")
        .arg(trace.path())
        .arg(std::env::current_exe()?)
        .env(CHILD, counted.name)
        .status()
        .map_err(|error| format!("cannot run strace (Debian package strace): {error}"))?;
    if !status.success() {
        return Err(format!("the traced process ended with {status}").into());
    }
    let lines = std::fs::read_to_string(trace.path())?;
    let mut marked = lines
        .lines()
        .skip_while(|line| !line.contains(BEGIN))
        .skip(1)
        .take_while(|line| !line.contains(END))
        .filter_map(|line| line.split_once('(').map(|(call, _)| one_name(call)))
        .collect::<Vec<_>>();
    if !lines.contains(END) {
        return Err("the trace has no end mark".into());
    }
    marked.sort_unstable();
    let found: Vec<_> = marked
        .chunk_by(|a, b| a == b)
        .map(|calls| (calls[0], calls.len()))
        .collect();
    if found != counted.expected {
        return Err(format!("found {found:?}, expected {:?}", counted.expected).into());
    }
    Ok(())
}

/// Which of several calls a library makes for the same depends on its version
/// and on the processor.
fn one_name(call: &str) -> &str {
    match call {
        "epoll_pwait" | "epoll_pwait2" => "epoll_wait",
        "ppoll" => "poll",
        other => other,
    }
}

const BEGIN: &str = "/virt-event-mark/begin";
const END: &str = "/virt-event-mark/end";

/// Does `act` a hundred times between the marks: look-ups of files that do
/// not exist.
fn measure(mut act: impl FnMut()) {
    // Once before, so that buffers have their size and the standard library
    // knows how to look up files here.
    act();
    assert!(std::fs::metadata("/virt-event-mark").is_err());
    assert!(std::fs::metadata(BEGIN).is_err());
    for _ in 0..TIMES {
        act();
    }
    assert!(std::fs::metadata(END).is_err());
}

fn watch(reactor: &Reactor, fd: &EventFd) -> virt_event::WatchId {
    let callback = HandleCallback::new(|_, _, _| {});
    reactor
        .add_handle(fd.as_raw_fd(), HandleEvents::READABLE, callback)
        .unwrap()
}

fn timer(reactor: &Reactor, period: Period) -> virt_event::TimerId {
    reactor
        .add_timeout(period, TimeoutCallback::new(|_| {}))
        .unwrap()
}

fn update_handle_off_and_on() {
    let (reactor, fd) = (Reactor::new().unwrap(), eventfd());
    let watch = watch(&reactor, &fd);
    measure(|| {
        reactor.update_handle(watch, HandleEvents::empty());
        reactor.update_handle(watch, HandleEvents::READABLE);
    });
}

fn update_handle_widen_and_narrow() {
    let (reactor, fd) = (Reactor::new().unwrap(), eventfd());
    let watch = watch(&reactor, &fd);
    measure(|| {
        reactor.update_handle(watch, HandleEvents::READABLE | HandleEvents::WRITABLE);
        reactor.update_handle(watch, HandleEvents::READABLE);
    });
}

fn update_handle_to_the_same() {
    let (reactor, fd) = (Reactor::new().unwrap(), eventfd());
    let watch = watch(&reactor, &fd);
    measure(|| reactor.update_handle(watch, HandleEvents::READABLE));
}

fn update_timeout_later_and_off() {
    let reactor = Reactor::new().unwrap();
    let timer = timer(&reactor, Period::millis(10_000));
    measure(|| {
        reactor.update_timeout(timer, Period::DISABLED);
        reactor.update_timeout(timer, Period::millis(10_000));
        reactor.update_timeout(timer, Period::millis(20_000));
    });
}

fn update_timeout_earlier() {
    let reactor = Reactor::new().unwrap();
    let timer = timer(&reactor, Period::millis(1_000_000_000));
    let mut millis = 1_000_000_000;
    measure(|| {
        // Far more than the test takes, so that each is earlier than the last.
        millis -= 1_000_000;
        reactor.update_timeout(timer, Period::millis(millis));
    });
}

fn add_and_remove_handle() {
    let (reactor, fd) = (Reactor::new().unwrap(), eventfd());
    let mut first = true;
    measure(|| {
        let watch = watch(&reactor, &fd);
        reactor.remove_handle(watch).unwrap();
        if std::mem::take(&mut first) {
            reactor.drain(Duration::from_secs(10)).unwrap();
        }
    });
}

fn add_and_remove_timeout() {
    let reactor = Reactor::new().unwrap();
    let mut first = true;
    measure(|| {
        let timer = timer(&reactor, Period::millis(10_000));
        reactor.remove_timeout(timer).unwrap();
        if std::mem::take(&mut first) {
            reactor.drain(Duration::from_secs(10)).unwrap();
        }
    });
}

fn turn_with_one_ready_watch() {
    let (reactor, fd) = (Reactor::new().unwrap(), eventfd());
    let event_loop = EventLoop::attach(&reactor).unwrap();
    watch(&reactor, &fd);
    fd.kick();
    measure(|| event_loop.run_once(None).unwrap());
    assert_eq!(reactor.stats().callbacks, TIMES as u64 + 1);
}

fn turn_with_a_zero_timer() {
    let reactor = Reactor::new().unwrap();
    let event_loop = EventLoop::attach(&reactor).unwrap();
    timer(&reactor, Period::EVERY_ITERATION);
    // The alarm, once it has gone off, stays so.
    event_loop.run_once(None).unwrap();
    measure(|| event_loop.run_once(None).unwrap());
}

fn turn_of_a_host_with_one_event() {
    let (reactor, fd) = (Reactor::new().unwrap(), eventfd());
    let attachment = reactor.attach().unwrap();
    let sink = fd.duplicate();
    let callback = HandleCallback::new(move |_, _, _| {
        sink.take();
    });
    reactor
        .add_handle(fd.as_raw_fd(), HandleEvents::READABLE, callback)
        .unwrap();
    measure(|| {
        fd.kick();
        let turn = attachment.turn(Some(Duration::ZERO)).unwrap();
        assert!(!turn.pending);
    });
}

/// Turns a host after each kick until the callback has been called.
fn measure_on(reactor: &Reactor, mut turn: impl FnMut()) {
    let fd = eventfd();
    let called = Arc::new(AtomicBool::new(false));
    let (sink, calling) = (fd.duplicate(), Arc::clone(&called));
    let callback = HandleCallback::new(move |_, _, _| {
        sink.take();
        calling.store(true, Ordering::Relaxed);
    });
    reactor
        .add_handle(fd.as_raw_fd(), HandleEvents::READABLE, callback)
        .unwrap();
    let mut event = || {
        fd.kick();
        while !called.swap(false, Ordering::Relaxed) {
            turn();
        }
    };
    // The first events find what the setting up has left.
    (0..10).for_each(|_| event());
    measure(event);
}

fn event_on_mio() {
    let reactor = Reactor::new().unwrap();
    let mut poll = Poll::new().unwrap();
    let (source, _driver) = virt_event_mio::attach(&reactor, poll.registry(), Token(0)).unwrap();
    let mut events = Events::with_capacity(8);
    measure_on(&reactor, || {
        poll.poll(&mut events, None).unwrap();
        if !events.is_empty() {
            source.dispatch().unwrap();
        }
    });
}

fn event_on_tokio() {
    let reactor = Reactor::new().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    let _driver = virt_event_tokio::attach_on(&reactor, runtime.handle()).unwrap();
    let called = Arc::new(Notify::new());
    let fd = eventfd();
    let (sink, calling) = (fd.duplicate(), Arc::clone(&called));
    let callback = HandleCallback::new(move |_, _, _| {
        sink.take();
        calling.notify_one();
    });
    reactor
        .add_handle(fd.as_raw_fd(), HandleEvents::READABLE, callback)
        .unwrap();
    let event = || {
        fd.kick();
        runtime.block_on(called.notified());
    };
    (0..10).for_each(|_| event());
    measure(event);
}

fn event_on_calloop() {
    let reactor = Reactor::new().unwrap();
    let mut event_loop = calloop::EventLoop::try_new().unwrap();
    virt_event_calloop::attach(&reactor, &event_loop.handle()).unwrap();
    measure_on(&reactor, || event_loop.dispatch(None, &mut ()).unwrap());
}

fn event_on_glib() {
    let reactor = Reactor::new().unwrap();
    let context = glib::MainContext::new();
    virt_event_glib::attach(&reactor, &context, glib::Priority::DEFAULT).unwrap();
    measure_on(&reactor, || {
        context.iteration(true);
    });
}
