use std::sync::Arc;
use std::time::Duration;

use virt_event_examples::Failure;
use virt_event_examples::host_loop::Stopper;
use virt_event_tokio::Reactor;
use virt_event_tokio::tokio::net::UnixStream;
use virt_event_tokio::tokio::runtime::{Builder, Runtime};
use virt_event_tokio::tokio::sync::Notify;
use virt_event_tokio::tokio::{task, time};

use crate::host_cases::{Detach, Own, Program};

/// A current-thread runtime.
pub(in crate::host_cases) struct Tokio {
    runtime: Runtime,
    stopped: Arc<Notify>,
}

impl Tokio {
    pub(in crate::host_cases) fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build();
        Self {
            runtime: runtime.expect("a runtime"),
            stopped: Arc::default(),
        }
    }
}

impl Program for Tokio {
    fn attach(&mut self, reactor: &Arc<Reactor>) -> Result<Detach, Failure> {
        let driver = virt_event_tokio::attach_on(reactor, self.runtime.handle())?;
        Ok(Box::new(move || driver.detach()))
    }

    fn add_sources(&mut self, _: &Arc<Reactor>) -> Vec<Own> {
        let yields = Own::always_ready("a task that yields");
        let socket = Own::always_ready("a task that waits for a socket");
        let timer = Own::paced("a task that waits for a timer");
        self.runtime.spawn(yield_for_ever(yields.clone()));
        let context = self.runtime.enter();
        let (near, far) = UnixStream::pair().expect("socketpair");
        drop(context);
        self.runtime.spawn(serve_first(near, socket.clone()));
        self.runtime.spawn(echo_for_ever(far, None));
        self.runtime.spawn(sleep_for_ever(timer.clone()));
        vec![yields, socket, timer]
    }

    fn run(&mut self) -> Result<(), Failure> {
        self.runtime.block_on(self.stopped.notified());
        Ok(())
    }

    fn stopper(&self) -> Stopper {
        let stopped = Arc::clone(&self.stopped);
        Box::new(move || stopped.notify_one())
    }
}

async fn yield_for_ever(own: Own) {
    loop {
        task::yield_now().await;
        own.serve();
    }
}

async fn serve_first(socket: UnixStream, own: Own) {
    socket.writable().await.expect("an open socket");
    socket.try_write(b"x").expect("room for a byte");
    echo_for_ever(socket, Some(own)).await;
}

/// Sends back each byte that arrives.
async fn echo_for_ever(socket: UnixStream, own: Option<Own>) {
    loop {
        socket.readable().await.expect("an open socket");
        let mut byte = [0];
        // Otherwise what tokio remembers is out of date, and is now forgotten.
        if socket.try_read(&mut byte).is_ok() {
            own.iter().for_each(Own::serve);
            socket.try_write(&byte).expect("room for a byte");
        }
    }
}

async fn sleep_for_ever(own: Own) {
    loop {
        time::sleep(Duration::from_millis(1)).await;
        own.serve();
    }
}
