use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use virt_event::EventImpl;
use virt_event_conformance::{Capabilities, Config, SecondDriver, Stats, Subject};
use virt_event_loop::{EventLoop, Reactor, TurnError};

/// The reactor, driven by the built-in loop, without libvirt.
struct Builtin {
    reactor: Arc<Reactor>,
    /// Replaced by [`attach`](Subject::attach).
    event_loop: RefCell<Arc<EventLoop>>,
}

pub(super) fn make(config: &Config) -> Box<dyn Subject> {
    let reactor = Reactor::builder()
        .first_id(config.first_id)
        .slow_callback(config.slow_callback)
        .stall_after(config.stall_after)
        .build()
        .expect("three descriptors");
    let event_loop = EventLoop::attach(&reactor).expect("a reactor that nobody drives");
    Box::new(Builtin {
        reactor,
        event_loop: RefCell::new(Arc::new(event_loop)),
    })
}

impl Builtin {
    fn event_loop(&self) -> Arc<EventLoop> {
        Arc::clone(&self.event_loop.borrow())
    }
}

impl Subject for Builtin {
    fn event_impl(&self) -> Arc<dyn EventImpl> {
        Arc::clone(&self.reactor) as Arc<dyn EventImpl>
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::all()
    }

    fn turn(&self, timeout: Duration) {
        match self.event_loop().run_once(Some(timeout)) {
            // Without a driver, and in a child process, nothing is to happen;
            // the cases see to it that nothing does.
            Ok(()) | Err(TurnError::Detached | TurnError::Forked) => {}
            Err(error) => panic!("a turn failed: {error}"),
        }
    }

    fn nested_turn(&self) -> Box<dyn Fn() + Send + Sync> {
        // A callback that held the loop would keep the reactor, which holds
        // the callback, alive.
        let event_loop = Arc::downgrade(&self.event_loop());
        Box::new(move || {
            if let Some(event_loop) = event_loop.upgrade() {
                event_loop
                    .run_once(Some(Duration::ZERO))
                    .expect("a nested turn");
            }
        })
    }

    fn waker(&self) -> Box<dyn Fn() + Send + Sync> {
        let handle = self.event_loop().handle();
        Box::new(move || handle.wake())
    }

    fn run(&self) {
        self.event_loop().run().expect("an attached loop");
    }

    fn stopper(&self) -> Box<dyn Fn() + Send + Sync> {
        let handle = self.event_loop().handle();
        Box::new(move || handle.stop())
    }

    fn drain(&self, limit: Duration) -> Result<(), String> {
        self.event_loop()
            .drain(limit)
            .map_err(|error| error.to_string())
    }

    fn detach(&self) {
        self.event_loop().driver().detach();
    }

    fn attach(&self) -> Result<(), String> {
        let event_loop = EventLoop::attach(&self.reactor).map_err(|error| error.to_string())?;
        self.event_loop.replace(Arc::new(event_loop));
        Ok(())
    }

    /// Not the built-in loop once more, but a bare attachment with the
    /// default budget, as an adapter for another host has it.
    fn second_driver(&self) -> Result<SecondDriver, String> {
        let attachment = self.reactor.attach().map_err(|error| error.to_string())?;
        Ok(Box::new(move |timeout| {
            attachment
                .turn(Some(timeout))
                .map(drop)
                .map_err(|error| error.to_string())
        }))
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
