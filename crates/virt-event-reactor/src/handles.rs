use std::collections::VecDeque;
use std::os::fd::RawFd;

use slab::Slab;
use virt_event::{HandleCallback, HandleEvents, WatchId};

use crate::id_map::{IdMap, IdSource, Slot, index, slot};
use crate::interest::{union, wanted};
use crate::stale::StaleEvents;
use crate::sys::{Errno, Events, FileId, Interest, Poller, Source};

/// The watches, the descriptors they are on, and what the kernel was told.
///
/// Several watches may be on one descriptor; the kernel knows each descriptor
/// once. Every change of interest goes through [`sync`](Self::sync); only
/// [`enrol`](Self::enrol) widens what the kernel is asked for besides, for a new
/// watch.
pub(crate) struct Handles {
    by_id: IdMap<WatchId, Slot>,
    watches: Slab<Watch>,
    descriptors: IdMap<RawFd, Descriptor>,
    ids: IdSource,
    /// The generation of the newest descriptor; never 0 in the table.
    generation: u32,
    /// Descriptors that epoll refuses and `poll(2)` calls always ready.
    always_ready: Vec<(RawFd, FileId)>,
    /// Events of descriptors that are gone.
    stale: StaleEvents,
}

struct Watch {
    id: WatchId,
    fd: RawFd,
    interest: HandleEvents,
    /// The descriptor it is on; [`ORPHAN`] once that was found to be closed
    /// and its number to belong to somebody else.
    generation: u32,
    /// The next watch on the same descriptor.
    next: Option<Slot>,
    /// `None` while it runs.
    callback: Option<HandleCallback>,
    /// It runs, and a nested turn has begun since: the kernel is not to
    /// report it until the call returns (contract C7).
    suspended: bool,
    slow_reported: bool,
}

const ORPHAN: u32 = 0;

struct Descriptor {
    /// Tells this descriptor from earlier ones with the same number.
    generation: u32,
    /// The first watch on it.
    first: Slot,
    kernel: Kernel,
}

/// What the kernel's set holds for a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kernel {
    /// The descriptor, watched for these events, or parked.
    In(Interest),
    /// Nothing, because epoll refuses such files: see `always_ready`.
    AlwaysReady,
    /// Nothing, because it was closed.
    Closed,
}

/// What fetched events call for.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) kick: bool,
    pub(crate) alarm: bool,
    /// A stale event that was seen twice, for a report.
    pub(crate) duplicate: Option<RawFd>,
}

/// One call that an iteration owes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    slot: Slot,
    /// The watch, and not another one that has its slot.
    watch: WatchId,
    /// The descriptor that was ready, not another one that has its number.
    generation: u32,
    events: HandleEvents,
}

/// A call in progress; goes back with [`Handles::put_back`].
pub(crate) struct Call {
    slot: Slot,
    pub(crate) watch: WatchId,
    pub(crate) fd: RawFd,
    pub(crate) events: HandleEvents,
    pub(crate) callback: HandleCallback,
}

/// A change that the kernel refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused {
    pub(crate) fd: RawFd,
    pub(crate) error: Errno,
}

/// Why an add failed.
pub(crate) enum AddError {
    Descriptor(Errno),
    IdsExhausted,
}

impl Handles {
    pub(crate) fn new(first_id: i32) -> Self {
        Self {
            by_id: IdMap::default(),
            watches: Slab::new(),
            descriptors: IdMap::default(),
            ids: IdSource::starting_at(first_id),
            generation: ORPHAN,
            always_ready: Vec::new(),
            stale: StaleEvents::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.watches.len()
    }

    /// How many descriptors one fetch may find ready.
    pub(crate) fn descriptors(&self) -> usize {
        self.descriptors.len()
    }

    /// Each watch with its descriptor and interest.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (WatchId, RawFd, HandleEvents)> {
        self.watches
            .iter()
            .map(|(_, watch)| (watch.id, watch.fd, watch.interest))
    }

