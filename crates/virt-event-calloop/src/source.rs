use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use calloop::generic::Generic;
use calloop::{EventSource, Interest, Mode, Poll, PostAction, Readiness, Token, TokenFactory};
use virt_event_reactor::{Attachment, Driver, Reactor, TurnError};

use crate::AttachError;

/// libvirt's events as an event source of calloop.
///
/// [`attach`](crate::attach) and [`install`](crate::install) make one and
/// insert it. A program makes its own to have the token of the insertion, with
/// which it removes, disables and enables the source, or to be called with its
/// `&mut Data`: the event `()` comes after each turn in which callbacks may
/// have run.
///
/// ```
/// use std::time::Duration;
///
/// use virt_event_calloop::calloop::EventLoop;
/// use virt_event_calloop::{Reactor, Source};
///
/// let mut event_loop = EventLoop::<u32>::try_new()?;
/// let source = Source::new(&Reactor::new()?)?;
/// let driver = source.driver().clone();
/// let token = event_loop
///     .handle()
///     .insert_source(source, |(), _, turns| *turns += 1)?;
///
/// driver.wake();
/// let mut turns = 0;
/// event_loop.dispatch(Duration::from_secs(10), &mut turns)?;
/// assert_eq!(turns, 1);
///
/// event_loop.handle().remove(token); // drops the source, which detaches
/// assert!(!driver.is_attached());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// While it is disabled, or not inserted, nobody runs libvirt's callbacks.
/// Dropping it, by removing it or with the event loop, detaches: another driver
/// may be attached.
#[derive(Debug)]
#[must_use = "a source that is not inserted drives nothing"]
pub struct Source(
    /// Always there, until the source is dropped.
    Option<Generic<Attachment>>,
);

impl Source {
    /// A source to insert into an event loop. It drives the reactor from now
    /// on: nobody else can.
    ///
    /// # Errors
    ///
    /// - [`AttachError::Reactor`] if the reactor has a driver, or belongs to
    ///   the parent of this process, or this process has no descriptor left.
    pub fn new(reactor: &Arc<Reactor>) -> Result<Self, AttachError> {
        let generic = Generic::new(reactor.attach()?, Interest::READ, Mode::Level);
        Ok(Self(Some(generic)))
    }

    /// What to keep elsewhere: detach, drain, statistics, the budget.
    pub fn driver(&self) -> &Driver {
        let generic = self.0.as_ref().expect(NOT_DROPPED);
        generic.get_ref().driver()
    }

    fn generic(&mut self) -> &mut Generic<Attachment> {
        self.0.as_mut().expect(NOT_DROPPED)
    }

    fn is_forked(&self) -> bool {
        self.driver().reactor().is_forked()
    }

    /// The kernel's set of a forked child is its parent's, too.
    fn not_in_a_fork(&self) -> io::Result<()> {
        if self.is_forked() {
            return Err(io::Error::other(TurnError::Forked));
        }
        Ok(())
    }
}

const NOT_DROPPED: &str = "only drop takes it";

impl Drop for Source {
    /// A forked child must leave it in the kernel's set, which is the parent's,
    /// too.
    fn drop(&mut self) {
        if self.is_forked() {
            mem::forget(self.0.take());
        }
    }
}

impl EventSource for Source {
    type Event = ();
    type Metadata = ();
    type Ret = ();
    type Error = io::Error;

    fn process_events<F>(
        &mut self,
        readiness: Readiness,
        token: Token,
        mut callback: F,
    ) -> io::Result<PostAction>
    where
        F: FnMut((), &mut ()),
    {
        self.generic()
            .process_events(readiness, token, |_, attachment| {
                let turned = match catch_unwind(AssertUnwindSafe(|| {
                    attachment.turn(Some(Duration::ZERO))
                })) {
                    Ok(turned) => turned,
                    // The panic hook has reported it, and the reactor is
                    // consistent (C8). What it carries may panic, too.
                    Err(panic) => {
                        mem::forget(panic);
                        callback((), &mut ());
                        return Ok(PostAction::Continue);
                    }
                };
                match turned {
                    Ok(turn) => {
                        if turn.iterations > 0 {
                            callback((), &mut ());
                        }
                        Ok(PostAction::Continue)
                    }
                    Err(TurnError::Busy) => Ok(PostAction::Continue),
                    Err(TurnError::Detached) => Ok(PostAction::Remove),
                    Err(TurnError::Io(error)) => Err(error),
                    Err(error) => Err(io::Error::other(error)),
                }
            })
    }

    fn register(&mut self, poll: &mut Poll, factory: &mut TokenFactory) -> calloop::Result<()> {
        self.not_in_a_fork()?;
        self.generic().register(poll, factory)
    }

    fn reregister(&mut self, poll: &mut Poll, factory: &mut TokenFactory) -> calloop::Result<()> {
        self.not_in_a_fork()?;
        self.generic().reregister(poll, factory)
    }

    fn unregister(&mut self, poll: &mut Poll) -> calloop::Result<()> {
        if self.is_forked() {
            return Ok(());
        }
        self.generic().unregister(poll)
    }
}
