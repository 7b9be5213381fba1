//! A connection's events.

use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use virt::connect::Connect;
use virt::error::ErrorNumber;

use crate::CloseReason;
use crate::close::{CloseSubscription, Closed, Listeners};
use crate::error::Error;
use crate::event::{AnyEvent, EventKind, TypedEvent, domain};
use crate::events::Events;
use crate::fan::Fans;
use crate::ffi::{CloseSlot, address, loop_is_installed};
use crate::owner::Owner;
use crate::subscribe::Subscribe;

/// Subscribes to what a connection reports.
///
/// One for each connection, to be cloned where it is needed: it takes the one
/// close callback that libvirt has room for, and shares it among all its
/// subscribers. **Keep it as long as the connection.** When the last of it goes
/// while events are coming in, libvirt (9.0) may report nothing more to a second
/// monitor on that connection; open another connection instead of making one.
/// (On drivers inside this process, such as `test:///default`, that is true of
/// the last monitor in the process.)
///
/// A monitor and whatever comes from it hold a reference on the connection,
/// which stays open until all of them are dropped. The last one to be dropped
/// gives the callbacks back, which are calls to the host: see
/// [`Subscription`](crate::Subscription) on how long they may block.
///
/// Any thread may use it. Callbacks run on the loop's thread.
#[derive(Clone)]
pub struct Monitor {
    hub: Arc<Hub>,
}

impl Monitor {
    /// The monitor of `connection`. This is a call to the host and may block,
    /// as every call of libvirt's.
    ///
    /// The loop has to be installed *before the connection is opened*. libvirt
    /// gives no way to find out whether it was; a connection that is older than
    /// the loop reports nothing, unless its driver runs inside this process.
    ///
    /// # Errors
    ///
    /// - [`Error::NotInstalled`] if libvirt has no loop.
    /// - [`Error::AlreadyMonitored`] if the connection has a monitor.
    /// - [`Error::CloseCallbackTaken`] if other code listens for its end.
    /// - [`Error::Libvirt`] if the connection is lost.
    #[doc(alias = "virConnectRegisterCloseCallback")]
    pub fn new(connection: &Connect) -> Result<Self, Error> {
        if !loop_is_installed() {
            return Err(Error::NotInstalled);
        }
        let monitored = Monitored::begin(connection).ok_or(Error::AlreadyMonitored)?;
        let listeners = Arc::new(Listeners::default());
        let slot = match CloseSlot::take(connection, listeners.clone()) {
            Ok(slot) => slot,
            // libvirt says the same of a connection that is lost.
            Err(error)
                if error.code().is(ErrorNumber::OperationInvalid)
                    && connection.is_alive().unwrap_or(false) =>
            {
                return Err(Error::CloseCallbackTaken);
            }
            Err(source) => {
                return Err(Error::Libvirt {
                    attempt: "listen for the end of the connection",
                    source,
                });
            }
        };
        Ok(Self {
            hub: Arc::new(Hub {
                slot: Some(slot),
                monitored: Some(monitored),
                listeners,
                fans: Fans::default(),
                connection: connection.clone(),
                owner: Owner::current(),
            }),
        })
    }

    /// The connection that this monitors.
    pub fn connection(&self) -> &Connect {
        &self.hub.connection
    }

    /// The life of every domain, as a stream: short for
    /// `subscribe::<domain::Lifecycle>().stream()`.
    ///
    /// # Errors
    ///
    /// - Those of [`Subscribe::stream`].
    pub fn lifecycle(&self) -> Result<Events<domain::Lifecycle>, Error> {
        self.subscribe().stream()
    }

