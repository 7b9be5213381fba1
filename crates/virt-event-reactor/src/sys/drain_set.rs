use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use super::clock::{self, Moment};
use super::poller::Poller;

/// One descriptor, readable when a [`Poller`] is, when all is drained, or when
/// a deadline is over.
pub(crate) struct DrainSet {
    epoll: OwnedFd,
    /// In the set; held so that it stays there.
    _alarm: OwnedFd,
}

impl DrainSet {
    pub(crate) fn new(poller: &Poller, deadline: Moment) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let alarm = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK,
        )?;
        let at = Itimerspec {
            it_interval: Timespec::default(),
            it_value: clock::timespec(deadline),
        };
        timerfd_settime(&alarm, TimerfdTimerFlags::ABSTIME, &at)?;
        for fd in [poller.as_fd(), poller.drained(), alarm.as_fd()] {
            epoll::add(&epoll, fd, EventData::new_u64(0), EventFlags::IN)?;
        }
        Ok(Self {
            epoll,
            _alarm: alarm,
        })
    }
}

impl AsFd for DrainSet {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}
