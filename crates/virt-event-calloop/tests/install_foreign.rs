//! Installing where libvirt has a loop that did not come from here. One test,
//! because libvirt takes one loop per process.

use calloop::EventLoop;
use virt_event_calloop::{InstallError, calloop, install};

#[test]
fn a_foreign_loop_is_reported() {
    virt_event_libvirt::default_loop::register().unwrap();
    let event_loop = EventLoop::<()>::try_new().unwrap();
    let error = install(&event_loop.handle()).unwrap_err();
    assert!(matches!(
        error,
        InstallError::Libvirt(virt_event_libvirt::InstallError::ForeignLoop)
    ));
}
