//! Deadlines where everything takes longer.

use std::env;

/// The factor that deadlines are multiplied by. `cargo xtask valgrind` sets it.
const SLOWER: &str = "VIRT_EVENT_SLOWER";

/// How much longer everything may take: under memcheck it does.
pub fn slower() -> u32 {
    let factor = env::var(SLOWER).ok().and_then(|factor| factor.parse().ok());
    factor.unwrap_or(1)
}