    /// Registers a watch, unless the kernel refuses the descriptor.
    pub(crate) fn add(
        &mut self,
        poller: &Poller,
        fd: RawFd,
        interest: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, (AddError, HandleCallback)> {
        let Some(id) = self.ids.next(&self.by_id, WatchId::new) else {
            return Err((AddError::IdsExhausted, callback));
        };
        let slot = slot(self.watches.vacant_key());
        let joined = match self.enrol(poller, fd, wanted(interest), slot) {
            Ok(joined) => joined,
            Err(errno) => return Err((AddError::Descriptor(errno), callback)),
        };
        let (generation, next) = joined;
        self.watches.insert(Watch {
            id,
            fd,
            interest,
            generation,
            next,
            callback: Some(callback),
            suspended: false,
            slow_reported: false,
        });
        self.by_id.insert(id, slot);
        Ok(id)
    }

    /// Changes the interest.
    pub(crate) fn update(
        &mut self,
        poller: &Poller,
        id: WatchId,
        interest: HandleEvents,
    ) -> Result<(), Refused> {
        let Some(&slot) = self.by_id.get(&id) else {
            return Ok(());
        };
        let watch = &mut self.watches[index(slot)];
        watch.interest = interest;
        let (fd, generation) = (watch.fd, watch.generation);
        self.sync(poller, fd, generation)
    }

    /// Forgets a watch. `None` if there is none; the callback is missing
    /// while it runs.
    pub(crate) fn remove(
        &mut self,
        poller: &Poller,
        id: WatchId,
    ) -> Option<Option<HandleCallback>> {
        let slot = self.by_id.remove(&id)?;
        let watch = self.watches.remove(index(slot));
        if watch.generation != ORPHAN {
            self.unlink(poller, slot, &watch);
        }
        Some(watch.callback)
    }

    /// Whether a watch wants something of a descriptor that is always ready:
    /// the kernel does not wake the loop for it.
    pub(crate) fn is_always_ready(&self, id: WatchId) -> bool {
        if self.always_ready.is_empty() {
            return false;
        }
        self.by_id.get(&id).is_some_and(|&slot| {
            let watch = &self.watches[index(slot)];
            watch.always_ready_for() != NOTHING
                && self.descriptors.get(&watch.fd).is_some_and(|descriptor| {
                    descriptor.generation == watch.generation
                        && descriptor.kernel == Kernel::AlwaysReady
                })
        })
    }

    /// Whether a descriptor that is always ready has something to report.
    pub(crate) fn always_ready_work(&self) -> bool {
        self.always_ready.iter().any(|&(fd, _)| {
            self.on_descriptor(fd)
                .any(|(_, watch)| watch.callback.is_some() && watch.always_ready_for() != NOTHING)
        })
    }

    /// Turns fetched events into the calls that they call for.
    pub(crate) fn resolve(
        &mut self,
        poller: &Poller,
        events: &Events,
        calls: &mut VecDeque<Ready>,
    ) -> Found {
        let mut found = Found::default();
        for (source, ready) in events.iter() {
            let (fd, generation) = match source {
                Source::Descriptor { fd, generation } => (fd, generation),
                Source::Alarm => {
                    found.alarm = true;
                    continue;
                }
                Source::Kick => {
                    found.kick = true;
                    continue;
                }
            };
            match self.descriptors.get(&fd) {
                Some(descriptor)
                    if descriptor.generation == generation
                        && descriptor.kernel != Kernel::Closed =>
                {
                    for (slot, watch) in self.chain(Some(descriptor.first)) {
                        watch.owe(slot, watch.deliverable(ready), calls);
                    }
                }
                _ if found.duplicate.is_none() && self.stale.note(source) => {
                    found.duplicate = Some(fd);
                }
                _ => {}
            }
        }
        if !self.always_ready.is_empty() {
            self.resolve_always_ready(poller, calls);
        }
        found
    }

    /// Begins a call, if it is still owed: the watch may have been removed or
    /// changed since its event was fetched (contract C4, H4).
    pub(crate) fn take(&mut self, ready: Ready) -> Option<Call> {
        let watch = self.watches.get_mut(index(ready.slot))?;
        let events = watch.deliverable(ready.events);
        let is_same = watch.id == ready.watch && watch.generation == ready.generation;
        if events == NOTHING || !is_same {
            return None;
        }
        Some(Call {
            slot: ready.slot,
            watch: ready.watch,
            fd: watch.fd,
            events,
            callback: watch.callback.take()?,
        })
    }

    /// Ends a call. The callback comes back if the watch was removed
    /// meanwhile: it is to be freed.
    pub(crate) fn put_back(
        &mut self,
        poller: &Poller,
        call: Call,
    ) -> (Result<(), Refused>, Option<HandleCallback>) {
        let watch = match self.watches.get_mut(index(call.slot)) {
            // One with a callback is another watch, which got the same id.
            Some(watch) if watch.id == call.watch && watch.callback.is_none() => watch,
            _ => return (Ok(()), Some(call.callback)),
        };
        watch.callback = Some(call.callback);
        if !watch.suspended {
            return (Ok(()), None);
        }
        watch.suspended = false;
        let (fd, generation) = (watch.fd, watch.generation);
        (self.sync(poller, fd, generation), None)
    }

    /// Keeps the kernel from reporting a running watch until its call returns,
    /// because a nested turn begins.
    pub(crate) fn suspend(&mut self, poller: &Poller, id: WatchId) -> Result<(), Refused> {
        let Some(&slot) = self.by_id.get(&id) else {
            return Ok(());
        };
        let watch = &mut self.watches[index(slot)];
        watch.suspended = true;
        let (fd, generation) = (watch.fd, watch.generation);
        self.sync(poller, fd, generation)
    }

    /// Whether this is the first slow call of the watch.
    pub(crate) fn first_slow_call(&mut self, id: WatchId) -> bool {
        self.by_id.get(&id).is_none_or(|&slot| {
            let reported = &mut self.watches[index(slot)].slow_reported;
            !std::mem::replace(reported, true)
        })
    }

    /// Whether a turn would act on an event from there.
    pub(crate) fn would_call(&self, source: Source) -> bool {
        match source {
            Source::Descriptor { fd, generation } => {
                self.descriptors.get(&fd).is_some_and(|descriptor| {
                    descriptor.generation == generation
                        && matches!(descriptor.kernel, Kernel::In(Some(_)))
                })
            }
            Source::Alarm | Source::Kick => false,
        }
    }

    /// Every callback, for when the reactor is dropped.
    pub(crate) fn take_callbacks(&mut self) -> impl Iterator<Item = HandleCallback> {
        self.by_id.clear();
        std::mem::take(&mut self.watches)
            .into_iter()
            .filter_map(|(_, watch)| watch.callback)
    }

    /// Makes the kernel watch `fd` for `interest` as well, and puts the watch
    /// at `slot` at the head of those on it. Returns the descriptor's generation
    /// and the watch that was at the head.
    ///
    /// The number may stand for another file than the watches on it think:
    /// libvirt closes descriptors that are watched. Where the kernel's answer
    /// shows that, those watches are orphaned (contract H8).
    fn enrol(
        &mut self,
        poller: &Poller,
        fd: RawFd,
        interest: Interest,
        slot: Slot,
    ) -> Result<(u32, Option<Slot>), Errno> {
        let fresh = self.generation.wrapping_add(1).max(1);
        let known = self
            .descriptors
            .get(&fd)
            .map(|descriptor| (descriptor.generation, descriptor.kernel));

        let (kernel, same_file) = match known {
            // Widening what is there proves that it is the same file.
            Some((generation, Kernel::In(old))) => {
                let both = union(old, interest);
                match poller.modify(fd, generation, both) {
                    Ok(()) => (Kernel::In(both), true),
                    Err(Errno::NOENT | Errno::PERM) => {
                        (self.admit(poller, fd, fresh, interest)?, false)
                    }
                    Err(errno) => return Err(errno),
                }
            }
            Some((_, Kernel::AlwaysReady)) => {
                let before = self.always_ready_file(fd);
                let kernel = self.admit(poller, fd, fresh, interest)?;
                let same = kernel == Kernel::AlwaysReady && before == self.always_ready_file(fd);
                (kernel, same)
            }
            Some((_, Kernel::Closed)) | None => (self.admit(poller, fd, fresh, interest)?, false),
        };

        match self.descriptors.get_mut(&fd) {
            Some(descriptor) if same_file => {
                descriptor.kernel = kernel;
                let next = std::mem::replace(&mut descriptor.first, slot);
                Ok((descriptor.generation, Some(next)))
            }
            _ => {
                self.orphan(fd);
                self.generation = fresh;
                self.descriptors.insert(
                    fd,
                    Descriptor {
                        generation: fresh,
                        first: slot,
                        kernel,
                    },
                );
                if kernel != Kernel::AlwaysReady {
                    self.always_ready.retain(|&(other, _)| other != fd);
                }
                Ok((fresh, None))
            }
        }
    }

    /// Puts a descriptor into the kernel's set; without interest too, so that
    /// the kernel says whether it would take it (contract H4).
    fn admit(
        &mut self,
        poller: &Poller,
        fd: RawFd,
        generation: u32,
        interest: Interest,
    ) -> Result<Kernel, Errno> {
        let added = match poller.add(fd, generation, interest) {
            // A leftover of an earlier descriptor with this number, whose
            // file came back to it through `dup2`.
            Err(Errno::EXIST) => poller.modify(fd, generation, interest),
            added => added,
        };
        match added {
            Ok(()) => Ok(Kernel::In(interest)),
            // Regular files and the like (contract H6).
            Err(Errno::PERM) => {
                let file = poller.file_id(fd)?;
                self.always_ready.retain(|&(other, _)| other != fd);
                self.always_ready.push((fd, file));
                Ok(Kernel::AlwaysReady)
            }
            Err(errno) => Err(errno),
        }
    }

    /// Makes the kernel's set agree with what the watches on a descriptor
    /// want, with the one system call that it takes, or none.
    ///
    /// That call changes what is in the set. Nothing is put in again, so there
    /// is nothing that the kernel could lack memory for (contract H10).
    fn sync(&mut self, poller: &Poller, fd: RawFd, generation: u32) -> Result<(), Refused> {
        let Some(descriptor) = self.descriptors.get_mut(&fd) else {
            return Ok(());
        };
        // An orphan's number belongs to somebody else now.
        if descriptor.generation != generation {
            return Ok(());
        }
        let Kernel::In(old) = descriptor.kernel else {
            return Ok(());
        };
        let mut new = None;
        for (_, watch) in chain(&self.watches, Some(descriptor.first)) {
            if !watch.suspended {
                new = union(new, wanted(watch.interest));
            }
        }
        if new == old {
            return Ok(());
        }
        match poller.modify(fd, generation, new) {
            Ok(()) => descriptor.kernel = Kernel::In(new),
            // Closed, and perhaps open again as another file, or as the set.
            Err(Errno::BADF | Errno::NOENT | Errno::PERM | Errno::INVAL) => {
                descriptor.kernel = Kernel::Closed;
            }
            Err(error) => return Err(Refused { fd, error }),
        }
        Ok(())
    }

    /// The watches on a descriptor.
    fn on_descriptor(&self, fd: RawFd) -> impl Iterator<Item = (Slot, &Watch)> {
        self.chain(self.descriptors.get(&fd).map(|descriptor| descriptor.first))
    }

    /// A watch and those after it on the same descriptor.
    fn chain(&self, first: Option<Slot>) -> impl Iterator<Item = (Slot, &Watch)> {
        chain(&self.watches, first)
    }

    /// Takes a removed watch off its descriptor, and the descriptor out of
    /// the kernel's set if it was the last.
    fn unlink(&mut self, poller: &Poller, slot: Slot, watch: &Watch) {
        let fd = watch.fd;
        let Some(descriptor) = self.descriptors.get_mut(&fd) else {
            return;
        };
        if descriptor.first == slot {
            match watch.next {
                Some(next) => descriptor.first = next,
                None => {
                    if let Kernel::In(_) = descriptor.kernel {
                        // It fails if the descriptor was closed, and then the
                        // kernel has forgotten it by itself.
                        let _ = poller.delete(fd);
                    }
                    self.descriptors.remove(&fd);
                    self.always_ready.retain(|&(other, _)| other != fd);
                    return;
                }
            }
        } else {
            let before = self
                .on_descriptor(fd)
                .find(|(_, other)| other.next == Some(slot))
                .map(|(before, _)| before);
            if let Some(before) = before {
                self.watches[index(before)].next = watch.next;
            }
        }
        // What is reported too much concerns no watch.
        let _ = self.sync(poller, fd, watch.generation);
    }

    /// Cuts the watches on a number loose, because the number stands for
    /// another file now. They keep their ids and hear nothing more.
    fn orphan(&mut self, fd: RawFd) {
        let mut next = self.descriptors.get(&fd).map(|descriptor| descriptor.first);
        while let Some(slot) = next {
            let watch = &mut self.watches[index(slot)];
            watch.generation = ORPHAN;
            next = watch.next.take();
        }
    }

    fn always_ready_file(&self, fd: RawFd) -> Option<FileId> {
        self.always_ready
            .iter()
            .find(|&&(other, _)| other == fd)
            .map(|&(_, file)| file)
    }

    /// Adds the calls for descriptors that are always ready; parks those that
    /// were closed.
    fn resolve_always_ready(&mut self, poller: &Poller, calls: &mut VecDeque<Ready>) {
        let mut always_ready = std::mem::take(&mut self.always_ready);
        always_ready.retain(|&(fd, file)| {
            let is_wanted = self
                .on_descriptor(fd)
                .any(|(_, watch)| watch.always_ready_for() != NOTHING);
            if !is_wanted {
                return true;
            }
            if poller.file_id(fd) != Ok(file) {
                if let Some(descriptor) = self.descriptors.get_mut(&fd) {
                    descriptor.kernel = Kernel::Closed;
                }
                return false;
            }
            for (slot, watch) in self.on_descriptor(fd) {
                watch.owe(slot, watch.always_ready_for(), calls);
            }
            true
        });
        self.always_ready = always_ready;
    }
}

const NOTHING: HandleEvents = HandleEvents::empty();

/// A watch and those after it on the same descriptor.
fn chain(watches: &Slab<Watch>, mut next: Option<Slot>) -> impl Iterator<Item = (Slot, &Watch)> {
    std::iter::from_fn(move || {
        let slot = next?;
        let watch = watches.get(index(slot))?;
        next = watch.next;
        Some((slot, watch))
    })
}

impl Watch {
    /// What of `ready` the callback is to hear: what it asked for, and errors
    /// and hang-ups while it asked for anything (contract H2).
    fn deliverable(&self, ready: HandleEvents) -> HandleEvents {
        if self.interest == NOTHING {
            return NOTHING;
        }
        ready & (self.interest | HandleEvents::ERROR | HandleEvents::HANGUP)
    }

    /// Adds a call with these events, if there are any, unless it runs.
    fn owe(&self, slot: Slot, events: HandleEvents, calls: &mut VecDeque<Ready>) {
        if events != NOTHING && self.callback.is_some() {
            calls.push_back(Ready {
                slot,
                watch: self.id,
                generation: self.generation,
                events,
            });
        }
    }

    fn always_ready_for(&self) -> HandleEvents {
        self.interest & (HandleEvents::READABLE | HandleEvents::WRITABLE)
    }
}
