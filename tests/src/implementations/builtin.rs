use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use virt_event_loop::{Driver, EventLoop, NotDrained, Reactor, TurnError};

use super::hosted::Host;

/// The built-in loop, without libvirt.
pub(super) struct Builtin(RefCell<Option<Arc<EventLoop>>>);

impl Builtin {
    fn event_loop(&self) -> Arc<EventLoop> {
        self.0.borrow().clone().expect("an attached loop")
    }
}

impl Host for Builtin {
    type Driver = Driver;

    fn new() -> Self {
        Self(RefCell::default())
    }

    fn attach(&self, reactor: &Arc<Reactor>) -> Result<Driver, String> {
        let event_loop = EventLoop::attach(reactor).map_err(|error| error.to_string())?;
        let driver = event_loop.driver().clone();
        self.0.replace(Some(Arc::new(event_loop)));
        Ok(driver)
    }

    fn turn(&self, timeout: Duration) {
        match self.event_loop().run_once(Some(timeout)) {
            // Without a driver nothing is to happen; the cases see to it that
            // nothing does.
            Ok(()) | Err(TurnError::Detached) => {}
            Err(error) => panic!("a turn failed: {error}"),
        }
    }

    fn drain(&self, _: &Driver, limit: Duration) -> Result<(), NotDrained> {
        self.event_loop().drain(limit)
    }

    fn run(&self, _: &AtomicBool) {
        self.event_loop().run().expect("an attached loop");
    }

    fn stopper(&self, _: &Arc<Reactor>, _: &Arc<AtomicBool>) -> Box<dyn Fn() + Send + Sync> {
        let handle = self.event_loop().handle();
        Box::new(move || handle.stop())
    }

    fn nested_turn(&self, _: &Arc<Reactor>) -> Box<dyn Fn() + Send + Sync> {
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
}
