//! Connections to a real libvirtd over two reactors. libvirt's calls do not name
//! a connection, and yet all that it adds for one stays on one reactor.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use scaling::Sharded;
use virt::connect::Connect;
use virt_event_monitor::Monitor;
use virt_event_monitor::domain::Lifecycle;
use virt_event_tests::rig::{Daemon, patience, wait_until};

/// Watches and timers of each reactor.
fn entries(sharded: &Sharded) -> Vec<(usize, usize)> {
    let stats = sharded.reactors().iter().map(|it| it.stats());
    stats.map(|it| (it.watches, it.timers)).collect()
}

#[test]
fn a_connection_stays_on_its_reactor() -> Result<(), Box<dyn std::error::Error>> {
    let daemon = Daemon::start()?;
    let sharded = Sharded::new(2)?;
    virt_event_libvirt::install(Arc::clone(&sharded)).map_err(|refused| refused.error)?;
    let threads = [sharded.spawn(0)?, sharded.spawn(1)?];

    let (heard, hearing) = channel();
    let subscribed = |shard| -> Result<_, Box<dyn std::error::Error>> {
        sharded.on(shard, || {
            let connection = Connect::open(Some(&daemon.test_uri()))?;
            connection.set_keep_alive(60, 5)?;
            let monitor = Monitor::new(&connection)?;
            let (heard, here) = (heard.clone(), Arc::clone(&sharded));
            let subscription = monitor.subscribe::<Lifecycle>().callback(move |_| {
                // The other end has heard enough.
                let _ = heard.send((shard, here.here()));
            })?;
            Ok((connection, monitor, subscription))
        })
    };

    let second = subscribed(1)?;
    let with_one = entries(&sharded);
    assert_eq!(with_one[0], (0, 0));
    // The socket; keepalive, and what hands out events.
    let (watches, timers) = with_one[1];
    assert!(watches >= 1 && timers >= 2, "{with_one:?}");
    let first = subscribed(0)?;
    assert_eq!(entries(&sharded), [with_one[1], with_one[1]]);

    let domain = first.0.lookup_domain_by_name("test")?;
    domain.suspend()?;
    let mut both = [(); 2].map(|()| hearing.recv_timeout(patience()).expect("an event"));
    both.sort_unstable();
    // Each heard of it where it was opened.
    assert_eq!(both, [(0, 0), (1, 1)]);

    // On a thread that has chosen nothing.
    drop((domain, first, second));
    wait_until("nothing is left", || {
        let mut reactors = sharded.reactors().iter();
        reactors.all(|reactor| reactor.drain(Duration::ZERO).is_ok())
    })?;
    drop(threads);
    Ok(())
}
