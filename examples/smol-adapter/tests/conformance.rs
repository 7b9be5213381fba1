//! The exam, mounted on the adapter.

use std::cell::RefCell;
use std::num::NonZeroU32;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use smol::channel::{Receiver, Sender, bounded};
use smol::future::{FutureExt, yield_now};
use smol::{Executor, Timer};
use virt_event::EventImpl;
use virt_event_conformance::{
    Capabilities, Config, SecondDriver, Stats, Subject, conformance_main,
};
use virt_event_reactor::{Driver, Reactor};

conformance_main!("smol", |config| Box::new(Smol::new(config)));

/// A reactor, an executor that drives it, and a way to stop that.
struct Smol {
    reactor: Arc<Reactor>,
    executor: Executor<'static>,
    /// Replaced by [`attach`](Subject::attach).
    driver: RefCell<Driver>,
    budget: NonZeroU32,
    stop: (Sender<()>, Receiver<()>),
}

impl Smol {
    fn new(config: &Config) -> Self {
        let reactor = Reactor::builder()
            .first_id(config.first_id)
            .slow_callback(config.slow_callback)
            .stall_after(config.stall_after)
            .build()
            .expect("a reactor");
        let budget = match config.counted {
            true => NonZeroU32::MIN,
            false => virt_event_reactor::DEFAULT_BUDGET,
        };
        let executor = Executor::new();
        let driver = smol_adapter::attach(&reactor, &executor).expect("the first driver");
        driver.set_budget(budget);
        Self {
            reactor,
            executor,
            driver: RefCell::new(driver),
            budget,
            stop: bounded(1),
        }
    }

    fn driver(&self) -> Driver {
        self.driver.borrow().clone()
    }
}

impl Subject for Smol {
    fn event_impl(&self) -> Arc<dyn EventImpl> {
        Arc::clone(&self.reactor) as Arc<dyn EventImpl>
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::all()
    }

    fn turn(&self, timeout: Duration) {
        let driver = self.driver();
        if !driver.is_attached() {
            // Detached; or in a forked child, which must leave smol alone.
            return;
        }
        let turns = || self.reactor.stats().turns;
        let before = turns();
        let turned = async {
            // A step of the task may find that smol had woken it for nothing.
            while turns() == before {
                self.executor.tick().await;
            }
        };
        let over = async {
            Timer::after(timeout).await;
            // There is something to do, and smol is about to say so.
            while driver.is_attached() && is_readable(&self.reactor) {
                yield_now().await;
            }
        };
        smol::block_on(turned.or(over));
    }

    /// smol does not poll a task inside itself: a dialog that a callback opens
    /// turns the reactor.
    fn nested_turn(&self) -> Box<dyn Fn() + Send + Sync> {
        // A callback that held the reactor would keep itself alive.
        let reactor = Arc::downgrade(&self.reactor);
        Box::new(move || {
            if let Some(reactor) = reactor.upgrade() {
                let turn = reactor.turn(Some(Duration::ZERO));
                assert!(turn.is_ok(), "a nested turn: {turn:?}");
            }
        })
    }

    fn waker(&self) -> Box<dyn Fn() + Send + Sync> {
        let driver = self.driver();
        Box::new(move || driver.wake())
    }

    fn run(&self) {
        let stopped = self.stop.1.recv();
        smol::block_on(self.executor.run(stopped)).expect("the sender is ours");
    }

    fn stopper(&self) -> Box<dyn Fn() + Send + Sync> {
        let sender = self.stop.0.clone();
        Box::new(move || {
            // Full: it is stopped already.
            let _ = sender.try_send(());
        })
    }

    fn drain(&self, limit: Duration) -> Result<(), String> {
        let driver = self.driver();
        smol::block_on(self.executor.run(smol_adapter::drain(&driver, limit)))
            .map_err(|error| error.to_string())
    }

    fn detach(&self) {
        self.driver().detach();
    }

    fn attach(&self) -> Result<(), String> {
        let driver = smol_adapter::attach(&self.reactor, &self.executor)
            .map_err(|error| error.to_string())?;
        driver.set_budget(self.budget);
        self.driver.replace(driver);
        Ok(())
    }

    /// A bare attachment, as another kind of loop would have it.
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

fn is_readable(reactor: &Reactor) -> bool {
    let mut fds = [PollFd::new(reactor, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}
