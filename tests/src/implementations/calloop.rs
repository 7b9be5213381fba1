use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use virt_event_calloop::calloop::EventLoop;
use virt_event_calloop::{Driver, NotDrained, Reactor};

use super::hosted::Host;

/// A calloop event loop.
pub(super) struct Calloop(RefCell<EventLoop<'static, ()>>);

impl Host for Calloop {
    type Driver = Driver;

    fn new() -> Self {
        Self(RefCell::new(
            EventLoop::try_new().expect("an epoll instance"),
        ))
    }

    fn attach(&self, reactor: &Arc<Reactor>) -> Result<Driver, String> {
        virt_event_calloop::attach(reactor, &self.0.borrow().handle())
            .map_err(|error| error.to_string())
    }

    fn drain(&self, driver: &Driver, limit: Duration) -> Result<(), NotDrained> {
        driver.drain(limit)
    }

    fn turn(&self, timeout: Duration) {
        self.0
            .borrow_mut()
            .dispatch(Some(timeout), &mut ())
            .expect("a dispatch");
    }
}
