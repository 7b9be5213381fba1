//! The two functions for programs that are ported from C or Python.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use virt_event::Period;
use virt_event_loop::{RunError, register_default_impl, run_default_impl};

#[test]
fn register_then_run() {
    static TICKS: AtomicU32 = AtomicU32::new(0);

    assert!(matches!(run_default_impl(), Err(RunError::NotRegistered)));
    register_default_impl().unwrap();
    let error = register_default_impl().unwrap_err();
    assert!(error.to_string().contains("driver"), "{error}");

    let timer = virt_event::add_timeout(Duration::from_millis(1), || {
        TICKS.fetch_add(1, Ordering::Relaxed);
    })
    .unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while TICKS.load(Ordering::Relaxed) < 3 {
        assert!(Instant::now() < end);
        run_default_impl().unwrap();
    }
    timer.update(Period::DISABLED);
    timer.remove().unwrap();
}
