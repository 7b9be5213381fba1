use std::time::Duration;

/// What a reactor holds and has done; from [`Reactor::stats`](crate::Reactor::stats).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Registered watches.
    pub watches: usize,
    /// Registered timers, disabled ones included.
    pub timers: usize,
    /// Callbacks of removed entries that are not freed yet.
    pub pending_frees: usize,
    /// Turns taken, nested ones included.
    pub turns: u64,
    /// Iterations in those turns.
    pub iterations: u64,
    /// Callbacks called.
    pub callbacks: u64,
    /// The longest time that a callback took. Frees do not count, nor do
    /// callbacks that turned the loop themselves.
    ///
    /// Callbacks of watches are measured in ticks of the kernel's clock, 1 to
    /// 10 ms each, unless [`slow_callback`](crate::Builder::slow_callback) is under
    /// 50 ms: a short one counts as nothing, or as a tick if one falls into it.
    /// Those of timers are measured exactly.
    pub longest_callback: Duration,
    /// Warnings given about slow callbacks and about a loop that is not run.
    pub warnings: u64,
}
