use std::os::fd::AsRawFd;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use virt_event::{EventImpl, HandleCallback, HandleEvents, Period, TimeoutCallback};
use virt_event_conformance::fixtures::eventfd;
use virt_event_examples::Failure;
use virt_event_examples::host_loop::Stopper;
use virt_event_loop::{EventLoop, Reactor, TurnError};

use crate::host_cases::{Detach, Own, Program};

/// The built-in loop. A program has no sources on it but those of the reactor.
#[derive(Default)]
pub(in crate::host_cases) struct Builtin {
    event_loop: Option<EventLoop>,
    stopped: Arc<(Mutex<bool>, Condvar)>,
}

impl Program for Builtin {
    fn attach(&mut self, reactor: &Arc<Reactor>) -> Result<Detach, Failure> {
        let event_loop = EventLoop::attach(reactor)?;
        let driver = event_loop.driver().clone();
        self.event_loop = Some(event_loop);
        Ok(Box::new(move || driver.detach()))
    }

    fn add_sources(&mut self, reactor: &Arc<Reactor>) -> Vec<Own> {
        let (watched, paced) = (Own::always_ready("a watch"), Own::paced("a timer"));
        let source = eventfd();
        source.kick();
        let (fd, own) = (source.as_raw_fd(), watched.clone());
        let callback = HandleCallback::with_state(source, move |_, _, _, _| own.serve());
        reactor
            .add_handle(fd, HandleEvents::READABLE, callback)
            .expect("a watch");
        let own = paced.clone();
        let callback = TimeoutCallback::new(move |_| own.serve());
        let period = Period::from(Duration::from_millis(1));
        reactor.add_timeout(period, callback).expect("a timer");
        vec![watched, paced]
    }

    fn run(&mut self) -> Result<(), Failure> {
        let event_loop = self.event_loop.as_ref().expect("attach comes first");
        match event_loop.run() {
            Err(TurnError::Detached) => {}
            ended => return Ok(ended?),
        }
        let (stopped, changed) = &*self.stopped;
        let mut stopped = stopped.lock().expect("no panic under it");
        while !*stopped {
            stopped = changed.wait(stopped).expect("no panic under it");
        }
        Ok(())
    }

    fn stopper(&self) -> Stopper {
        let event_loop = self.event_loop.as_ref().expect("attach comes first");
        let (handle, shared) = (event_loop.handle(), Arc::clone(&self.stopped));
        Box::new(move || {
            *shared.0.lock().expect("no panic under it") = true;
            shared.1.notify_all();
            handle.stop();
        })
    }
}
