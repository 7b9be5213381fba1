//! The remote driver over a real socket, on each loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use virt::connect::Connect;
use virt_event_examples::host_loop::LoopKind;
use virt_event_monitor::Monitor;
use virt_event_monitor::domain::Lifecycle;
use virt_event_tests::rig::{Daemon, wait_until};

use crate::scene::{Form, Forms, Played, Scene, scene};
use crate::stage::Stage;

pub(crate) const SCENES: &[Scene] = &[scene!(
    remote::calls_from_many_threads,
    LoopKind::ALL,
    Forms::USUAL
)];

/// Opens a connection, hears of every event, and answers calls of many threads
/// while the loop runs; then nothing is left.
fn calls_from_many_threads(kind: LoopKind, form: Form) -> Played {
    let daemon = Daemon::start()?;
    let uri = daemon.test_uri();
    let mut stage = Stage::new(kind)?;
    stage.beside(move || call_and_hear(&uri, form.choose(250, 5_000)))?;
    stage.end();
    Ok(())
}

fn call_and_hear(uri: &str, calls: usize) -> Played {
    const THREADS: usize = 8;

    let connection = Connect::open(Some(uri))?;
    let monitor = Monitor::new(&connection)?;
    let heard = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&heard);
    let subscription = monitor.subscribe::<Lifecycle>().callback(move |_| {
        counts.fetch_add(1, Ordering::Relaxed);
    })?;
    let domain = connection.lookup_domain_by_name("test")?;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| -> Played {
                    for _ in 0..calls {
                        assert_eq!(connection.lookup_domain_by_name("test")?.name()?, "test");
                    }
                    Ok(())
                })
            })
            .collect();
        for _ in 0..calls / 10 {
            domain.suspend()?;
            domain.resume()?;
        }
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().expect("it does not panic"))
    })?;
    wait_until("every event is heard", || {
        heard.load(Ordering::Relaxed) == calls / 10 * 2
    })?;
    drop(subscription);
    Ok(())
}
