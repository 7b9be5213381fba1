//! The exam of docs/conformance.md, taken by the prototype in three ways.

use std::os::fd::{AsRawFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use scaling::{ShardThread, Sharded};
use virt_event::{
    Error, EventImpl, HandleCallback, HandleEvents, Period, Rejected, TimeoutCallback, TimerId,
    WatchId,
};
use virt_event_conformance::cases::cases;
use virt_event_conformance::{
    Capabilities, Config, Implementation, Limits, Outcome, Stats, Subject, run_case,
};
use virt_event_loop::EventLoop;
use virt_event_reactor::Reactor;
use virt_event_tests::exam::in_parallel;

use crate::table::Table;

/// How the prototype is examined, and as what.
const WAYS: [(Implementation, &str); 3] = [
    (
        Implementation {
            name: "together",
            factory: |config| Box::new(Candidate::new(config, Way::Together)),
        },
        "all on one of two reactors, the other one on a thread",
    ),
    (
        Implementation {
            name: "one thread",
            factory: |config| Box::new(Candidate::new(config, Way::OneThread)),
        },
        "spread over two reactors, one thread for both",
    ),
    (
        Implementation {
            name: "two threads",
            factory: |config| Box::new(Candidate::new(config, Way::TwoThreads)),
        },
        "spread over two reactors, a thread for each",
    ),
];

/// The words of the exam for a callback, or a free, on a thread that is not the
/// one of the loop.
const OTHER_THREAD: &str = "on a thread that does not turn the loop";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// What a connection gets that is kept on one reactor.
    Together,
    /// Whether it is the threads that do harm, or the reactors.
    OneThread,
    /// What is between two connections, or within one that is not kept together.
    TwoThreads,
}

/// The child's part, if this is one.
pub(crate) fn child_main() {
    virt_event_conformance::child_main(&WAYS.map(|(implementation, _)| implementation));
}

/// Takes it, and prints how it went.
pub(crate) fn print() -> Result<()> {
    let cases: Vec<_> = cases().collect();
    let mut table = Table::new(
        1,
        &[
            "way",
            "pass",
            "fail",
            "of them only for the thread",
            "not applicable",
        ],
    );
    let mut failed = String::new();
    for (implementation, way) in WAYS {
        eprintln!("exam: {way}");
        // One failure is enough to know, but a busy machine is none.
        let outcomes = in_parallel(1, cases.len(), |at| {
            run_case(&implementation, cases[at], LIMITS)
        });
        let count = |holds: fn(&Outcome) -> bool| {
            let those = outcomes.iter().filter(|it| holds(it));
            those.count().to_string()
        };
        table.row(&[
            way.to_owned(),
            count(|it| *it == Outcome::Pass),
            count(Outcome::is_caught),
            count(is_for_the_thread),
            count(|it| matches!(it, Outcome::NotApplicable(_))),
        ]);
        let mut names = Vec::new();
        for (case, outcome) in cases.iter().zip(&outcomes) {
            if outcome.is_caught() && !is_for_the_thread(outcome) {
                eprintln!("{}: {outcome}\n", case.name);
                names.push(format!("`{}`", case.name));
            }
        }
        if !names.is_empty() {
            failed += &format!("- {way}: {}\n", names.join(", "));
        }
    }
    println!("{table}\n{failed}");
    Ok(())
}

const LIMITS: Limits = Limits {
    patience: Duration::from_secs(3),
    deadline: Duration::from_secs(20),
};

fn is_for_the_thread(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Fail(said) if said.contains(OTHER_THREAD))
}

/// The prototype under examination. Its first reactor is turned by the exam.
struct Candidate {
    way: Way,
    sharded: Arc<Sharded>,
    first: Arc<EventLoop>,
    second: Second,
}

enum Second {
    Turned(Arc<EventLoop>),
    /// Dropped before the reactors.
    OnItsThread(#[expect(dead_code, reason = "it is there to be dropped")] ShardThread),
}

impl Candidate {
    fn new(config: &Config, way: Way) -> Self {
        let settings = Reactor::builder()
            .slow_callback(config.slow_callback)
            .stall_after(config.stall_after);
        let sharded = Sharded::with(2, &settings).expect("descriptors for two reactors");
        let attach = |at: usize| {
            let reactor = &sharded.reactors()[at];
            Arc::new(EventLoop::attach(reactor).expect("nobody drives it"))
        };
        let first = attach(0);
        let second = match way {
            Way::OneThread => Second::Turned(attach(1)),
            Way::Together | Way::TwoThreads => {
                Second::OnItsThread(sharded.spawn(1).expect("nobody drives it"))
            }
        };
        Self {
            way,
            sharded,
            first,
            second,
        }
    }
}

impl Subject for Candidate {
    fn event_impl(&self) -> Arc<dyn EventImpl> {
        match self.way {
            Way::Together => Arc::clone(&self.sharded) as Arc<dyn EventImpl>,
            Way::OneThread | Way::TwoThreads => Arc::new(Spread {
                sharded: Arc::clone(&self.sharded),
                adds: AtomicUsize::new(0),
            }),
        }
    }

    fn capabilities(&self) -> Capabilities {
        let usual = Capabilities::NESTING
            | Capabilities::WAKE
            | Capabilities::DRAIN
            | Capabilities::STATS
            | Capabilities::LOGS
            | Capabilities::DROP
            | Capabilities::FORK
            | Capabilities::COUNTED;
        match self.way {
            Way::Together => usual | Capabilities::EPOLL,
            Way::OneThread | Way::TwoThreads => usual,
        }
    }

