//! A program that opens, monitors and closes connections for ever stays as
//! small as it was.

#[path = "../shared/census.rs"]
mod census;
mod cycle;

use std::fs::File;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use virt::connect::Connect;
use virt_event_loop::{EventLoop, LoopThread, Reactor};
use virt_event_monitor::domain::Lifecycle;
use virt_event_monitor::{DEFAULT_CAPACITY, Monitor};

use self::census::Census;
use self::cycle::{cause, cycle, cycle_beside_a_full_stream};

/// After this long a test has failed.
const LIMIT: Duration = Duration::from_secs(60);

/// Cycles after which everything that grows once has grown: the tables of
/// libvirt's, of the reactor's and of the allocator's.
const WARM_UP: usize = 200;
const CYCLES: usize = 1_000;

/// The loop of this process, running.
static LOOP: LazyLock<Mutex<LoopThread>> = LazyLock::new(|| {
    let event_loop = EventLoop::install().unwrap();
    virt::error::clear_error_callback();
    Mutex::new(event_loop.spawn().unwrap())
});

/// Keeps the other tests of this process from what the census counts.
fn alone() -> MutexGuard<'static, LoopThread> {
    LOOP.lock().unwrap_or_else(PoisonError::into_inner)
}

fn reactor() -> Arc<Reactor> {
    Reactor::installed().unwrap()
}

/// What is there once nothing is registered and nothing awaits freeing.
fn drained() -> Census {
    let reactor = reactor();
    reactor.drain(LIMIT).unwrap();
    let stats = reactor.stats();
    assert_eq!(
        (stats.watches, stats.timers, stats.pending_frees),
        (0, 0, 0)
    );
    Census::take()
}

/// What a thousand of them leave behind.
fn leaves_nothing(cycle: impl Fn(usize)) {
    (0..WARM_UP).for_each(&cycle);
    let before = drained();
    (WARM_UP..CYCLES).for_each(&cycle);
    let after = drained();
    println!("{before:?}\n{after:?}");
    after.assert_like(&before);
}

#[test]
fn the_instrument_counts() {
    let _alone = alone();
    let before = Census::take();
    let kept: Vec<_> = (0..10_000).map(|_| vec![1_u8; 1_000]).collect();
    let open = File::open("/dev/null").unwrap();
    let after = Census::take();
    assert!(after.is_like(&before).is_err());
    // A test that ends meanwhile takes its thread's memory with it.
    let near = |value: isize, to: isize| value.abs_diff(to) < to.unsigned_abs() / 10;
    assert!(near(after.allocations - before.allocations, 10_000));
    assert!(near(after.bytes - before.bytes, 10_000_000));
    assert_eq!(after.descriptors, before.descriptors + 1);
    // Elsewhere the pages have to do.
    if cfg!(target_env = "gnu") {
        assert!(after.in_use > before.in_use + 9_000_000);
    }
    assert!(after.resident > before.resident + 5_000_000);
    drop((kept, open));
    assert!(near(after.bytes - Census::take().bytes, 10_000_000));
}

#[test]
fn a_thousand_connections_come_and_go() {
    let _alone = alone();
    leaves_nothing(cycle);
}

#[test]
fn a_thousand_connections_come_and_go_beside_a_full_stream() {
    let _alone = alone();
    leaves_nothing(cycle_beside_a_full_stream);
}

#[test]
fn a_stream_that_nobody_reads_holds_what_it_has_room_for() {
    /// Events on their way, which are libvirt's to hold.
    const STEP: usize = 64;

    let _alone = alone();
    let connection = Connect::open(Some("test:///default")).unwrap();
    let domain = connection.lookup_domain_by_name("test").unwrap();
    let monitor = Monitor::new(&connection).unwrap();
    let empty = Census::take();
    let events = monitor.lifecycle().unwrap();
    // Behind the stream: what it has heard of, the stream has.
    let heard = cycle::Heard::of(&monitor);
    let mut caused = 0;
    let mut fill = || {
        for _ in 0..DEFAULT_CAPACITY / STEP {
            cause(&domain, STEP);
            caused += STEP;
            heard.wait_for(caused);
        }
    };

    fill();
    let full = Census::take();
    let event = size_of::<Lifecycle>() + "test".len();
    let room = (DEFAULT_CAPACITY * event) as isize;
    let used = full.bytes - empty.bytes;
    // With the subscription, and with what the loop keeps for the next one.
    assert!((room..room + 16_384).contains(&used), "{used} of {room}");
    (0..5).for_each(|_| fill());
    Census::take().assert_like(&full);

    drop((events, heard));
    drop((monitor, domain, connection));
    assert!(drained().bytes <= full.bytes - room);
}

/// Waits until `condition` holds.
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {LIMIT:?}: {what}");
        thread::yield_now();
    }
}
