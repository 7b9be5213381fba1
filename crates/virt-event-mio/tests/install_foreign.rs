//! Installing where libvirt has a loop that did not come from here. One test,
//! because libvirt takes one loop per process.

use mio::{Poll, Token};
use virt_event_mio::{InstallError, install, mio};

#[test]
fn a_foreign_loop_is_reported() {
    virt_event_libvirt::default_loop::register().unwrap();
    let poll = Poll::new().unwrap();
    let error = install(poll.registry(), Token(0)).unwrap_err();
    assert!(matches!(
        error,
        InstallError::Libvirt(virt_event_libvirt::InstallError::ForeignLoop)
    ));
}
