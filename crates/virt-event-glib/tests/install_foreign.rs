//! Somebody else's loop was there first.

use virt_event_glib::glib::{MainContext, Priority};
use virt_event_glib::{InstallError, Reactor};
use virt_event_libvirt::default_loop;

#[test]
fn a_foreign_loop_is_reported() {
    default_loop::register().unwrap();
    let context = MainContext::new();
    let error = virt_event_glib::install(&context, Priority::DEFAULT).unwrap_err();
    assert!(
        matches!(
            error,
            InstallError::Libvirt(virt_event_libvirt::InstallError::ForeignLoop)
        ),
        "{error}"
    );
    assert!(Reactor::installed().is_none());
    // Nothing was left in the context.
    assert!(!context.iteration(false));
}
