//! What runs libvirt's callbacks, on threads of its own.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Error, Result, bail};
use scaling::Sharded;
use virt_event::{EventImpl, Period, TimeoutCallback};
use virt_event_libvirt::{LibvirtImpl, default_loop};
use virt_event_loop::EventLoop;

use crate::clock;

/// Which loop, or loops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The built-in loop on one thread, as shipped.
    Builtin,
    /// The prototype with so many reactors.
    Sharded(u16),
    /// libvirt's own.
    LibvirtDefault,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builtin => f.write_str("builtin"),
            Self::Sharded(reactors) => write!(f, "sharded-{reactors}"),
            Self::LibvirtDefault => f.write_str("libvirt-default"),
        }
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Ok(match (name, name.strip_prefix("sharded-")) {
            ("builtin", _) => Self::Builtin,
            ("libvirt-default", _) => Self::LibvirtDefault,
            (_, Some(reactors)) => Self::Sharded(reactors.parse()?),
            _ => bail!("there is no loop {name}"),
        })
    }
}

/// The loops of this process, which run until it ends.
pub(crate) struct Loops {
    /// Where there are several.
    sharded: Option<Arc<Sharded>>,
    /// All of them, by libvirt's public functions.
    pub(crate) events: LibvirtImpl,
}

impl Loops {
    /// Gives libvirt these, and starts their threads.
    pub(crate) fn run(kind: Kind) -> Result<Self> {
        let mut sharded = None;
        match kind {
            Kind::Builtin => {
                let thread = EventLoop::install()?.spawn()?;
                Box::leak(Box::new(thread));
            }
            Kind::Sharded(reactors) => {
                let it = Sharded::new(reactors)?;
                virt_event_libvirt::install(Arc::clone(&it)).map_err(|it| it.error)?;
                for shard in 0..it.reactors().len() {
                    Box::leak(Box::new(it.spawn(shard)?));
                }
                sharded = Some(it);
            }
            Kind::LibvirtDefault => {
                default_loop::register()?;
                thread::spawn(|| {
                    loop {
                        default_loop::run_once().expect("libvirt's own loop runs");
                    }
                });
            }
        }
        let events = LibvirtImpl::registered().context("nothing is registered")?;
        Ok(Self { sharded, events })
    }

    /// How many threads run callbacks.
    pub(crate) fn len(&self) -> usize {
        self.sharded.as_ref().map_or(1, |it| it.reactors().len())
    }

    /// Runs `act`, whose adds go to the loop with this index, counted round.
    pub(crate) fn on<R>(&self, at: usize, act: impl FnOnce() -> R) -> R {
        match &self.sharded {
            Some(sharded) => sharded.on(at % sharded.reactors().len(), act),
            None => act(),
        }
    }

    /// Stops all loops, each in the middle of a callback, and tells the
    /// processor time of their threads.
    pub(crate) fn rest(&self) -> Result<Resting> {
        let (mut times, mut go_on) = (Vec::new(), Vec::new());
        for at in 0..self.len() {
            let (rests, resting) = channel();
            let (go, goes) = channel::<()>();
            let events = self.events;
            let callback = TimeoutCallback::new(move |timer| {
                // It was there until now, and its owner is gone if nobody hears.
                let _ = events.remove_timeout(timer);
                let _ = rests.send(clock::of_thread());
                // Until the other end is dropped.
                let _ = goes.recv();
            });
            self.on(at, || events.add_timeout(Period::EVERY_ITERATION, callback))
                .map_err(virt_event::Error::from)?;
            go_on.push(go);
            times.push(resting);
        }
        let times = times.iter().map(|it| it.recv());
        Ok(Resting {
            times: times
                .collect::<Result<_, _>>()
                .context("a loop has ended")?,
            _go_on: go_on,
        })
    }

    /// The processor time of the threads.
    pub(crate) fn times(&self) -> Result<Vec<Duration>> {
        Ok(self.rest()?.times)
    }

    /// The processor time of all threads.
    pub(crate) fn time(&self) -> Result<Duration> {
        Ok(self.times()?.iter().sum())
    }
}

/// Loops that rest until this is dropped.
#[must_use = "they go on when it is dropped"]
pub(crate) struct Resting {
    times: Vec<Duration>,
    _go_on: Vec<Sender<()>>,
}

impl Resting {
    /// The processor time of all threads until now.
    pub(crate) fn time(&self) -> Duration {
        self.times.iter().sum()
    }
}
