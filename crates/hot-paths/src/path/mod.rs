//! The paths.

mod change;
mod come_and_go;
mod through_libvirt;
mod turn;

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{EventfdFlags, eventfd};
use virt_event::{
    EventImpl, HandleCallback, HandleEvents, Period, TimeoutCallback, TimerId, WatchId,
};
use virt_event_reactor::Reactor;

/// Something to count.
pub(crate) struct Path {
    /// That of its function, which is how callgrind's output is searched.
    pub(crate) name: &'static str,
    /// Does it and returns how many operations there were. Not to be inlined.
    pub(crate) run: fn() -> u64,
}

macro_rules! paths {
    ($($module:ident: $($name:ident),+;)+) => {
        &[$($(Path { name: stringify!($name), run: $module::$name },)+)+]
    };
}

/// Another path is another function, and its name here.
pub(crate) const PATHS: &[Path] = paths! {
    change: update_handle, update_timeout, update_timeout_earlier;
    come_and_go: add_and_remove_handle, add_and_remove_timeout;
    turn: event, event_in_a_run, event_beside_1000_idle, event_of_64, event_of_a_host, zero_timer,
        timer_of_1000;
    through_libvirt: libvirt_update_handle, libvirt_update_timeout,
        libvirt_add_and_remove_handle, libvirt_event;
};

/// How often most paths do what they do.
const TIMES: u64 = 1_000;

/// How often they do it before, so that buffers have their size.
const BEFORE: u64 = 100;

fn reactor() -> Arc<Reactor> {
    Reactor::new().expect("the kernel has what a reactor needs")
}

/// A counter that is readable while it is not 0.
fn event_fd() -> OwnedFd {
    let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
    eventfd(0, flags).expect("there are descriptors left")
}

/// As many, in the order of their numbers.
fn event_fds(count: usize) -> Vec<OwnedFd> {
    (0..count).map(|_| event_fd()).collect()
}

fn kick(fd: &OwnedFd) {
    rustix::io::write(fd, &1_u64.to_ne_bytes()).expect("an eventfd takes small numbers");
}

fn take(fd: &OwnedFd) {
    rustix::io::read(fd, &mut [0_u8; 8]).expect("it is readable");
}

fn watch(events: &dyn EventImpl, fd: &OwnedFd) -> WatchId {
    let callback = HandleCallback::new(|_, _, _| {});
    events
        .add_handle(fd.as_raw_fd(), HandleEvents::READABLE, callback)
        .expect("the descriptor is open")
}

fn timer(events: &dyn EventImpl, period: Period) -> TimerId {
    let callback = TimeoutCallback::new(|_| {});
    events
        .add_timeout(period, callback)
        .expect("there is room for a timer")
}
