use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use bitflags::bitflags;
use virt_event::EventImpl;

/// Makes a fresh subject. Called once in each child process, on the thread
/// that will run the loop.
pub type Factory = fn(&Config) -> Box<dyn Subject>;

/// Turns the loop of a subject once, on any thread, for at most this long; the
/// error if it may not.
pub type SecondDriver = Box<dyn Fn(Duration) -> Result<(), String> + Send>;

/// How a subject should be set up. A subject without the matching capability
/// ignores a field.
#[derive(Clone, Debug)]
pub struct Config {
    /// The first id of both spaces ([`Capabilities::FIRST_ID`]).
    pub first_id: i32,
    /// How long a callback may take before it is reported ([`Capabilities::LOGS`]).
    pub slow_callback: Duration,
    /// How long work may lie undone before the loop is reported as not
    /// running ([`Capabilities::LOGS`]).
    pub stall_after: Duration,
    /// The case counts iterations: a turn must have exactly one, also where the
    /// host takes several for speed ([`Capabilities::COUNTED`]).
    pub counted: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            first_id: 1,
            slow_callback: Duration::from_millis(100),
            stall_after: Duration::from_secs(5),
            counted: false,
        }
    }
}

bitflags! {
    /// What a subject can do beyond the six calls and taking turns. A case
    /// that needs more than the subject has is *not applicable*.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Capabilities: u32 {
        /// A callback may turn the same loop again ([`Subject::nested_turn`]).
        const NESTING = 1 << 0;
        /// [`Subject::waker`] ends a blocked turn.
        const WAKE = 1 << 1;
        /// [`Subject::run`] and [`Subject::stopper`].
        const RUN = 1 << 2;
        /// [`Subject::drain`].
        const DRAIN = 1 << 3;
        /// [`Subject::detach`], [`Subject::attach`], [`Subject::second_driver`].
        const DETACH = 1 << 4;
        /// [`Subject::stats`].
        const STATS = 1 << 5;
        /// It reports slow callbacks, a loop that is not run, and refused
        /// descriptors through `tracing`.
        const LOGS = 1 << 6;
        /// It honours [`Config::first_id`].
        const FIRST_ID = 1 << 7;
        /// Dropping the subject (when nothing else holds its
        /// implementation) frees every callback.
        const DROP = 1 << 8;
        /// Its behaviour after `fork` is defined.
        const FORK = 1 << 9;
        /// It runs one iteration a turn where [`Config::counted`] asks for it, so
        /// that iterations can be counted.
        const COUNTED = 1 << 10;
        /// It watches descriptors with an epoll set, [`Subject::epoll_fd`].
        const EPOLL = 1 << 11;
    }
}

/// One implementation under examination, with the loop that runs it.
///
/// A subject lives on the thread that runs the loop. Only
/// [`event_impl`](Self::event_impl) and the closures it hands out go to other
/// threads. The provided methods belong to capabilities; a subject overrides
/// those that it claims.
pub trait Subject {
    /// The implementation whose six calls are examined.
    fn event_impl(&self) -> Arc<dyn EventImpl>;

    /// What the subject can do.
    fn capabilities(&self) -> Capabilities;

    /// Runs the loop on this thread for one turn: sleeps until there is
    /// something to do or `timeout` is over, does it, and returns. May return
    /// early.
    fn turn(&self, timeout: Duration);

    /// A function that, called inside a callback, turns the same loop again
    /// without sleeping.
    fn nested_turn(&self) -> Box<dyn Fn() + Send + Sync> {
        unclaimed("NESTING")
    }

    /// A function that ends a blocked turn, or the next one, from any thread.
    fn waker(&self) -> Box<dyn Fn() + Send + Sync> {
        unclaimed("WAKE")
    }

    /// Runs the loop until it is stopped.
    fn run(&self) {
        unclaimed("RUN")
    }

    /// A function that ends [`run`](Self::run), or the next one, from any
    /// thread.
    fn stopper(&self) -> Box<dyn Fn() + Send + Sync> {
        unclaimed("RUN")
    }

    /// Turns until nothing is registered and nothing awaits freeing, for
    /// `limit` at most; the error says in words what is left.
    fn drain(&self, limit: Duration) -> Result<(), String> {
        let _ = limit;
        unclaimed("DRAIN")
    }

    /// Stops driving. The six calls go on working.
    fn detach(&self) {
        unclaimed("DETACH")
    }

    /// Starts driving again after [`detach`](Self::detach).
    fn attach(&self) -> Result<(), String> {
        unclaimed("DETACH")
    }

    /// A second driver of the same implementation, for use on another thread
    /// or after a detach; the error if it is refused.
    fn second_driver(&self) -> Result<SecondDriver, String> {
        unclaimed("DETACH")
    }

    /// The epoll set that the watched descriptors are in.
    fn epoll_fd(&self) -> RawFd {
        unclaimed("EPOLL")
    }

    /// The counters of the loop.
    fn stats(&self) -> Stats {
        unclaimed("STATS")
    }
}

fn unclaimed(capability: &str) -> ! {
    panic!("the subject claims {capability} and does not override its methods")
}

/// What the loop counts (contract L4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the contract's words")]
pub struct Stats {
    pub watches: usize,
    pub timers: usize,
    pub pending_frees: usize,
    pub turns: u64,
    pub iterations: u64,
    pub callbacks: u64,
    pub longest_callback: Duration,
    pub warnings: u64,
}
