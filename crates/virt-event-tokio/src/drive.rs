use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;
use virt_event_reactor::{Attachment, Reactor, TurnError};

use crate::async_fd::register;
use crate::{AttachError, Driver};

/// The driver as a future.
#[must_use = "a future does nothing unless it is polled"]
pub struct Drive {
    driver: Driver,
    turns: Pin<Box<dyn Future<Output = Result<(), TurnError>> + Send>>,
}

impl Drive {
    /// On the current runtime.
    pub fn new(reactor: &Arc<Reactor>) -> Result<Self, AttachError> {
        let handle = Handle::try_current().map_err(|_| AttachError::NoRuntime)?;
        Self::on(reactor, &handle)
    }

    pub(crate) fn on(reactor: &Arc<Reactor>, handle: &Handle) -> Result<Self, AttachError> {
        let attachment = reactor.attach()?;
        let driver = Driver::new(attachment.driver().clone());
        let watched = register(attachment, handle)?;
        Ok(Self {
            driver,
            turns: Box::pin(turns(watched)),
        })
    }

    /// What to keep elsewhere: detach, drain, statistics, the budget.
    pub fn driver(&self) -> &Driver {
        &self.driver
    }
}

async fn turns(watched: AsyncFd<Attachment>) -> Result<(), TurnError> {
    loop {
        let mut guard = watched.readable().await?;
        match watched.get_ref().turn(Some(Duration::ZERO)) {
            Ok(turn) if turn.pending => {
                drop(guard);
                // It resumes after tokio has looked for IO of the others.
                tokio::task::yield_now().await;
            }
            Ok(_) => guard.clear_ready(),
            Err(TurnError::Detached) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

impl Future for Drive {
    type Output = Result<(), TurnError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.turns.as_mut().poll(cx)
    }
}

impl fmt::Debug for Drive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drive")
            .field("driver", &self.driver)
            .finish_non_exhaustive()
    }
}
