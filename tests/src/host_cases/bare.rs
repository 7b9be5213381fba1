//! The smallest edge-triggered host there can be, to put faults into.

use std::mem;
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use virt_event_conformance::fixtures::{EventFd, eventfd};
use virt_event_examples::Failure;
use virt_event_examples::host_loop::{HostLoop, Stopper};
use virt_event_reactor::{Attachment, NotDrained, Reactor, TurnError};

use super::{Detach, Host, Own, Panics, Program};

/// A host over nothing but epoll, with a fault or without.
#[derive(Clone, Copy, Debug)]
pub struct Bare(Option<Fault>);

/// `faults! { Variant: "name", "what is wrong, after 'one that'"; … }`
macro_rules! faults {
    ($($(#[$doc:meta])* $variant:ident: $name:literal, $what:literal;)+) => {
        /// What may be wrong with a host.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Fault {
            $(#[doc = concat!("One that ", $what, ".")] $variant,)+
        }

        impl Fault {
            /// It, in a word.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What is wrong with a host that has it.
            pub fn what(self) -> &'static str {
                match self { $(Self::$variant => $what,)+ }
            }
        }

        impl Bare {
            /// The host with this fault.
            pub fn broken(fault: Fault) -> &'static Self {
                match fault { $(Fault::$variant => &Self(Some(Fault::$variant)),)+ }
            }
        }
    };
}

faults! {
    ForgetsPending: "forgets_pending", "waits for an edge although a turn was pending";
    TurnsOn: "turns_on", "takes turns for as long as one is pending";
    OwnFirst: "own_first", "serves the reactor only when nothing else is ready";
    Polls: "polls", "looks every few seconds instead of watching the descriptor";
    Spins: "spins", "asks again and again instead of sleeping";
    LeavesWhenTurnedAway: "leaves_when_turned_away", "takes a turn without iterations for the end";
    Elsewhere: "elsewhere", "drives a reactor of its own making";
    MissesFirst: "misses_first", "does not look at what was ready when it was attached";
    KeepsOld: "keeps_old", "goes on with the driver that was detached";
    Leaks: "leaks", "does not let go of the reactor when it is dropped";
    FreesOnDrop: "frees_on_drop", "takes a last turn when it is dropped";
    RemovesInChild: "removes_in_child", "leaves its epoll set when it is dropped, whatever the process";
    DrainsNothing: "drains_nothing", "does not drain, and says that it did";
    StopsAtPanic: "stops_at_panic", "waits for an edge after a panic that it caught";
    LeavesAtPanic: "leaves_at_panic", "lets go of the reactor when a callback panics";
}

impl Bare {
    /// The host without a fault.
    pub const RIGHT: Self = Self(None);
}

impl Host for Bare {
    fn name(&self) -> &'static str {
        self.0.map_or("bare", Fault::name)
    }

    fn install(&self) -> Result<Box<dyn HostLoop>, Failure> {
        self.attach(&virt_event_libvirt::installed_or_install(Reactor::new)?)
    }

    fn attach(&self, reactor: &Arc<Reactor>) -> Result<Box<dyn HostLoop>, Failure> {
        let mut bare = BareLoop::new(self.0);
        drop(bare.attach(reactor)?);
        Ok(Box::new(bare))
    }

    fn program(&self) -> Box<dyn Program> {
        Box::new(BareLoop::new(self.0))
    }

    fn panics(&self) -> Panics {
        Panics::AreCaught
    }
}

const STOP: u64 = 0;
const OWN: u64 = 1;
const LIBVIRT: u64 = 2;

/// How often one looks that does not watch: not within the patience with a
/// mutant.
const INTERVAL: Timespec = Timespec {
    tv_sec: 2,
    tv_nsec: 0,
};

struct BareLoop {
    fault: Option<Fault>,
    set: OwnedFd,
    stop: Arc<EventFd>,
    own: Option<(Own, EventFd)>,
    attachment: Option<Attachment>,
    /// A turn is due without a new edge.
    pending: bool,
    /// No edge of the present attachment was seen yet.
    first: bool,
}