    fn turn(&self, timeout: Duration) {
        let Second::Turned(second) = &self.second else {
            // An error is that of a forked child.
            let _ = self.first.run_once(Some(timeout));
            return;
        };
        let reactors = self.sharded.reactors();
        let mut fds = [&reactors[0], &reactors[1]].map(|it| PollFd::new(it, PollFlags::IN));
        let timeout = Timespec::try_from(timeout).expect("minutes at most");
        if poll(&mut fds, Some(&timeout)).is_err() {
            // A signal; it may return early.
            return;
        }
        let ready = fds.map(|fd| !fd.revents().is_empty());
        let turn = |at: usize, event_loop: &EventLoop| {
            if ready[at] {
                let _ = event_loop.run_once(Some(Duration::ZERO));
            }
        };
        // A callback that panics must not keep the other reactor from its turn.
        let first = catch_unwind(AssertUnwindSafe(|| turn(0, &self.first)));
        turn(1, second);
        if let Err(panic) = first {
            resume_unwind(panic);
        }
    }

    /// Turns the reactor whose callback it is; where one thread turns both, both.
    fn nested_turn(&self) -> Box<dyn Fn() + Send + Sync> {
        // A callback that held the loops would keep itself alive.
        let first = Arc::downgrade(&self.first);
        match &self.second {
            Second::Turned(second) => {
                let second = Arc::downgrade(second);
                Box::new(move || {
                    turn_weak(&first);
                    turn_weak(&second);
                })
            }
            Second::OnItsThread(_) => {
                let sharded = Arc::downgrade(&self.sharded);
                Box::new(move || {
                    if let Some(sharded) = sharded.upgrade() {
                        let reactor = &sharded.reactors()[sharded.here()];
                        let turn = reactor.turn(Some(Duration::ZERO));
                        assert!(turn.is_ok(), "a nested turn: {turn:?}");
                    }
                })
            }
        }
    }

    fn waker(&self) -> Box<dyn Fn() + Send + Sync> {
        let handle = self.first.handle();
        Box::new(move || handle.wake())
    }

    /// Each for a moment, until none has anything: what one frees may add to the
    /// other.
    fn drain(&self, limit: Duration) -> Result<(), String> {
        const MOMENT: Duration = Duration::from_millis(10);
        let began = Instant::now();
        loop {
            let moment = MOMENT.min(limit.saturating_sub(began.elapsed()));
            let reactors = self.sharded.reactors().iter();
            let drained = reactors.map(|it| it.drain(moment));
            let left: Vec<_> = drained.filter_map(Result::err).collect();
            let stats = self.stats();
            if left.is_empty() && stats.watches + stats.timers + stats.pending_frees == 0 {
                return Ok(());
            }
            if began.elapsed() >= limit {
                let left: Vec<_> = left.iter().map(ToString::to_string).collect();
                return Err(left.join("; "));
            }
        }
    }

    fn epoll_fd(&self) -> RawFd {
        self.sharded.reactors()[0].as_raw_fd()
    }

    fn stats(&self) -> Stats {
        let reactors = self.sharded.reactors().iter();
        reactors
            .map(|it| it.stats())
            .fold(Stats::default(), |sum, it| Stats {
                watches: sum.watches + it.watches,
                timers: sum.timers + it.timers,
                pending_frees: sum.pending_frees + it.pending_frees,
                turns: sum.turns + it.turns,
                iterations: sum.iterations + it.iterations,
                callbacks: sum.callbacks + it.callbacks,
                longest_callback: sum.longest_callback.max(it.longest_callback),
                warnings: sum.warnings + it.warnings,
            })
    }
}

fn turn_weak(event_loop: &Weak<EventLoop>) {
    if let Some(event_loop) = event_loop.upgrade() {
        let turned = event_loop.run_once(Some(Duration::ZERO));
        assert!(turned.is_ok(), "a nested turn: {turned:?}");
    }
}

/// The prototype with nothing kept together: adds go to the reactors by turns.
struct Spread {
    sharded: Arc<Sharded>,
    adds: AtomicUsize,
}

impl Spread {
    fn next(&self) -> usize {
        self.adds.fetch_add(1, Ordering::Relaxed) % self.sharded.reactors().len()
    }
}

impl EventImpl for Spread {
    fn add_handle(
        &self,
        fd: RawFd,
        events: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, Rejected<HandleCallback>> {
        self.sharded.on(self.next(), || {
            self.sharded.add_handle(fd, events, callback)
        })
    }

    fn update_handle(&self, watch: WatchId, events: HandleEvents) {
        self.sharded.update_handle(watch, events);
    }

    fn remove_handle(&self, watch: WatchId) -> Result<(), Error> {
        self.sharded.remove_handle(watch)
    }

    fn add_timeout(
        &self,
        period: Period,
        callback: TimeoutCallback,
    ) -> Result<TimerId, Rejected<TimeoutCallback>> {
        self.sharded
            .on(self.next(), || self.sharded.add_timeout(period, callback))
    }

    fn update_timeout(&self, timer: TimerId, period: Period) {
        self.sharded.update_timeout(timer, period);
    }

    fn remove_timeout(&self, timer: TimerId) -> Result<(), Error> {
        self.sharded.remove_timeout(timer)
    }
}
