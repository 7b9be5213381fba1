//! Broken subjects for the cases in `cases/callbacks_nested.rs`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use virt_event::{EventImpl, HandleEvents, Period};

use super::tamper::{Asked, Corpse, Tamper, lock};
use crate::entry::Entry;
use crate::{Config, Factory, Subject};

/// How many nested turns are under way, and how many there were.
#[derive(Clone, Default)]
struct Nesting(Arc<Counts>);

#[derive(Default)]
struct Counts {
    depth: AtomicUsize,
    total: AtomicUsize,
}

impl Nesting {
    fn depth(&self) -> usize {
        self.0.depth.load(Ordering::Relaxed)
    }

    fn total(&self) -> usize {
        self.0.total.load(Ordering::Relaxed)
    }

    /// A fault that counts nested turns, of which it makes only those up to
    /// `deepest`.
    fn tamper(&self, deepest: usize) -> Tamper {
        let nesting = self.clone();
        Tamper::new().nested_turn(move |subject| {
            let nested = subject.nested_turn();
            let nesting = nesting.clone();
            Box::new(move || {
                let counts = &*nesting.0;
                counts.total.fetch_add(1, Ordering::Relaxed);
                if counts.depth.fetch_add(1, Ordering::Relaxed) < deepest {
                    nested();
                }
                counts.depth.fetch_sub(1, Ordering::Relaxed);
            })
        })
    }
}

/// The type of a Rust callback forbids to enter it twice; a loop that tries
/// fails on the spot.
pub(crate) fn enters_the_running(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let tamper = Tamper::new();
    let bodies = tamper.bodies();
    tamper
        .nested_turn(move |subject| {
            let nested = subject.nested_turn();
            let bodies = Arc::clone(&bodies);
            Box::new(move || {
                let running = bodies.live().iter().any(|body| body.is_running());
                assert!(!running, "the loop enters a callback that runs");
                nested();
            })
        })
        .make(factory, config)
}

/// Taking the running watch out is the first thing that a nested turn does.
pub(crate) fn leaves_the_running_armed(factory: Factory, config: &Config) -> Box<dyn Subject> {
    no_nested_turn(factory, config)
}

pub(crate) fn no_nested_turn(factory: Factory, config: &Config) -> Box<dyn Subject> {
    Nesting::default().tamper(0).make(factory, config)
}

pub(crate) fn one_deep(factory: Factory, config: &Config) -> Box<dyn Subject> {
    Nesting::default().tamper(1).make(factory, config)
}

pub(crate) fn skips_the_running_fd(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let tamper = Tamper::new();
    let bodies = tamper.bodies();
    tamper
        .call(move |site, call| {
            let fd = site.body.fd();
            let taken = bodies
                .live()
                .iter()
                .any(|body| body.is_running() && body.fd() == fd);
            if !taken || fd < 0 {
                call();
            }
        })
        .make(factory, config)
}

pub(crate) fn no_frees_in_nested_turns(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let nesting = Nesting::default();
    let graveyard: Arc<Mutex<Vec<Corpse>>> = Arc::default();
    let corpses = Arc::clone(&graveyard);
    nesting
        .tamper(usize::MAX)
        .free(move |corpse| {
            if nesting.depth() > 0 {
                lock(&corpses).push(corpse);
            }
        })
        .turn(move |subject, timeout| {
            subject.turn(timeout);
            let corpses = std::mem::take(&mut *lock(&graveyard));
            drop(corpses);
        })
        .make(factory, config)
}

pub(crate) fn stays_parked(factory: Factory, config: &Config) -> Box<dyn Subject> {
    after_nested_turns(|inner, entry, _| match entry {
        Entry::Watch(watch) => inner.update_handle(watch, HandleEvents::empty()),
        Entry::Timer(timer) => inner.update_timeout(timer, Period::DISABLED),
    })
    .make(factory, config)
}

pub(crate) fn restores_the_old_interest(factory: Factory, config: &Config) -> Box<dyn Subject> {
    after_nested_turns(|inner, entry, before| match (entry, before) {
        (Entry::Watch(watch), Asked::Events(events)) => inner.update_handle(watch, events),
        (Entry::Timer(timer), Asked::Period(period)) => inner.update_timeout(timer, period),
        _ => unreachable!("a watch asks for events, a timer for a period"),
    })
    .make(factory, config)
}

/// Does something to each entry around whose call there was a nested turn; it
/// gets what that asked for before the call.
fn after_nested_turns(
    act: impl Fn(&dyn EventImpl, Entry, Asked) + Send + Sync + 'static,
) -> Tamper {
    let nesting = Nesting::default();
    nesting.tamper(usize::MAX).call(move |site, call| {
        let (asked, total) = (site.body.asked(), nesting.total());
        call();
        if nesting.total() > total {
            act(&*site.inner, site.entry, asked);
        }
    })
}

pub(crate) fn delivers_stale_events(factory: Factory, config: &Config) -> Box<dyn Subject> {
    let nesting = Nesting::default();
    let stale = Arc::new(Mutex::new(Vec::new()));
    let delivered = Arc::clone(&stale);
    nesting
        .tamper(usize::MAX)
        .call(move |site, call| {
            call();
            if nesting.depth() > 0 {
                lock(&stale).push((Arc::clone(site.body), site.events));
            }
        })
        .turn(move |subject, timeout| {
            subject.turn(timeout);
            let stale = std::mem::take(&mut *lock(&delivered));
            for (body, events) in stale {
                body.call(events);
            }
        })
        .make(factory, config)
}