    /// Begins a subscription to one type of event. Nothing happens until it is
    /// ended with [`stream`](Subscribe::stream) or
    /// [`callback`](Subscribe::callback).
    ///
    /// ```no_run
    /// # fn f(monitor: &virt_event_monitor::Monitor) -> Result<(), virt_event_monitor::Error> {
    /// use virt_event_monitor::domain::Reboot;
    ///
    /// let reboots = monitor
    ///     .subscribe::<Reboot>()
    ///     .callback(|event| println!("{}", event.domain.name))?;
    /// # drop(reboots);
    /// # Ok(())
    /// # }
    /// ```
    pub fn subscribe<E: TypedEvent>(&self) -> Subscribe<'_, E> {
        Subscribe::typed(&self.hub)
    }

    /// Begins a subscription to several kinds of events at once, chosen when
    /// the program runs. One that the connection does not report is an error,
    /// and then nothing is subscribed to; to take what there is, subscribe to
    /// each kind by itself.
    pub fn subscribe_any(
        &self,
        kinds: impl IntoIterator<Item = EventKind>,
    ) -> Subscribe<'_, AnyEvent> {
        Subscribe::any(&self.hub, kinds)
    }

    /// Calls `closure` on the loop's thread once the connection is closed by
    /// anything but this program; soon, if it is closed already. That is after
    /// every event that had arrived before.
    ///
    /// Drivers that run inside this process (`test:///…`, `qemu:///embed`)
    /// never close a connection; libvirt accepts the registration all the same.
    ///
    /// Several may listen. Dropping what this returns calls it off.
    pub fn on_close(
        &self,
        closure: impl FnOnce(CloseReason) + Send + 'static,
    ) -> CloseSubscription {
        CloseSubscription::new(&self.hub, closure)
    }

    /// Ready once the connection is closed, as [`on_close`](Self::on_close).
    pub fn closed(&self) -> Closed {
        Closed::new(&self.hub)
    }

    /// Why the connection is closed, if it is and the loop has been told.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.hub.listeners.reason()
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor")
            .field("connection", &self.hub.connection)
            .field("close_reason", &self.close_reason())
            .finish_non_exhaustive()
    }
}

/// What a monitor, its clones and its subscriptions share.
pub(crate) struct Hub {
    /// `None` once it is given up.
    slot: Option<CloseSlot>,
    /// `None` at the end.
    monitored: Option<Monitored>,
    listeners: Arc<Listeners>,
    fans: Fans,
    connection: Connect,
    owner: Owner,
}

impl Hub {
    pub(crate) fn connection(&self) -> &Connect {
        &self.connection
    }

    pub(crate) fn owner(&self) -> Owner {
        self.owner
    }

    pub(crate) fn fans(&self) -> &Fans {
        &self.fans
    }

    pub(crate) fn listeners(&self) -> &Listeners {
        &self.listeners
    }
}

/// The connections that have a monitor, by their addresses: the drivers in this
/// process would let a second one begin and then refuse its subscriptions.
static MONITORED: Mutex<Vec<usize>> = Mutex::new(Vec::new());

/// A place in [`MONITORED`]; the connection has to outlive it.
struct Monitored(usize);

impl Monitored {
    /// `None` if the connection has a monitor.
    fn begin(connection: &Connect) -> Option<Self> {
        let address = address(connection);
        let mut monitored = Self::lock();
        if monitored.contains(&address) {
            return None;
        }
        monitored.push(address);
        Some(Self(address))
    }

    fn lock() -> MutexGuard<'static, Vec<usize>> {
        MONITORED.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Monitored {
    fn drop(&mut self) {
        Self::lock().retain(|address| *address != self.0);
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if self.owner.is_parent() {
            mem::forget(self.slot.take());
            mem::forget(self.monitored.take());
            mem::forget(mem::take(&mut self.fans));
            mem::forget(Arc::clone(&self.listeners));
            // With one reference too many it is not closed.
            mem::forget(self.connection.clone());
            return;
        }
        self.fans.clear(&self.connection);
        match self.slot.take() {
            Some(slot) if self.listeners.reason().is_none() => slot.release(&self.connection),
            // libvirt has called us, and has given it up by itself.
            _ => {}
        }
    }
}
