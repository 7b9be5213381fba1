//! How long, and from which seed.

use std::collections::hash_map::RandomState;
use std::env;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use virt_event_examples::Failure;

/// The duration in seconds.
const SECONDS: &str = "VIRT_EVENT_SOAK_SECONDS";

/// The seed of an earlier run.
const SEED: &str = "VIRT_EVENT_SOAK_SEED";

/// Ten minutes.
const USUAL: u64 = 600;

/// A round that is longer sees more at once, and fewer of them are counted.
const LONGEST_ROUND: Duration = Duration::from_secs(12);

/// Rounds of a short soak: enough for a beginning and an end.
const ROUNDS: u32 = 12;

/// What is to be played.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) duration: Duration,
    pub(super) round: Duration,
    pub(super) seed: u64,
}

impl Plan {
    pub(super) fn from_environment() -> Result<Self, Failure> {
        let duration = duration()?;
        let seed = match number(SEED)? {
            Some(seed) => seed,
            None => RandomState::new().build_hasher().finish(),
        };
        Ok(Self {
            duration,
            round: LONGEST_ROUND.min(duration / ROUNDS),
            seed,
        })
    }
}

/// After this long it hangs: each round takes a while to end, longer where a
/// machine is busy.
pub(super) fn deadline() -> Duration {
    // One that cannot be read fails when it is played.
    duration().unwrap_or_default() * 2 + Duration::from_secs(120)
}

fn duration() -> Result<Duration, Failure> {
    Ok(Duration::from_secs(number(SECONDS)?.unwrap_or(USUAL)))
}

fn number(name: &str) -> Result<Option<u64>, Failure> {
    let Some(text) = env::var_os(name) else {
        return Ok(None);
    };
    let text = text.to_string_lossy();
    match text.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => Err(format!("{name}={text} is no number").into()),
    }
}
