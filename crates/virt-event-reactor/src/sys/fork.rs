#![expect(unsafe_code, reason = "pthread_atfork has no safe wrapper")]

use std::ffi::c_int;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// How many forks lie between this process and the first one that asked.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Whether forks are counted.
static WATCHING: Mutex<bool> = Mutex::new(false);

/// A number that a process shares with none of its forked children.
///
/// Holds for `fork` of the C library. A child made by a bare `clone` system
/// call does not run the handler, and `posix_spawn` and `vfork` children run
/// none of our code before they exec.
pub(crate) fn fork_generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// Has forks counted from now on. Called before the first generation is noted.
pub(super) fn watch_forks() -> std::io::Result<()> {
    unsafe extern "C" {
        fn pthread_atfork(
            prepare: Option<extern "C" fn()>,
            parent: Option<extern "C" fn()>,
            child: Option<extern "C" fn()>,
        ) -> c_int;
    }

    extern "C" fn in_child() {
        GENERATION.fetch_add(1, Ordering::Relaxed);
    }

    let mut watching = WATCHING.lock().unwrap_or_else(PoisonError::into_inner);
    if !*watching {
        // SAFETY: the prototype is POSIX's; the handler only touches an
        // atomic, which is allowed in the child of a threaded process.
        let refused = unsafe { pthread_atfork(None, None, Some(in_child)) };
        if refused != 0 {
            return Err(std::io::Error::from_raw_os_error(refused));
        }
        *watching = true;
    }
    Ok(())
}
