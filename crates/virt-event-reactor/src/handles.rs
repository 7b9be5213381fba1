use std::collections::VecDeque;
use std::os::fd::RawFd;

use virt_event::{HandleCallback, HandleEvents, WatchId};

use crate::id_map::{IdMap, IdSource};
use crate::stale::StaleEvents;
use crate::sys::{Errno, Events, FileId, Poller, Source};

/// The watches, the descriptors they are on, and what the kernel was told.
///
/// Several watches may be on one descriptor; the kernel knows each descriptor
/// once. Every change goes through [`sync`](Self::sync), the only place that
/// narrows or widens what the kernel is asked for.
pub(crate) struct Handles {
    watches: IdMap<WatchId, Watch>,
    descriptors: IdMap<RawFd, Descriptor>,
    ids: IdSource,
    /// The generation of the newest descriptor; never 0 in the table.
    generation: u32,
    /// Descriptors that epoll refuses and `poll(2)` calls always ready.
    always_ready: Vec<(RawFd, FileId)>,
    /// Descriptors whose last change the kernel refused for lack of memory.
    retry: Vec<RawFd>,
    /// Events of descriptors that are gone.
    stale: StaleEvents,
}

struct Watch {
    fd: RawFd,
    interest: HandleEvents,
    /// The descriptor it is on; [`ORPHAN`] once that was found to be closed
    /// and its number to belong to somebody else.
    generation: u32,
    /// The next watch on the same descriptor.
    next: Option<WatchId>,
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
    first: WatchId,
    kernel: Kernel,
}

/// What the kernel's set holds for a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kernel {
    /// Nothing, because nobody is interested.
    Out,
    /// The descriptor, watched for these events.
    In(HandleEvents),
    /// Nothing, because epoll refuses such files: see `always_ready`.
    AlwaysReady,
    /// Nothing, because it was closed.
    Closed,
}

/// One call that an iteration owes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    watch: WatchId,
    /// The descriptor that was ready, not another one that has its number.
    generation: u32,
    events: HandleEvents,
}

/// A call in progress; goes back with [`Handles::put_back`].
pub(crate) struct Call {
    pub(crate) watch: WatchId,
    pub(crate) fd: RawFd,
    pub(crate) events: HandleEvents,
    pub(crate) callback: HandleCallback,
}

