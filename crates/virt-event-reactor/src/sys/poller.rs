#![expect(
    unsafe_code,
    reason = "libvirt hands out raw descriptors, which only unsafe code can borrow"
)]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use virt_event::HandleEvents;

use super::clock::{self, Moment};
use super::fork::watch_forks;

/// Room for what one fetch finds.
#[derive(Default)]
pub(crate) struct Events(Vec<epoll::Event>);

// SAFETY: an event is not `Send` because its token may be a pointer; ours are
// numbers.
unsafe impl Send for Events {}

impl Events {
    /// Forgets what is in there, and has room for `count` events; for more if
    /// there was not enough.
    pub(crate) fn reset(&mut self, count: usize) {
        let (found, room) = (self.0.len(), self.0.capacity());
        self.0.clear();
        self.0.reserve(if found == room {
            count.max(2 * room)
        } else {
            count
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where each event came from, and what is ready there in libvirt's
    /// words.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Source, HandleEvents)> + '_ {
        self.0
            .iter()
            .map(|event| (Source::of(event), ready_for(event.flags)))
    }
}

/// An epoll set with a timerfd and an eventfd in it.
///
/// Every method takes `&self` and may be called from any thread while another
/// one waits. Nothing is locked here.
pub(crate) struct Poller {
    epoll: OwnedFd,
    alarm: OwnedFd,
    kick: OwnedFd,
    /// Readable when those who drain have nothing left to wait for. Not in the
    /// set: no turn may take it.
    drained: OwnedFd,
    /// How many wake-ups were ever asked for.
    wakes: AtomicU64,
    #[cfg(test)]
    pub(crate) fault: std::sync::atomic::AtomicI32,
}

/// Where an event came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Alarm,
    Kick,
    Descriptor { fd: RawFd, generation: u32 },
}

/// What a descriptor in the set is watched for. `None`: it is parked, and the
/// kernel reports nothing, but for an error or a hang-up once.
pub(crate) type Interest = Option<HandleEvents>;

/// Which file a descriptor number stands for: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId(u64, u64);

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        watch_forks()?;
        let poller = Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            alarm: timerfd_create(
                TimerfdClockId::Monotonic,
                TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK,
            )?,
            kick: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            drained: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            wakes: AtomicU64::new(0),
            #[cfg(test)]
            fault: std::sync::atomic::AtomicI32::new(0),
        };
        for (fd, source) in [(&poller.alarm, Source::Alarm), (&poller.kick, Source::Kick)] {
            epoll::add(&poller.epoll, fd, source.token(), EventFlags::IN)?;
        }
        Ok(poller)
    }

    /// Puts a descriptor into the set.
    pub(crate) fn add(&self, fd: RawFd, generation: u32, interest: Interest) -> Result<(), Errno> {
        #[cfg(test)]
        self.injected_fault()?;
        let (fd, token) = self.target(fd, generation)?;
        epoll::add(&self.epoll, fd, token, flags(interest))
    }

    /// Changes what a descriptor in the set is watched for. Half as dear as to
    /// take it out and put it in again, and needs no memory.
    pub(crate) fn modify(
        &self,
        fd: RawFd,
        generation: u32,
        interest: Interest,
    ) -> Result<(), Errno> {
        let (fd, token) = self.target(fd, generation)?;
        epoll::modify(&self.epoll, fd, token, flags(interest))
    }

    /// Takes a descriptor out of the set.
    pub(crate) fn delete(&self, fd: RawFd) -> Result<(), Errno> {
        let fd = self.borrow(fd)?;
        epoll::delete(&self.epoll, fd)
    }

    /// Fills `events`, up to its capacity, with what is ready; waits for
    /// something to be ready for `timeout` at most, for ever if `None`. An
    /// interrupting signal does not end the wait.
    pub(crate) fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        events.0.clear();
        let deadline = match timeout {
            Some(timeout) if !timeout.is_zero() => Some(clock::after(clock::now(), timeout)),
            _ => None,
        };
        let mut remaining = timeout;
        loop {
            let limit = remaining.map(whole_millis);
            match epoll::wait(&self.epoll, spare_capacity(&mut events.0), limit.as_ref()) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {
                    if let Some(deadline) = deadline {
                        let left = deadline.saturating_sub(clock::now());
                        remaining = Some(Duration::from_nanos(left));
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Sleeps until something is ready, or all is drained, for `timeout` at
    /// most, without taking anything. May return early.
    pub(crate) fn sleep(&self, timeout: Duration) -> io::Result<()> {
        let mut fds = [&self.epoll, &self.drained].map(|fd| PollFd::new(fd, PollFlags::IN));
        match poll(&mut fds, Some(&whole_millis(timeout))) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether something is ready that `wanted` says yes to, without taking
    /// it; allocates nothing. Looks at a few of the ready ones only.
    pub(crate) fn peek(&self, wanted: impl Fn(Source) -> bool) -> bool {
        let mut room = [const { MaybeUninit::uninit() }; 16];
        let now = Timespec::default();
        epoll::wait(&self.epoll, &mut room[..], Some(&now))
            .is_ok_and(|(events, _)| events.iter().any(|event| wanted(Source::of(event))))
    }

    /// Has the set readable from `deadline` on, or never.
    ///
    /// The alarm stays readable after it has gone off, until it is set again.
    pub(crate) fn set_alarm(&self, deadline: Option<Moment>) {
        let never = Timespec::default();
        let alarm = Itimerspec {
            it_interval: never,
            // Zero would mean never; no moment is zero.
            it_value: deadline.map_or(never, clock::timespec),
        };
        let result = timerfd_settime(&self.alarm, TimerfdTimerFlags::ABSTIME, &alarm);
        debug_assert!(result.is_ok(), "{result:?}");
    }

    /// Makes the set readable until [`unkick`](Self::unkick).
    pub(crate) fn kick(&self) {
        // It fails only when the counter is full, that is, readable.
        let _ = rustix::io::write(&self.kick, &1u64.to_ne_bytes());
    }

    /// Takes back all kicks.
    pub(crate) fn unkick(&self) {
        let _ = rustix::io::read(&self.kick, &mut [0; 8]);
    }

    /// Asks for a wake-up, and kicks.
    pub(crate) fn wake(&self) {
        // Counted first: who misses the count finds the kick.
        self.wakes.fetch_add(1, Ordering::SeqCst);
        self.kick();
    }

    /// How many wake-ups were ever asked for.
    pub(crate) fn wakes(&self) -> u64 {
        self.wakes.load(Ordering::SeqCst)
    }

    /// Tells those who drain, until it is taken back, that all is drained.
    pub(crate) fn set_drained(&self, drained: bool) {
        // Both fail only where there is nothing to do.
        let _ = if drained {
            rustix::io::write(&self.drained, &1u64.to_ne_bytes())
        } else {
            rustix::io::read(&self.drained, &mut [0; 8])
        };
    }

    /// Another descriptor for the same set.
    pub(crate) fn duplicate(&self) -> io::Result<OwnedFd> {
        self.epoll.try_clone()
    }

    /// Readable while all is drained.
    pub(crate) fn drained(&self) -> BorrowedFd<'_> {
        self.drained.as_fd()
    }

    /// What to change the set for, and what its events are to carry.
    fn target(&self, fd: RawFd, generation: u32) -> Result<(BorrowedFd<'_>, EventData), Errno> {
        let token = Source::Descriptor { fd, generation }.token();
        Ok((self.borrow(fd)?, token))
    }

    /// Refuses negative numbers, and our own descriptors: adding those would
    /// replace their place in the set.
    fn borrow(&self, fd: RawFd) -> Result<BorrowedFd<'_>, Errno> {
        if fd < 0 {
            return Err(Errno::BADF);
        }
        if [&self.epoll, &self.alarm, &self.kick, &self.drained]
            .iter()
            .any(|own| own.as_raw_fd() == fd)
        {
            return Err(Errno::INVAL);
        }
        // SAFETY: it is not −1, and is only borrowed for one system call,
        // which answers EBADF if nothing is open under the number.
        Ok(unsafe { BorrowedFd::borrow_raw(fd) })
    }

    /// The file that `fd` stands for.
    pub(crate) fn file_id(&self, fd: RawFd) -> Result<FileId, Errno> {
        let stat = rustix::fs::fstat(self.borrow(fd)?)?;
        Ok(FileId(stat.st_dev, stat.st_ino))
    }

    /// The error that a test wants the next addition to meet.
    #[cfg(test)]
    fn injected_fault(&self) -> Result<(), Errno> {
        match self.fault.load(Ordering::SeqCst) {
            0 => Ok(()),
            code => Err(Errno::from_raw_os_error(code)),
        }
    }
}

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl Source {
    const ALARM: u64 = u64::MAX;
    const KICK: u64 = u64::MAX - 1;

    fn of(event: &epoll::Event) -> Self {
        match event.data.u64() {
            Self::ALARM => Self::Alarm,
            Self::KICK => Self::Kick,
            token => Self::Descriptor {
                fd: (token >> 32) as RawFd,
                generation: token as u32,
            },
        }
    }

    fn token(self) -> EventData {
        EventData::new_u64(match self {
            Self::Alarm => Self::ALARM,
            Self::Kick => Self::KICK,
            // A descriptor is never negative, so its token is neither of those.
            Self::Descriptor { fd, generation } => ((fd as u64) << 32) | u64::from(generation),
        })
    }
}

/// What the kernel said, in libvirt's words. A half-close is readable
/// (contract H3).
fn ready_for(flags: EventFlags) -> HandleEvents {
    let mut events = HandleEvents::empty();
    events.set(
        HandleEvents::READABLE,
        flags.intersects(EventFlags::IN | EventFlags::RDHUP),
    );
    events.set(HandleEvents::WRITABLE, flags.contains(EventFlags::OUT));
    events.set(HandleEvents::ERROR, flags.contains(EventFlags::ERR));
    events.set(HandleEvents::HANGUP, flags.contains(EventFlags::HUP));
    events
}

/// What to ask the kernel for. It reports errors and hang-ups unasked, so what
/// is parked is to report once: that switches it off.
fn flags(interest: Interest) -> EventFlags {
    let Some(events) = interest else {
        return EventFlags::ONESHOT;
    };
    let mut flags = EventFlags::empty();
    flags.set(EventFlags::IN, events.contains(HandleEvents::READABLE));
    flags.set(EventFlags::OUT, events.contains(HandleEvents::WRITABLE));
    flags
}

/// Rounded up, so that a wait is never early, and cut to what `epoll_wait`
/// can express (24.8 days).
fn whole_millis(timeout: Duration) -> Timespec {
    let parts = u64::from(timeout.subsec_nanos().div_ceil(1_000_000));
    let millis = timeout.as_secs().saturating_mul(1000).saturating_add(parts);
    let millis = millis.min(i32::MAX as u64);
    clock::timespec(millis * 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_the_kernel() {
        for source in [
            Source::Alarm,
            Source::Kick,
            Source::Descriptor {
                fd: 0,
                generation: 1,
            },
            Source::Descriptor {
                fd: RawFd::MAX,
                generation: u32::MAX,
            },
        ] {
            let event = epoll::Event {
                flags: EventFlags::IN,
                data: source.token(),
            };
            assert_eq!(Source::of(&event), source);
        }
    }

    #[test]
    fn own_descriptors_and_negative_ones_are_refused() {
        let poller = Poller::new().unwrap();
        for own in [&poller.epoll, &poller.alarm, &poller.kick] {
            let refused = poller.add(own.as_raw_fd(), 1, Some(HandleEvents::READABLE));
            assert_eq!(refused, Err(Errno::INVAL));
        }
        for negative in [-1, RawFd::MIN] {
            let refused = poller.add(negative, 1, Some(HandleEvents::READABLE));
            assert_eq!(refused, Err(Errno::BADF));
        }
    }

    #[test]
    fn a_kick_lasts_until_it_is_taken_back() {
        let poller = Poller::new().unwrap();
        let mut events = Events::default();
        events.reset(4);
        poller.kick();
        poller.kick();
        for _ in 0..2 {
            poller.wait(&mut events, Some(Duration::ZERO)).unwrap();
            let found: Vec<_> = events.iter().map(|(source, _)| source).collect();
            assert_eq!(found, [Source::Kick]);
        }
        poller.unkick();
        poller.wait(&mut events, Some(Duration::ZERO)).unwrap();
        assert!(events.is_empty());
    }

    #[test]
    fn waits_round_up_and_saturate() {
        assert_eq!(
            whole_millis(Duration::from_nanos(1)),
            clock::timespec(1_000_000)
        );
        assert_eq!(
            whole_millis(Duration::MAX),
            clock::timespec(2_147_483_647_000_000)
        );
    }
}
