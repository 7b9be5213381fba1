//! Before any loop is installed: a process of its own, because later it cannot
//! be undone.

use virt::connect::Connect;
use virt_event_monitor::{Error, Monitor};

#[test]
fn without_a_loop_the_error_says_what_to_call() {
    let connection = Connect::open(Some("test:///default")).unwrap();
    let error = Monitor::new(&connection).unwrap_err();
    assert!(matches!(error, Error::NotInstalled), "{error:?}");
    let message = error.to_string();
    assert!(message.contains("install"), "{message}");
    assert!(message.contains("before opening"), "{message}");

    // Nothing is half-done: once there is a loop, the connection can have its
    // monitor.
    let event_loop = virt_event_loop::EventLoop::install().unwrap();
    let monitor = Monitor::new(&connection).unwrap();
    drop(monitor.lifecycle().unwrap());
    drop((monitor, connection));
    event_loop
        .drain(std::time::Duration::from_secs(60))
        .unwrap();
}
