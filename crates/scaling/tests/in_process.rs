//! Where connections cannot be told apart: the drivers that libvirt has inside
//! the client share between all connections what hands out events.

use std::sync::Arc;
use std::sync::mpsc::channel;

use scaling::Sharded;
use virt::connect::Connect;
use virt_event_monitor::Monitor;
use virt_event_monitor::domain::Lifecycle;
use virt_event_tests::rig::patience;

#[test]
fn lost_a_connection_has_a_reactor_of_its_own() -> Result<(), Box<dyn std::error::Error>> {
    let sharded = Sharded::new(2)?;
    virt_event_libvirt::install(Arc::clone(&sharded)).map_err(|refused| refused.error)?;
    let threads = [sharded.spawn(0)?, sharded.spawn(1)?];
    let (heard, hearing) = channel();
    let subscribed = |shard| -> Result<_, Box<dyn std::error::Error>> {
        sharded.on(shard, || {
            let connection = Connect::open(Some("test:///default"))?;
            let (heard, here) = (heard.clone(), Arc::clone(&sharded));
            let monitor = Monitor::new(&connection)?;
            let subscription = monitor.subscribe::<Lifecycle>().callback(move |_| {
                // The other end has heard enough.
                let _ = heard.send((shard, here.here()));
            })?;
            Ok((connection, subscription))
        })
    };
    let both = [subscribed(0)?, subscribed(1)?];
    both[0].0.lookup_domain_by_name("test")?.suspend()?;
    let mut places = [(); 2].map(|()| hearing.recv_timeout(patience()).expect("an event"));
    places.sort_unstable();
    // The second one hears of it where the first one subscribed.
    assert_eq!(places, [(0, 0), (1, 0)]);
    drop((both, threads));
    Ok(())
}
