//! The reactor on a host loop, as the exam sees it. What the hosts have in
//! common is here; each has a file for the rest.

use std::cell::RefCell;
use std::num::NonZeroU32;
use std::os::fd::{AsRawFd, RawFd};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use virt_event::EventImpl;
use virt_event_conformance::{Capabilities, Config, SecondDriver, Stats, Subject};
use virt_event_reactor::{NotDrained, Reactor};

/// The longest turn of [`run`](Subject::run); a stop ends it.
const LONG: Duration = Duration::from_secs(600);

/// A host loop that a reactor can be attached to. It lives on one thread.
pub(super) trait Host: Sized + 'static {
    /// What attaching returns.
    type Driver: Driver;

    /// Makes the loop, without a driver.
    fn new() -> Self;

    /// Attaches the reactor, as the adapter's users do. Also after an earlier
    /// driver was detached.
    fn attach(&self, reactor: &Arc<Reactor>) -> Result<Self::Driver, String>;

    /// Runs the loop until our source was dispatched, for `timeout` at most.
    /// May return early, but not without a look at what is ready.
    fn turn(&self, timeout: Duration);

    /// Drains as the adapter's users do.
    fn drain(&self, driver: &Self::Driver, limit: Duration) -> Result<(), NotDrained>;

    /// Runs until `stopper` is called. The default is for hosts whose own way
    /// to run until stopped is not our business.
    fn run(&self, stopped: &AtomicBool) {
        while !stopped.swap(false, Ordering::SeqCst) {
            self.turn(LONG);
        }
    }

    /// Ends [`run`](Self::run), or the next one.
    fn stopper(
        &self,
        reactor: &Arc<Reactor>,
        stopped: &Arc<AtomicBool>,
    ) -> Box<dyn Fn() + Send + Sync> {
        let (stopped, reactor) = (Arc::clone(stopped), Arc::clone(reactor));
        Box::new(move || {
            stopped.store(true, Ordering::SeqCst);
            reactor.wake();
        })
    }

    /// What a callback does that turns the same loop again without sleeping.
    /// The default is for hosts that forbid it: the reactor itself turns.
    fn nested_turn(&self, reactor: &Arc<Reactor>) -> Box<dyn Fn() + Send + Sync> {
        // A callback that held the reactor, which holds the callback, would
        // keep both alive.
        let reactor = Arc::downgrade(reactor);
        Box::new(move || {
            if let Some(reactor) = reactor.upgrade() {
                let _ = reactor
                    .turn(Some(Duration::ZERO))
                    .expect("a turn inside a callback");
            }
        })
    }
}

/// What the drivers have in common.
pub(super) trait Driver {
    fn detach(&self);
    fn set_budget(&self, iterations: NonZeroU32);
}

impl Driver for virt_event_reactor::Driver {
    fn detach(&self) {
        self.detach();
    }

    fn set_budget(&self, iterations: NonZeroU32) {
        self.set_budget(iterations);
    }
}

/// A subject out of a host.
struct Hosted<H: Host> {
    reactor: Arc<Reactor>,
    host: H,
    /// Replaced by [`attach`](Subject::attach).
    driver: RefCell<H::Driver>,
    /// Whether each turn is to have one iteration.
    counted: bool,
    stopped: Arc<AtomicBool>,
    /// The process that made the host.
    process: u32,
}

pub(super) fn make<H: Host>(config: &Config) -> Box<dyn Subject> {
    let reactor = Reactor::builder()
        .first_id(config.first_id)
        .slow_callback(config.slow_callback)
        .stall_after(config.stall_after)
        .build()
        .expect("four descriptors");
    let host = H::new();
    let driver = host.attach(&reactor).expect("a reactor that nobody drives");
    let hosted = Hosted {
        reactor,
        host,
        driver: RefCell::new(driver),
        counted: config.counted,
        stopped: Arc::default(),
        process: process::id(),
    };
    hosted.set_budget();
    Box::new(hosted)
}

impl<H: Host> Hosted<H> {
    /// The default budget, or one iteration where they are counted.
    fn set_budget(&self) {
        if self.counted {
            self.driver.borrow().set_budget(NonZeroU32::MIN);
        }
    }
}

impl<H: Host> Subject for Hosted<H> {
    fn event_impl(&self) -> Arc<dyn EventImpl> {
        Arc::clone(&self.reactor) as Arc<dyn EventImpl>
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::all()
    }

    fn turn(&self, timeout: Duration) {
        if process::id() == self.process {
            self.host.turn(timeout);
        } else {
            // A child shares the epoll set of its parent's host, and must leave
            // that alone. What is ours it may try.
            let _ = self.reactor.turn(Some(Duration::ZERO));
        }
    }

    fn nested_turn(&self) -> Box<dyn Fn() + Send + Sync> {
        self.host.nested_turn(&self.reactor)
    }

    fn waker(&self) -> Box<dyn Fn() + Send + Sync> {
        let reactor = Arc::clone(&self.reactor);
        Box::new(move || reactor.wake())
    }

    fn run(&self) {
        self.host.run(&self.stopped);
    }

    fn stopper(&self) -> Box<dyn Fn() + Send + Sync> {
        self.host.stopper(&self.reactor, &self.stopped)
    }

    fn drain(&self, limit: Duration) -> Result<(), String> {
        self.host
            .drain(&self.driver.borrow(), limit)
            .map_err(|error| error.to_string())
    }

    fn detach(&self) {
        self.driver.borrow().detach();
    }

    fn attach(&self) -> Result<(), String> {
        let driver = self.host.attach(&self.reactor)?;
        self.driver.replace(driver);
        self.set_budget();
        Ok(())
    }

    /// Not the same host once more, but a bare attachment with the default
    /// budget, as an adapter for another host has it.
    fn second_driver(&self) -> Result<SecondDriver, String> {
        let attachment = self.reactor.attach().map_err(|error| error.to_string())?;
        Ok(Box::new(move |timeout| {
            attachment
                .turn(Some(timeout))
                .map(drop)
                .map_err(|error| error.to_string())
        }))
    }

    fn epoll_fd(&self) -> RawFd {
        self.reactor.as_raw_fd()
    }

    fn stats(&self) -> Stats {
        let stats = self.reactor.stats();
        Stats {
            watches: stats.watches,
            timers: stats.timers,
            pending_frees: stats.pending_frees,
            turns: stats.turns,
            iterations: stats.iterations,
            callbacks: stats.callbacks,
            longest_callback: stats.longest_callback,
            warnings: stats.warnings,
        }
    }
}
