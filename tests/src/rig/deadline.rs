//! Waiting for a condition, but not for ever.

use std::thread;
use std::time::{Duration, Instant};

use super::RigError;

/// How long the fixture waits for anything. Far longer than anything takes, so
/// that it passes on a busy machine too.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks. It bounds how late we notice, not what we decide.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Waits until `condition` is true. `what` is the condition in words.
///
/// # Errors
///
/// - It is not true after [`PATIENCE`].
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) -> Result<(), RigError> {
    let began = Instant::now();
    while !condition() {
        if began.elapsed() > PATIENCE {
            return Err(late(what));
        }
        thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// The error of who has waited for [`PATIENCE`].
pub(super) fn late(what: &str) -> RigError {
    RigError::Late {
        what: what.to_owned(),
        seconds: PATIENCE.as_secs(),
    }
}
