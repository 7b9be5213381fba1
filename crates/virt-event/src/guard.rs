use std::fmt;
use std::mem;
use std::os::fd::{AsFd, AsRawFd};

use crate::slot::installed;
use crate::{
    Error, HandleCallback, HandleEvents, Period, Rejected, TimeoutCallback, TimerId, WatchId,
};

/// Watches a descriptor of your own on the loop that libvirt uses.
///
/// The returned [`Watch`] owns `source` and ends the watch when it is dropped,
/// before `source` closes. The callback runs on the loop's thread, in every
/// iteration in which the descriptor is ready; it **must not** block, because
/// libvirt's keepalive answers wait behind it.
///
/// To use the source in the callback as well, share it:
///
/// ```no_run
/// use std::io::Read;
/// use std::os::unix::net::UnixStream;
/// use std::sync::Arc;
/// use virt_event::HandleEvents;
///
/// let (ours, _theirs) = UnixStream::pair()?;
/// ours.set_nonblocking(true)?;
/// let ours = Arc::new(ours);
/// let reader = Arc::clone(&ours);
/// let watch = virt_event::add_handle(ours, HandleEvents::READABLE, move |_events| {
///     let mut buffer = [0; 512];
///     match (&*reader).read(&mut buffer) {
///         Ok(0) => { /* closed: remove the watch, or this is called for ever */ }
///         Ok(n) => println!("{n} bytes"),
///         Err(error) => eprintln!("{error}"),
///     }
/// })?;
/// # drop(watch);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// - [`Error::NotInstalled`] before a loop is installed.
/// - [`Error::Descriptor`] if the descriptor cannot be watched.
/// - Whatever the installed loop reports.
///
/// With any of them `source` and `callback` are dropped; pass an
/// `Arc` to keep the source.
#[doc(alias = "virEventAddHandle")]
pub fn add_handle<S: AsFd + 'static>(
    source: S,
    events: HandleEvents,
    mut callback: impl FnMut(HandleEvents) + Send + 'static,
) -> Result<Watch<S>, Error> {
    let implementation = installed().ok_or(Error::NotInstalled)?;
    let fd = source.as_fd().as_raw_fd();
    let callback = HandleCallback::new(move |_, _, events| callback(events));
    let id = implementation.add_handle(fd, events, callback)?;
    Ok(Watch {
        registration: HandleRegistration(id),
        source,
    })
}

/// Starts a timer of your own on the loop that libvirt uses.
///
/// `callback` runs on the loop's thread about every `period` until the
/// returned [`Timer`] is dropped; see [`Period`] for *never* and *in every
/// iteration*. It **must not** block, because libvirt's keepalive answers wait
/// behind it.
///
/// ```no_run
/// use std::time::Duration;
///
/// let timer = virt_event::add_timeout(Duration::from_secs(1), || println!("tick"))?;
/// # drop(timer);
/// # Ok::<(), virt_event::Error>(())
/// ```
///
/// # Errors
///
/// - [`Error::NotInstalled`] before a loop is installed.
/// - Whatever the installed loop reports.
///
/// With any of them `callback` is dropped.
#[doc(alias = "virEventAddTimeout")]
pub fn add_timeout(
    period: impl Into<Period>,
    mut callback: impl FnMut() + Send + 'static,
) -> Result<Timer, Error> {
    let implementation = installed().ok_or(Error::NotInstalled)?;
    let callback = TimeoutCallback::new(move |_| callback());
    let id = implementation.add_timeout(period.into(), callback)?;
    Ok(Timer(TimerRegistration(id)))
}

/// A watched descriptor of your own. Dropping it ends the watch and then
/// closes what it owns; the callback is freed a little later, by the loop.
///
/// May be dropped on any thread, also inside its own callback.
#[must_use = "dropping a Watch ends it at once"]
pub struct Watch<S> {
    // The order matters: the watch ends before the source closes.
    registration: HandleRegistration,
    source: S,
}

impl<S> Watch<S> {
    /// The id that libvirt's functions know this watch by.
    pub fn id(&self) -> WatchId {
        self.registration.0
    }

    /// What is being watched.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// Asks for other events from now on; the empty set parks the watch.
    #[doc(alias = "virEventUpdateHandle")]
    pub fn update(&self, events: HandleEvents) {
        if let Some(implementation) = installed() {
            implementation.update_handle(self.id(), events);
        }
    }

    /// Ends the watch and gives the source back, still open.
    ///
    /// # Errors
    ///
    /// - [`Error::Forked`] in a child process, with the source.
    #[doc(alias = "virEventRemoveHandle")]
    pub fn remove(self) -> Result<S, Rejected<S>> {
        let Self {
            registration,
            source,
        } = self;
        match registration.remove() {
            Ok(()) => Ok(source),
            Err(error) => Err(Rejected::new(error, source)),
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for Watch<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("id", &self.id())
            .field("source", &self.source)
            .finish()
    }
}

/// A timer of your own. Dropping it ends the timer; the callback is freed a
/// little later, by the loop.
///
/// May be dropped on any thread, also inside its own callback.
#[derive(Debug)]
#[must_use = "dropping a Timer ends it at once"]
pub struct Timer(TimerRegistration);

impl Timer {
    /// The id that libvirt's functions know this timer by.
    pub fn id(&self) -> TimerId {
        self.0.0
    }

    /// Sets another period, counted from now;
    /// [`Period::DISABLED`] stops the timer until the next update.
    #[doc(alias = "virEventUpdateTimeout")]
    pub fn update(&self, period: impl Into<Period>) {
        if let Some(implementation) = installed() {
            implementation.update_timeout(self.id(), period.into());
        }
    }

    /// Ends the timer.
    ///
    /// # Errors
    ///
    /// - [`Error::Forked`] in a child process.
    #[doc(alias = "virEventRemoveTimeout")]
    pub fn remove(self) -> Result<(), Error> {
        self.0.remove()
    }
}

#[derive(Debug)]
struct HandleRegistration(WatchId);

impl HandleRegistration {
    fn remove(self) -> Result<(), Error> {
        let id = self.0;
        mem::forget(self);
        installed().ok_or(Error::NotInstalled)?.remove_handle(id)
    }
}

impl Drop for HandleRegistration {
    fn drop(&mut self) {
        if let Some(implementation) = installed() {
            // It fails only in a forked child, whose watches are not its own.
            let _ = implementation.remove_handle(self.0);
        }
    }
}

#[derive(Debug)]
struct TimerRegistration(TimerId);

impl TimerRegistration {
    fn remove(self) -> Result<(), Error> {
        let id = self.0;
        mem::forget(self);
        installed().ok_or(Error::NotInstalled)?.remove_timeout(id)
    }
}

impl Drop for TimerRegistration {
    fn drop(&mut self) {
        if let Some(implementation) = installed() {
            // It fails only in a forked child, whose timers are not its own.
            let _ = implementation.remove_timeout(self.0);
        }
    }
}
