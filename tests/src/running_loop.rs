//! The built-in loop of a test's process, on a thread of its own.

use std::sync::{LazyLock, Mutex};

use virt_event_loop::{EventLoop, LoopThread};

static LOOP: LazyLock<Mutex<LoopThread>> = LazyLock::new(|| {
    // The tests look at the errors themselves.
    virt::error::clear_error_callback();
    Mutex::new(EventLoop::install().unwrap().spawn().unwrap())
});

/// Installs the loop and lets it run, if that has not been done: to be called
/// before a connection is opened. It runs as long as the process.
///
/// # Panics
///
/// - If libvirt has another loop.
pub fn ensure() {
    LazyLock::force(&LOOP);
}
