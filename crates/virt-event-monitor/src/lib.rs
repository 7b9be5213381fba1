//! Typed, safe subscriptions to what [libvirt](https://libvirt.org) reports, and
//! console streams, on whatever event loop the program runs.
//!
//! The bindings in the [`virt`] crate open connections and start domains, but
//! cannot subscribe to any event, and their stream callback is unsound. This
//! crate is what is missing: a [`Monitor`] on a `virt` connection delivers every
//! kind of event that libvirt 9.0 has, as owned data, to a callback or to an
//! async stream. When the connection dies, a stream says why and ends, and closures
//! that wait for it are called. A [`StreamWatch`] is a
//! data stream, such as a guest's console, on the loop.
//!
//! # What it is not
//!
//! It contains no event loop. Install one of the family first (or any other:
//! libvirt's own will do), before the connection is opened. It makes no calls
//! for you either: what is not an event or a data stream is `virt`'s.
//!
//! # Example
//!
//! With tokio, and likewise with any executor:
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use virt::connect::Connect;
//! use virt_event_monitor::Monitor;
//!
//! let driver = virt_event_tokio::install()?; // once, before connecting
//! let connection = tokio::task::spawn_blocking(|| Connect::open(Some("qemu:///system"))).await??;
//! let mut events = Monitor::new(&connection)?.lifecycle()?;
//! while let Some(event) = events.next().await {
//!     println!("{}", event?); // guest: started (booted)
//! }
//! drop(events);
//! drop(connection);
//! driver.drain(Duration::from_secs(5)).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Or with a callback, which runs on the loop's thread, and so must not block
//! (keepalive waits for it):
//!
//! ```no_run
//! # fn example(monitor: &virt_event_monitor::Monitor, domain: &virt::domain::Domain) -> Result<(), virt_event_monitor::Error> {
//! use virt_event_monitor::domain::{Lifecycle, LifecycleChange};
//!
//! let subscription = monitor.subscribe::<Lifecycle>().of(domain).callback(|event| {
//!     if let LifecycleChange::Stopped(why) = event.change {
//!         println!("{} stopped: {why}", event.domain.name);
//!     }
//! })?;
//! let ended = monitor.on_close(|reason| println!("the host is gone: {reason}"));
//! # drop((subscription, ended));
//! # Ok(())
//! # }
//! ```
//!
//! # The traps
//!
//! - **A connection stays open as long as anything holds it**: a `Domain`, a
//!   `Monitor`, a `Subscription`, an `Events`, a `StreamWatch`. Drop them before
//!   you drain the loop. An event holds nothing: it names the domain.
//! - **Subscribing, and dropping a subscription, are calls to the host**, and may
//!   block: on the loop's thread for ever, if the host is frozen. How long, and
//!   what to do, is said on [`Subscription`].
//! - **One [`Monitor`] for the life of a connection.** Clone it; do not make a
//!   second one when the first is gone.
//! - **A host that dies without a word** is noticed only with
//!   `Connect::set_keep_alive`, and then only while the loop runs.
//! - **An event is history.** When it arrives, the domain may have changed again;
//!   ask libvirt for the state, and let events say when to ask.
//!
//! # Map
//!
//! | libvirt | here |
//! |---|---|
//! | `virConnectDomainEventRegisterAny` and those of networks, storage pools, node devices and secrets | [`Monitor::subscribe`], [`Monitor::subscribe_any`] |
//! | `…EventDeregisterAny` | dropping a [`Subscription`] or [`Events`] |
//! | `virConnectRegisterCloseCallback` | [`Monitor::on_close`], [`Monitor::closed`], [`StreamError::Closed`] |
//! | `virStreamEventAddCallback`, `…UpdateCallback`, `…RemoveCallback` | [`StreamWatch::new`], [`StreamHandle::set_interest`], dropping the watch |
//! | `virStreamSend`, `virStreamRecv` | [`StreamHandle::send`], [`StreamHandle::recv`] |
//! | `virStreamFinish`, `virStreamAbort` | [`StreamWatch::finish`], [`StreamWatch::abort`] |
//!
//! Subscriptions to the same events of one connection share one registration
//! with libvirt, which takes no second one.
//!
//! # Events
#![doc = include_str!("../docs/events.md")]
//!
//! # Versions and features
//!
//! | this crate | `virt` | libvirt |
//! |---|---|---|
//! | 0.1 | 0.5 | 6.0 or newer, as `virt` asks; events up to 9.0 |
//!
//! `virt` is a public dependency and is re-exported, and so is `virt_event`.
//! `virt` 0.5 is LGPL-2.1 and asks for `libc` 0.2.183 exactly. A libvirt that is
//! older than an event refuses the subscription to it; a number that is newer
//! than this crate is kept as `Unknown`.
//!
//! - `serde` (off by default): `Serialize` and `Deserialize` for every event.
//!
//! # For the curious
//!
//! libvirt frees a callback's data, and calls a connection's close callback,
//! with locks of its own held. So no code of yours runs or is dropped there: it
//! goes to the loop, as a one-shot timer. And whether libvirt frees at all is not
//! to be relied on (9.0 does not for a stream over a socket, and may twice after a
//! refusal), so it is given keys instead of pointers. All unsafe code is in
//! `src/ffi`. In a child process that was forked, whatever came from a monitor is
//! leaked when it is dropped, and errors when it is used.

#![deny(unsafe_code)]

/// The README, so that its example compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

mod close;
mod error;
mod event;
mod events;
mod fan;
mod ffi;
mod monitor;
mod owner;
mod queue;
mod serial;
mod stream_watch;
mod subscribe;
mod subscription;

pub use virt;
pub use virt_event;

pub use crate::close::{CloseReason, CloseSubscription, Closed};
pub use crate::error::{Error, StreamError};
pub use crate::event::domain::DomainIdentity;
pub use crate::event::network::NetworkIdentity;
pub use crate::event::node_device::NodeDeviceIdentity;
pub use crate::event::secret::{SecretIdentity, SecretUsageType};
pub use crate::event::storage_pool::StoragePoolIdentity;
pub use crate::event::{
    AnyEvent, Event, EventKind, ObjectKind, TypedEvent, domain, network, node_device, secret,
    storage_pool,
};
pub use crate::events::Events;
pub use crate::ffi::Object;
pub use crate::monitor::Monitor;
pub use crate::stream_watch::{StreamEvents, StreamHandle, StreamWatch};
pub use crate::subscribe::{DEFAULT_CAPACITY, Subscribe};
pub use crate::subscription::Subscription;