impl BareLoop {
    fn new(fault: Option<Fault>) -> Self {
        let set = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll set");
        let stop = Arc::new(eventfd());
        let data = epoll::EventData::new_u64(STOP);
        epoll::add(&set, &*stop, data, epoll::EventFlags::IN).expect("room in the set");
        Self {
            fault,
            set,
            stop,
            own: None,
            attachment: None,
            pending: false,
            first: true,
        }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn attached(&self) -> &Attachment {
        self.attachment.as_ref().expect("attach comes first")
    }

    /// Takes the turns that are due.
    fn turns(&mut self) -> Result<(), Failure> {
        self.turn()?;
        while self.pending && self.has(Fault::TurnsOn) {
            self.turn()?;
        }
        Ok(())
    }

    fn turn(&mut self) -> Result<(), Failure> {
        let Some(attachment) = &self.attachment else {
            self.pending = false;
            return Ok(());
        };
        let turn = || attachment.turn(Some(Duration::ZERO));
        match catch_unwind(AssertUnwindSafe(turn)) {
            Ok(Ok(turn)) if turn.iterations == 0 && self.has(Fault::LeavesWhenTurnedAway) => {
                self.let_go();
            }
            Ok(Ok(turn)) => {
                self.pending = turn.pending && !self.has(Fault::ForgetsPending);
            }
            Ok(Err(TurnError::Detached)) => self.let_go(),
            Ok(Err(error)) => return Err(error.into()),
            Err(panic) => {
                mem::forget(panic);
                self.pending = !self.has(Fault::StopsAtPanic);
                if self.has(Fault::LeavesAtPanic) {
                    self.let_go();
                }
            }
        }
        Ok(())
    }

    fn let_go(&mut self) {
        self.pending = false;
        let Some(attachment) = self.attachment.take() else {
            return;
        };
        let forked = attachment.driver().reactor().is_forked();
        if !forked || self.has(Fault::RemovesInChild) {
            // One that polls has never put it in.
            let _ = epoll::delete(&self.set, &attachment);
        }
    }

    fn wait(&self, events: &mut Vec<epoll::Event>) -> Result<(), Failure> {
        let timeout = match self.pending || self.has(Fault::Spins) {
            true => Some(Timespec::default()),
            false => self.has(Fault::Polls).then_some(INTERVAL),
        };
        events.clear();
        match epoll::wait(&self.set, spare_capacity(events), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Program for BareLoop {
    fn attach(&mut self, reactor: &Arc<Reactor>) -> Result<Detach, Failure> {
        let elsewhere;
        let reactor = if self.has(Fault::Elsewhere) {
            elsewhere = Reactor::new()?;
            &elsewhere
        } else {
            reactor
        };
        if self.attachment.is_none() || !self.has(Fault::KeepsOld) {
            self.let_go();
            let attachment = reactor.attach()?;
            if !self.has(Fault::Polls) {
                let data = epoll::EventData::new_u64(LIBVIRT);
                let edges = epoll::EventFlags::IN | epoll::EventFlags::ET;
                epoll::add(&self.set, &attachment, data, edges)?;
            }
            // One iteration, so that there is often something pending.
            attachment.driver().set_budget(NonZeroU32::MIN);
            self.attachment = Some(attachment);
            self.first = true;
        }
        let driver = self.attached().driver().clone();
        Ok(Box::new(move || driver.detach()))
    }

    fn add_sources(&mut self, _: &Arc<Reactor>) -> Vec<Own> {
        let own = Own::always_ready("a descriptor");
        let source = eventfd();
        source.kick();
        let data = epoll::EventData::new_u64(OWN);
        epoll::add(&self.set, &source, data, epoll::EventFlags::IN).expect("room in the set");
        self.own = Some((own.clone(), source));
        vec![own]
    }

    fn run(&mut self) -> Result<(), Failure> {
        let mut events = Vec::with_capacity(4);
        loop {
            self.wait(&mut events)?;
            self.pending |= self.has(Fault::Polls);
            let mut own_ready = false;
            for event in &events {
                match event.data.u64() {
                    STOP => {
                        self.stop.take();
                        return Ok(());
                    }
                    OWN => {
                        own_ready = true;
                        self.own.iter().for_each(|(own, _)| own.serve());
                    }
                    _ if self.first && self.has(Fault::MissesFirst) => self.first = false,
                    _ => self.pending = true,
                }
            }
            if self.pending && !(own_ready && self.has(Fault::OwnFirst)) {
                self.turns()?;
            }
        }
    }

    fn stopper(&self) -> Stopper {
        let stop = Arc::clone(&self.stop);
        Box::new(move || stop.kick())
    }
}

impl HostLoop for BareLoop {
    fn run(&mut self) -> Result<(), Failure> {
        Program::run(self)
    }

    fn stopper(&self) -> Stopper {
        Program::stopper(self)
    }

    fn drain(&mut self, limit: Duration) -> Result<(), NotDrained> {
        if self.has(Fault::DrainsNothing) {
            return Ok(());
        }
        self.attached().driver().drain(limit)
    }

    fn detach(&self) {
        self.attached().driver().detach();
    }

    fn reactor(&self) -> Arc<Reactor> {
        Arc::clone(self.attached().driver().reactor())
    }
}

impl Drop for BareLoop {
    fn drop(&mut self) {
        if self.has(Fault::Leaks) {
            mem::forget(self.attachment.take());
        } else if self.has(Fault::FreesOnDrop) && self.attachment.is_some() {
            let _ = self.turn();
        }
        self.let_go();
    }
}
