use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use virt_event_calloop::Reactor;
use virt_event_calloop::calloop::EventLoop;
use virt_event_calloop::calloop::ping::{Ping, make_ping};
use virt_event_calloop::calloop::timer::{TimeoutAction, Timer};
use virt_event_examples::Failure;
use virt_event_examples::host_loop::Stopper;

use crate::host_cases::{Detach, Own, Program};

/// How often a paced source is served.
const PACE: Duration = Duration::from_millis(1);

/// A calloop event loop.
pub(in crate::host_cases) struct Calloop {
    event_loop: EventLoop<'static, ()>,
    stopped: Arc<AtomicBool>,
    /// Wakes it to look at that.
    stop: Ping,
}

impl Calloop {
    pub(in crate::host_cases) fn new() -> Self {
        let event_loop = EventLoop::try_new().expect("an epoll set");
        let (stop, woken) = make_ping().expect("an eventfd");
        event_loop
            .handle()
            .insert_source(woken, |(), _, ()| {})
            .expect("room for a source");
        Self {
            event_loop,
            stopped: Arc::default(),
            stop,
        }
    }
}

impl Program for Calloop {
    fn attach(&mut self, reactor: &Arc<Reactor>) -> Result<Detach, Failure> {
        let driver = virt_event_calloop::attach(reactor, &self.event_loop.handle())?;
        Ok(Box::new(move || driver.detach()))
    }

    fn add_sources(&mut self, _: &Arc<Reactor>) -> Vec<Own> {
        let pinged = Own::always_ready("a ping");
        let paced = Own::paced("a timer");
        let (ping, source) = make_ping().expect("an eventfd");
        ping.ping();
        let own = pinged.clone();
        let again = move |(), _: &mut (), (): &mut ()| {
            own.serve();
            ping.ping();
        };
        let handle = self.event_loop.handle();
        handle
            .insert_source(source, again)
            .expect("room for a source");
        let own = paced.clone();
        let tick = move |_, _: &mut (), (): &mut ()| {
            own.serve();
            TimeoutAction::ToDuration(PACE)
        };
        handle
            .insert_source(Timer::from_duration(PACE), tick)
            .expect("room for a source");
        vec![pinged, paced]
    }

    fn run(&mut self) -> Result<(), Failure> {
        while !self.stopped.swap(false, Ordering::SeqCst) {
            self.event_loop.dispatch(None, &mut ())?;
        }
        Ok(())
    }

    fn stopper(&self) -> Stopper {
        let (stopped, stop) = (Arc::clone(&self.stopped), self.stop.clone());
        Box::new(move || {
            // This is enough for a callback in the loop, also when a forked
            // child has taken the ping out of it.
            stopped.store(true, Ordering::SeqCst);
            stop.ping();
        })
    }
}
