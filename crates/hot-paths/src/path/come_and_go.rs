//! Watches and timers that come and go beside a thousand others.

use std::time::Duration;

use virt_event::{EventImpl, Period};
use virt_event_loop::EventLoop;

use super::{BEFORE, TIMES, event_fd, event_fds, reactor, timer, watch};
use crate::counted;

/// Between two turns of the loop, which frees what was removed.
const BATCH: u64 = 16;

/// One added and removed, and its part of a turn that frees.
#[inline(never)]
pub(super) fn add_and_remove_handle() -> u64 {
    let reactor = reactor();
    let event_loop = EventLoop::attach(&reactor).expect("nobody else drives it");
    let idle = event_fds(1_000);
    for fd in &idle {
        watch(&*reactor, fd);
    }
    let fd = event_fd();
    let mut act = || {
        for _ in 0..BATCH {
            let watch = watch(&*reactor, &fd);
            reactor.remove_handle(watch).expect("it was just added");
        }
        let turned = event_loop.run_once(Some(Duration::ZERO));
        turned.expect("the kernel lets it");
    };
    (0..BEFORE).for_each(|_| act());
    counted(TIMES / 10, &mut act);
    TIMES / 10 * BATCH
}

/// The same with a timer.
#[inline(never)]
pub(super) fn add_and_remove_timeout() -> u64 {
    let reactor = reactor();
    let event_loop = EventLoop::attach(&reactor).expect("nobody else drives it");
    for _ in 0..1_000 {
        timer(&*reactor, Period::millis(100_000));
    }
    let mut act = || {
        for _ in 0..BATCH {
            let timer = timer(&*reactor, Period::millis(200_000));
            reactor.remove_timeout(timer).expect("it was just added");
        }
        let turned = event_loop.run_once(Some(Duration::ZERO));
        turned.expect("the kernel lets it");
    };
    (0..BEFORE).for_each(|_| act());
    counted(TIMES / 10, &mut act);
    TIMES / 10 * BATCH
}
