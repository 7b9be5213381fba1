//! A daemon that asks for a sign of life drops a client whose loop does not
//! run. Alone in its process, because no other test may run the loop.

use virt::connect::Connect;
use virt_event_loop::EventLoop;
use virt_event_tests::rig::{Daemon, wait_until};

#[test]
fn a_stalled_client_is_dropped() -> Result<(), Box<dyn std::error::Error>> {
    let event_loop = EventLoop::install()?;
    let daemon = Daemon::builder().keepalive(1, 1).start()?;
    let connection = Connect::open(Some(&daemon.test_uri()))?;
    assert_eq!(daemon.clients()?.len(), 1);
    let mut left = Ok(Vec::new());
    wait_until("the daemon drops it", || {
        left = daemon.clients();
        !matches!(&left, Ok(clients) if !clients.is_empty())
    })?;
    left?;
    connection.lookup_domain_by_name("test").unwrap_err();
    drop((connection, event_loop));
    Ok(())
}
