use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use virt_event_tokio::tokio::runtime::{Builder, Runtime};
use virt_event_tokio::tokio::{self, task};
use virt_event_tokio::{Drive, Driver, NotDrained, Reactor};

use super::hosted::{self, Host};

/// A current-thread runtime with the driver as a future, which is polled where
/// a spawned one would be: once for each time that it was woken.
pub(super) struct Tokio {
    runtime: Runtime,
    drive: RefCell<Option<Drive>>,
    wakes: Arc<Wakes>,
}

/// The driver's waker.
#[derive(Default)]
struct Wakes {
    /// It was woken, and not polled since.
    woken: AtomicBool,
    /// Of the future that the runtime polls.
    runtime: Mutex<Option<Waker>>,
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        let waker = self.runtime.lock().expect("no panic here").clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Host for Tokio {
    type Driver = Driver;

    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build();
        Self {
            runtime: runtime.expect("a runtime"),
            drive: RefCell::default(),
            wakes: Arc::default(),
        }
    }

    fn attach(&self, reactor: &Arc<Reactor>) -> Result<Driver, String> {
        let _context = self.runtime.enter();
        let drive = Drive::new(reactor).map_err(|error| error.to_string())?;
        let driver = drive.driver().clone();
        self.drive.replace(Some(drive));
        // It does not know yet what it waits for.
        self.poll_drive();
        Ok(driver)
    }

    fn turn(&self, timeout: Duration) {
        self.runtime.block_on(async {
            // Has the runtime look at what is ready.
            task::yield_now().await;
            let polled = poll_fn(|context| {
                *self.wakes.runtime.lock().expect("no panic here") = Some(context.waker().clone());
                if !self.wakes.woken.load(Ordering::SeqCst) {
                    return Poll::Pending;
                }
                self.poll_drive();
                Poll::Ready(())
            });
            // Nothing of interest if it is over before.
            let _ = tokio::time::timeout(timeout, polled).await;
            // Has the runtime wake those who have yielded: it forgets them at
            // the end of `block_on`.
            task::yield_now().await;
        });
    }

    fn drain(&self, driver: &Driver, limit: Duration) -> Result<(), NotDrained> {
        self.runtime.block_on(driver.drain(limit))
    }
}

impl Tokio {
    /// Polls the driver once, as the runtime would after a wake.
    fn poll_drive(&self) {
        self.wakes.woken.store(false, Ordering::SeqCst);
        let waker = Waker::from(Arc::clone(&self.wakes));
        let mut drive = self.drive.borrow_mut();
        let Some(driven) = drive.as_mut() else { return };
        match Pin::new(driven).poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => {}
            // It was detached.
            Poll::Ready(Ok(())) => *drive = None,
            Poll::Ready(Err(error)) => panic!("the driver failed: {error}"),
        }
    }
}

impl hosted::Driver for Driver {
    fn detach(&self) {
        self.detach();
    }

    fn set_budget(&self, iterations: NonZeroU32) {
        self.set_budget(iterations);
    }
}
