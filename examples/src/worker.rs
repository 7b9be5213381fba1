//! The thread that talks to libvirt while the loop runs.

use std::panic;
use std::thread;

use crate::Failure;
use crate::host_loop::HostLoop;

/// Runs `host_loop` on this thread until `talk`, on a second one, has ended;
/// what `talk` says. libvirt's calls block, and a blocked loop answers no
/// keepalive, so they are at home in `talk`.
///
/// A panic of `talk` goes on here.
///
/// # Errors
///
/// - The loop cannot run, or there are no more threads.
pub fn run_beside<T: Send + 'static>(
    host_loop: &mut dyn HostLoop,
    talk: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let stop = host_loop.stopper();
    let worker = thread::Builder::new()
        .name("libvirt calls".to_owned())
        .spawn(move || {
            // Also if this thread panics, or the loop would run for ever.
            let _stop = OnDrop(stop);
            talk()
        })?;
    host_loop.run()?;
    match worker.join() {
        Ok(said) => Ok(said),
        Err(panic) => panic::resume_unwind(panic),
    }
}

/// Calls a function when it goes out of scope.
struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