/// A change that the kernel refused; it is tried again.
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
            watches: IdMap::default(),
            descriptors: IdMap::default(),
            ids: IdSource::starting_at(first_id),
            generation: ORPHAN,
            always_ready: Vec::new(),
            retry: Vec::new(),
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
            .map(|(&id, watch)| (id, watch.fd, watch.interest))
    }

    /// Registers a watch, unless the kernel refuses the descriptor.
    pub(crate) fn add(
        &mut self,
        poller: &Poller,
        fd: RawFd,
        interest: HandleEvents,
        callback: HandleCallback,
    ) -> Result<WatchId, (AddError, HandleCallback)> {
        let Some(id) = self.ids.next(&self.watches, WatchId::new) else {
            return Err((AddError::IdsExhausted, callback));
        };
        let joined = match self.enrol(poller, fd, interest, id) {
            Ok(joined) => joined,
            Err(errno) => return Err((AddError::Descriptor(errno), callback)),
        };
        let (generation, next) = joined;
        self.watches.insert(
            id,
            Watch {
                fd,
                interest,
                generation,
                next,
                callback: Some(callback),
                suspended: false,
                slow_reported: false,
            },
        );
        Ok(id)
    }

    /// Changes the interest. The kernel may refuse for lack of memory; the
    /// change is then tried again in every turn.
    pub(crate) fn update(
        &mut self,
        poller: &Poller,
        id: WatchId,
        interest: HandleEvents,
    ) -> Result<(), Refused> {
        let Some(watch) = self.watches.get_mut(&id) else {
            return Ok(());
        };
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
        let watch = self.watches.remove(&id)?;
        if watch.generation != ORPHAN {
            self.unlink(poller, id, &watch);
        }
        Some(watch.callback)
    }

    /// Whether a watch wants something of a descriptor that is always ready:
    /// the kernel does not wake the loop for it.
    pub(crate) fn is_always_ready(&self, id: WatchId) -> bool {
        self.watches.get(&id).is_some_and(|watch| {
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

    /// Turns fetched events into the calls that they call for. Returns a
    /// stale event that was seen twice, for a report.
    pub(crate) fn resolve(
        &mut self,
        poller: &Poller,
        events: &Events,
        calls: &mut VecDeque<Ready>,
    ) -> Option<RawFd> {
        let mut report = None;
        for (source, ready) in events.iter() {
            let Source::Descriptor { fd, generation } = source else {
                continue;
            };
            match self.descriptors.get(&fd) {
                Some(descriptor)
                    if descriptor.generation == generation
                        && descriptor.kernel != Kernel::Closed =>
                {
                    for (id, watch) in self.chain(Some(descriptor.first)) {
                        watch.owe(id, watch.deliverable(ready), calls);
                    }
                }
                _ if report.is_none() && self.stale.note(source) => report = Some(fd),
                _ => {}
            }
        }
        if !self.always_ready.is_empty() {
            self.resolve_always_ready(poller, calls);
        }
        report
    }

    /// Begins a call, if it is still owed: the watch may have been removed or
    /// changed since its event was fetched (contract C4, H4).
    pub(crate) fn take(&mut self, ready: Ready) -> Option<Call> {
        let watch = self.watches.get_mut(&ready.watch)?;
        let events = watch.deliverable(ready.events);
        if events == NOTHING || watch.generation != ready.generation {
            return None;
        }
        Some(Call {
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
        id: WatchId,
        callback: HandleCallback,
    ) -> (Result<(), Refused>, Option<HandleCallback>) {
        let watch = match self.watches.get_mut(&id) {
            // One with a callback is another watch, which got the same id.
            Some(watch) if watch.callback.is_none() => watch,
            _ => return (Ok(()), Some(callback)),
        };
        watch.callback = Some(callback);
        if !watch.suspended {
            return (Ok(()), None);
        }
        watch.suspended = false;
        let (fd, generation) = (watch.fd, watch.generation);
        (self.sync(poller, fd, generation), None)
    }

    /// Takes a running watch out of the kernel's set until its call returns,
    /// because a nested turn begins.
    pub(crate) fn suspend(&mut self, poller: &Poller, id: WatchId) -> Result<(), Refused> {
        let Some(watch) = self.watches.get_mut(&id) else {
            return Ok(());
        };
        watch.suspended = true;
        let (fd, generation) = (watch.fd, watch.generation);
        self.sync(poller, fd, generation)
    }

    /// Whether this is the first slow call of the watch.
    pub(crate) fn first_slow_call(&mut self, id: WatchId) -> bool {
        self.watches
            .get_mut(&id)
            .is_none_or(|watch| !std::mem::replace(&mut watch.slow_reported, true))
    }

    /// Whether the kernel owes us a change.
    pub(crate) fn wants_retry(&self) -> bool {
        !self.retry.is_empty()
    }

    /// Tries the refused changes again.
    pub(crate) fn retry(&mut self, poller: &Poller) {
        for fd in std::mem::take(&mut self.retry) {
            if let Some(descriptor) = self.descriptors.get(&fd) {
                // It was reported the first time, and is noted again.
                let _ = self.sync(poller, fd, descriptor.generation);
            }
        }
    }

    /// Whether a turn would act on an event from there.
    pub(crate) fn would_call(&self, source: Source) -> bool {
        match source {
            Source::Descriptor { fd, generation } => {
                self.descriptors.get(&fd).is_some_and(|descriptor| {
                    descriptor.generation == generation
                        && matches!(descriptor.kernel, Kernel::In(_))
                })
            }
            Source::Alarm | Source::Kick => false,
        }
    }

    /// Every callback, for when the reactor is dropped.
    pub(crate) fn take_callbacks(&mut self) -> impl Iterator<Item = HandleCallback> {
        std::mem::take(&mut self.watches)
            .into_values()
            .filter_map(|watch| watch.callback)
    }

    /// Makes the kernel watch `fd` for `interest` as well, and puts `id` at
    /// the head of the watches on it. Returns the descriptor's generation and
    /// the watch that was at the head.
    ///
    /// The number may stand for another file than the watches on it think:
    /// libvirt closes descriptors that are watched. Where the kernel's answer
    /// shows that, those watches are orphaned (contract H8).
    fn enrol(
        &mut self,
        poller: &Poller,
        fd: RawFd,
        interest: HandleEvents,
        id: WatchId,
    ) -> Result<(u32, Option<WatchId>), Errno> {
        let fresh = self.generation.wrapping_add(1).max(1);
        let known = self
            .descriptors
            .get(&fd)
            .map(|descriptor| (descriptor.generation, descriptor.kernel));

        let (kernel, same_file) = match known {
            // Widening what is there proves that it is the same file.
            Some((generation, Kernel::In(old))) => {
                match poller.modify(fd, generation, old | interest) {
                    Ok(()) => (Kernel::In(old | interest), true),
                    Err(Errno::NOENT | Errno::PERM) => {
                        (self.admit(poller, fd, fresh, interest)?, false)
                    }
                    Err(errno) => return Err(errno),
                }
            }
            // Parked: it cannot be told whether it is the same file, unless
            // it has become one that epoll refuses.
            Some((generation, Kernel::Out)) => {
                let kernel = self.admit(poller, fd, generation, interest)?;
                (kernel, kernel != Kernel::AlwaysReady)
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
                let next = std::mem::replace(&mut descriptor.first, id);
                Ok((descriptor.generation, Some(next)))
            }
            _ => {
                self.orphan(fd);
                self.generation = fresh;
                self.descriptors.insert(
                    fd,
                    Descriptor {
                        generation: fresh,
                        first: id,
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

    /// Puts a descriptor into the kernel's set; without interest only to see
    /// whether the kernel would take it (contract H4).
    fn admit(
        &mut self,
        poller: &Poller,
        fd: RawFd,
        generation: u32,
        interest: HandleEvents,
    ) -> Result<Kernel, Errno> {
        let added = match poller.add(fd, generation, interest) {
            // A leftover of an earlier descriptor with this number, whose
            // file came back to it through `dup2`.
            Err(Errno::EXIST) => poller.modify(fd, generation, interest),
            added => added,
        };
        match added {
            Ok(()) if interest == NOTHING => {
                poller.delete(fd)?;
                Ok(Kernel::Out)
            }
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
    fn sync(&mut self, poller: &Poller, fd: RawFd, generation: u32) -> Result<(), Refused> {
        let Some(descriptor) = self.descriptors.get(&fd) else {
            return Ok(());
        };
        // An orphan's number belongs to somebody else now.
        if descriptor.generation != generation {
            return Ok(());
        }
        let wanted = self.wanted(fd);
        let result = match (descriptor.kernel, wanted) {
            (Kernel::AlwaysReady | Kernel::Closed, _) | (Kernel::Out, None) => return Ok(()),
            (Kernel::In(old), Some(new)) if old == new => return Ok(()),
            (Kernel::In(_), Some(new)) => {
                poller.modify(fd, generation, new).map(|()| Kernel::In(new))
            }
            (Kernel::In(_), None) => poller.delete(fd).map(|()| Kernel::Out),
            (Kernel::Out, Some(new)) => self.admit(poller, fd, generation, new),
        };
        let (kernel, refused) = match result {
            Ok(kernel) => (kernel, Ok(())),
            // Closed, and perhaps open again as another file.
            Err(Errno::BADF | Errno::NOENT | Errno::PERM) => (Kernel::Closed, Ok(())),
            Err(error) => {
                if !self.retry.contains(&fd) {
                    self.retry.push(fd);
                }
                return Err(Refused { fd, error });
            }
        };
        if let Some(descriptor) = self.descriptors.get_mut(&fd) {
            descriptor.kernel = kernel;
        }
        refused
    }

    /// What all watches on a descriptor want together; `None` if nothing.
    fn wanted(&self, fd: RawFd) -> Option<HandleEvents> {
        let mut wanted = None;
        for (_, watch) in self.on_descriptor(fd) {
            if !watch.suspended && watch.interest != NOTHING {
                *wanted.get_or_insert(NOTHING) |= watch.interest;
            }
        }
        wanted
    }

    /// The watches on a descriptor.
    fn on_descriptor(&self, fd: RawFd) -> impl Iterator<Item = (WatchId, &Watch)> {
        self.chain(self.descriptors.get(&fd).map(|descriptor| descriptor.first))
    }

    /// A watch and those after it on the same descriptor.
    fn chain(&self, mut next: Option<WatchId>) -> impl Iterator<Item = (WatchId, &Watch)> {
        std::iter::from_fn(move || {
            let id = next?;
            let watch = self.watches.get(&id)?;
            next = watch.next;
            Some((id, watch))
        })
    }

    /// Takes a removed watch off its descriptor, and the descriptor out of
    /// the kernel's set if it was the last.
    fn unlink(&mut self, poller: &Poller, id: WatchId, watch: &Watch) {
        let fd = watch.fd;
        let Some(descriptor) = self.descriptors.get_mut(&fd) else {
            return;
        };
        if descriptor.first == id {
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
                    self.retry.retain(|&other| other != fd);
                    return;
                }
            }
        } else {
            let before = self
                .on_descriptor(fd)
                .find(|(_, other)| other.next == Some(id))
                .map(|(before, _)| before);
            if let Some(before) = before.and_then(|before| self.watches.get_mut(&before)) {
                before.next = watch.next;
            }
        }
        // A refusal is noted for the next turn.
        let _ = self.sync(poller, fd, watch.generation);
    }

    /// Cuts the watches on a number loose, because the number stands for
    /// another file now. They keep their ids and hear nothing more.
    fn orphan(&mut self, fd: RawFd) {
        let mut next = self.descriptors.get(&fd).map(|descriptor| descriptor.first);
        while let Some(watch) = next.and_then(|id| self.watches.get_mut(&id)) {
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
            for (id, watch) in self.on_descriptor(fd) {
                watch.owe(id, watch.always_ready_for(), calls);
            }
            true
        });
        self.always_ready = always_ready;
    }
}

const NOTHING: HandleEvents = HandleEvents::empty();

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
    fn owe(&self, id: WatchId, events: HandleEvents, calls: &mut VecDeque<Ready>) {
        if events != NOTHING && self.callback.is_some() {
            calls.push_back(Ready {
                watch: id,
                generation: self.generation,
                events,
            });
        }
    }

    fn always_ready_for(&self) -> HandleEvents {
        self.interest & (HandleEvents::READABLE | HandleEvents::WRITABLE)
    }
}
