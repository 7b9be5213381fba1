//! The same through libvirt's public functions: in by libvirt, out again by the
//! six functions in C, and back for an event. What libvirt itself does is in
//! these counts.

use std::sync::OnceLock;
use std::time::Duration;

use virt_event::{EventImpl, HandleEvents, Period};
use virt_event_libvirt::LibvirtImpl;
use virt_event_loop::EventLoop;

use super::{BEFORE, TIMES, event_fd, kick, timer, watch};
use crate::counted;

/// The loop that libvirt has: one for the process.
fn installed() -> (&'static EventLoop, LibvirtImpl) {
    static LOOP: OnceLock<EventLoop> = OnceLock::new();
    let event_loop = LOOP.get_or_init(|| EventLoop::install().expect("libvirt has no other"));
    let libvirt = LibvirtImpl::registered().expect("it was just installed");
    (event_loop, libvirt)
}

/// `virEventUpdateHandle`, off and on.
#[inline(never)]
pub(super) fn libvirt_update_handle() -> u64 {
    let (_, libvirt) = installed();
    let fd = event_fd();
    let watch = watch(&libvirt, &fd);
    let mut act = || {
        libvirt.update_handle(watch, HandleEvents::empty());
        libvirt.update_handle(watch, HandleEvents::READABLE);
    };
    (0..BEFORE).for_each(|_| act());
    counted(TIMES, &mut act);
    libvirt.remove_handle(watch).expect("it is there");
    TIMES * 2
}

/// `virEventUpdateTimeout`, off and on.
#[inline(never)]
pub(super) fn libvirt_update_timeout() -> u64 {
    let (_, libvirt) = installed();
    let timer = timer(&libvirt, Period::millis(100_000));
    let mut act = || {
        libvirt.update_timeout(timer, Period::DISABLED);
        libvirt.update_timeout(timer, Period::millis(100_000));
    };
    (0..BEFORE).for_each(|_| act());
    counted(TIMES, &mut act);
    libvirt.remove_timeout(timer).expect("it is there");
    TIMES * 2
}

/// `virEventAddHandle` and `virEventRemoveHandle`, with the free.
#[inline(never)]
pub(super) fn libvirt_add_and_remove_handle() -> u64 {
    let (event_loop, libvirt) = installed();
    let fd = event_fd();
    let mut act = || {
        let watch = watch(&libvirt, &fd);
        libvirt.remove_handle(watch).expect("it was just added");
        let turned = event_loop.run_once(Some(Duration::ZERO));
        turned.expect("the kernel lets it");
    };
    (0..BEFORE).for_each(|_| act());
    counted(TIMES, &mut act);
    TIMES
}

/// A turn with one event for a callback of libvirt's.
#[inline(never)]
pub(super) fn libvirt_event() -> u64 {
    let (event_loop, libvirt) = installed();
    let fd = event_fd();
    let watch = watch(&libvirt, &fd);
    kick(&fd);
    let mut act = || {
        let turned = event_loop.run_once(Some(Duration::ZERO));
        turned.expect("the kernel lets it");
    };
    (0..BEFORE).for_each(|_| act());
    counted(TIMES, &mut act);
    libvirt.remove_handle(watch).expect("it is there");
    TIMES
}
