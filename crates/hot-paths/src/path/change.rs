//! Changes to what is there: what libvirt does twice for each call that it
//! sends.

use virt_event::{EventImpl, HandleEvents, Period};

use super::{BEFORE, TIMES, event_fd, reactor, timer, watch};
use crate::counted;

/// Interest off and on, of one watch of a hundred. One change is an operation.
#[inline(never)]
pub(super) fn update_handle() -> u64 {
    let reactor = reactor();
    let fds = super::event_fds(100);
    let watches: Vec<_> = fds.iter().map(|fd| watch(&*reactor, fd)).collect();
    let mut act = || {
        reactor.update_handle(watches[50], HandleEvents::empty());
        reactor.update_handle(watches[50], HandleEvents::READABLE);
    };
    (0..BEFORE).for_each(|_| act());
    counted(TIMES, &mut act);
    TIMES * 2
}

/// A keepalive timer of a hundred off and on. One change is an operation.
#[inline(never)]
pub(super) fn update_timeout() -> u64 {
    let reactor = reactor();
    let timers: Vec<_> = (0..100)
        .map(|_| timer(&*reactor, Period::millis(100_000)))
        .collect();
    let mut act = || {
        reactor.update_timeout(timers[50], Period::DISABLED);
        reactor.update_timeout(timers[50], Period::millis(100_000));
    };
    (0..BEFORE).for_each(|_| act());
    counted(TIMES, &mut act);
    TIMES * 2
}

/// A deadline that moves earlier each time, which the kernel has to be told.
#[inline(never)]
pub(super) fn update_timeout_earlier() -> u64 {
    let reactor = reactor();
    // In the kernel's set beside the alarm.
    let fd = event_fd();
    watch(&*reactor, &fd);
    let mut millis = 1_000_000_000;
    let timer = timer(&*reactor, Period::millis(millis));
    let mut act = || {
        millis -= 100_000;
        reactor.update_timeout(timer, Period::millis(millis));
    };
    (0..BEFORE).for_each(|_| act());
    counted(TIMES, &mut act);
    TIMES
}
