//! The adapter inside the real libvirt: a program from its start to its end.
//! One test, because a process has one loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use smol::future::FutureExt;
use smol::{Executor, Timer};
use virt::connect::Connect;
use virt_event_monitor::Monitor;
use virt_event_monitor::domain::Lifecycle;
use virt_event_reactor::{AttachError, Leftover};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_program_from_its_start_to_its_end() {
    let executor = Arc::new(Executor::new());
    let in_time = async {
        Timer::after(PATIENCE).await;
        Err("it takes too long".into())
    };
    let outcome = smol::block_on(executor.run(program(&executor).or(in_time)));
    outcome.unwrap();
}

async fn program(executor: &Arc<Executor<'static>>) -> Result<(), Failure> {
    let driver = smol_adapter::install(executor)?; // once, before connecting
    assert!(matches!(
        smol_adapter::install(executor).unwrap_err(),
        smol_adapter::Error::Attach(AttachError::AlreadyAttached)
    ));

    // Something else runs on the same loop.
    let ticks = Arc::new(AtomicU32::new(0));
    let ticked = Arc::clone(&ticks);
    let ticker = executor.spawn(async move {
        loop {
            Timer::after(Duration::from_millis(1)).await;
            ticked.fetch_add(1, Ordering::Relaxed);
        }
    });

    // libvirt's functions may block, so they run on a thread of smol's.
    let connection = smol::unblock(|| Connect::open(Some("test:///default"))).await?;
    let (sender, events) = smol::channel::unbounded();
    let monitor = Monitor::new(&connection)?;
    let subscription = monitor.subscribe::<Lifecycle>().callback(move |event| {
        // Nobody listens any more: the program is about to end.
        let _ = sender.try_send(event.to_string());
    })?;
    let domain = connection.lookup_domain_by_name("test")?;
    let domain = smol::unblock(move || domain.suspend().map(|_| domain)).await?;
    assert_eq!(events.recv().await?, "test: suspended (paused)");

    // Detached, libvirt's events wait; attached again, they come.
    driver.detach();
    let domain = smol::unblock(move || domain.resume().map(|_| domain)).await?;
    assert!(events.is_empty(), "an event without a driver");
    let driver = smol_adapter::install(executor)?;
    assert_eq!(events.recv().await?, "test: resumed (unpaused)");

    // While something is registered, a drain says what.
    let error = smol_adapter::drain(&driver, Duration::from_millis(10)).await;
    let Err(smol_adapter::Error::NotDrained(left)) = error else {
        panic!("{error:?}");
    };
    assert!(
        matches!(left.left[..], [Leftover::Timeout { .. }]),
        "{left}"
    );

    // The other task was not kept waiting, not by the drain either.
    let before = ticks.load(Ordering::Relaxed);
    while ticks.load(Ordering::Relaxed) < before + 3 {
        Timer::after(Duration::from_millis(1)).await;
    }
    ticker.cancel().await;

    drop((subscription, monitor, domain));
    smol::unblock(|| drop(connection)).await;
    smol_adapter::drain(&driver, PATIENCE / 2).await?; // nothing is left behind
    let stats = driver.stats();
    assert_eq!(
        (stats.watches, stats.timers, stats.pending_frees),
        (0, 0, 0)
    );
    Ok(())
}
