//! The hot paths allocate nothing: `update_handle`, `update_timeout`, and a
//! turn in which nothing is added or removed; neither by themselves nor through
//! libvirt and the six functions in C.

#![expect(unsafe_code, reason = "counting allocations takes an allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use virt_event::{EventImpl, HandleCallback, HandleEvents, Period, TimeoutCallback};
use virt_event_conformance::fixtures::eventfd;
use virt_event_libvirt::LibvirtImpl;
use virt_event_loop::EventLoop;
use virt_event_reactor::Reactor;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: it is the system's allocator, and counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often this thread allocates while `act` runs.
fn allocations(act: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    act();
    ALLOCATIONS.get() - before
}

#[test]
fn the_instrument_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1);
    assert_eq!(allocations(|| {}), 0);
}

#[test]
fn update_handle_allocates_nothing() {
    // It looks at once whether the loop is run, and sees all of them ready.
    let builder = Reactor::builder().stall_after(Duration::ZERO);
    let reactor = builder.build().unwrap();
    let descriptors: Vec<_> = (0..100).map(|_| eventfd()).collect();
    let watches: Vec<_> = descriptors
        .iter()
        .map(|fd| {
            let callback = HandleCallback::new(|_, _, _| {});
            reactor
                .add_handle(fd.as_raw_fd(), HandleEvents::READABLE, callback)
                .unwrap()
        })
        .collect();
    let count = allocations(|| {
        for _ in 0..100 {
            for &watch in &watches {
                reactor.update_handle(watch, HandleEvents::empty());
                reactor.update_handle(watch, HandleEvents::READABLE);
                reactor.update_handle(watch, HandleEvents::READABLE | HandleEvents::WRITABLE);
            }
        }
    });
    assert_eq!(count, 0);
}

#[test]
fn update_timeout_allocates_nothing() {
    let reactor = Reactor::new().unwrap();
    let timers: Vec<_> = (0..100)
        .map(|_| {
            let callback = TimeoutCallback::new(|_| {});
            reactor
                .add_timeout(Period::millis(10_000), callback)
                .unwrap()
        })
        .collect();
    let count = allocations(|| {
        for round in 0..100 {
            for &timer in &timers {
                reactor.update_timeout(timer, Period::DISABLED);
                reactor.update_timeout(timer, Period::millis(10_000 - round));
            }
        }
    });
    assert_eq!(count, 0);
}

#[test]
fn a_steady_turn_allocates_nothing() {
    let reactor = Reactor::new().unwrap();
    let event_loop = EventLoop::attach(&reactor).unwrap();
    let ready = eventfd();
    ready.kick();
    let idle: Vec<_> = (0..100).map(|_| eventfd()).collect();
    for fd in idle.iter().chain([&ready]) {
        let callback = HandleCallback::new(|_, _, _| {});
        reactor
            .add_handle(fd.as_raw_fd(), HandleEvents::READABLE, callback)
            .unwrap();
    }
    for period in [Period::EVERY_ITERATION, Period::millis(1)] {
        let callback = TimeoutCallback::new(|_| {});
        reactor.add_timeout(period, callback).unwrap();
    }
    let turns = || {
        for _ in 0..1000 {
            event_loop.run_once(Some(Duration::ZERO)).unwrap();
        }
    };
    // The first turns size the buffers.
    turns();
    assert_eq!(allocations(turns), 0);
    assert!(reactor.stats().callbacks >= 4000);
}

/// What libvirt itself allocates is not seen here.
#[test]
fn nothing_is_allocated_on_the_way_through_libvirt() {
    let event_loop = EventLoop::install().unwrap();
    let libvirt = LibvirtImpl::registered().unwrap();
    let (ready, toggled) = (eventfd(), eventfd());
    ready.kick();
    let called = Arc::new(AtomicU64::new(0));
    let calling = Arc::clone(&called);
    let callback = HandleCallback::new(move |_, _, _| {
        calling.fetch_add(1, Ordering::Relaxed);
    });
    libvirt
        .add_handle(ready.as_raw_fd(), HandleEvents::READABLE, callback)
        .unwrap();
    let callback = HandleCallback::new(|_, _, _| {});
    let watch = libvirt
        .add_handle(toggled.as_raw_fd(), HandleEvents::READABLE, callback)
        .unwrap();
    let timer = libvirt
        .add_timeout(Period::millis(10_000), TimeoutCallback::new(|_| {}))
        .unwrap();
    let rounds = || {
        for _ in 0..1000 {
            libvirt.update_handle(watch, HandleEvents::empty());
            libvirt.update_handle(watch, HandleEvents::READABLE);
            libvirt.update_timeout(timer, Period::DISABLED);
            libvirt.update_timeout(timer, Period::millis(10_000));
            event_loop.run_once(Some(Duration::ZERO)).unwrap();
        }
    };
    // The first turns size the buffers.
    rounds();
    assert_eq!(allocations(rounds), 0);
    assert_eq!(called.load(Ordering::Relaxed), 2000);
}
