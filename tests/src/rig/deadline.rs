//! Waiting for a condition, but not for ever.

use std::thread;
use std::time::{Duration, Instant};

use super::RigError;
use crate::slower::slower;

/// How long the fixture waits for anything. Far longer than anything takes, so
/// that it passes on a busy machine too.
pub fn patience() -> Duration {
    Duration::from_secs(60) * slower()
}

/// Between two looks. It bounds how late we notice, not what we decide.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Waits until `condition` is true. `what` is the condition in words.
///
/// # Errors
///
/// - It is not true after [`patience`].
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) -> Result<(), RigError> {
    let began = Instant::now();
    while !condition() {
        if began.elapsed() > patience() {
            return Err(late(what));
        }
        thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// The error of who has waited for [`patience`].
pub(super) fn late(what: &str) -> RigError {
    RigError::Late {
        what: what.to_owned(),
        seconds: patience().as_secs(),
    }
}
