//! On libvirt's own loop, which is none of ours: a process of its own. It calls
//! a callback again that is running, where the callback turns the loop.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use virt::connect::Connect;
use virt::event::{event_add_timeout, event_register_default_impl, event_run_default_impl};
use virt_event_monitor::Monitor;
use virt_event_monitor::domain::Lifecycle;

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn events_arrive_one_at_a_time_and_all_is_freed() {
    event_register_default_impl().unwrap();
    // So that a turn does not wait for ever.
    event_add_timeout(10, |_, _| {}, std::ptr::null_mut()).unwrap();
    let connection = Connect::open(Some("test:///default")).unwrap();
    let domain = connection.lookup_domain_by_name("test").unwrap();
    let monitor = Monitor::new(&connection).unwrap();

    let token = Arc::new(());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let running = Arc::new(Mutex::new(()));
    let subscription = {
        let (kept, seen, running) = (Arc::clone(&token), Arc::clone(&seen), Arc::clone(&running));
        let domain = domain.clone();
        let mut first = true;
        monitor.subscribe::<Lifecycle>().callback(move |event| {
            let _kept = &kept;
            let _alone = running.try_lock().expect("never called while it runs");
            seen.lock().unwrap().push(event.change.to_string());
            if std::mem::take(&mut first) {
                domain.resume().unwrap();
                // Nested, as a dialog would do it. The event above is delivered
                // when this callback has returned.
                for _ in 0..20 {
                    event_run_default_impl().unwrap();
                }
                seen.lock().unwrap().push("end of the first".to_owned());
            }
        })
    }
    .unwrap();
    domain.suspend().unwrap();
    let run_until = |what: &str, done: &dyn Fn() -> bool| {
        let deadline = Instant::now() + LIMIT;
        while !done() {
            assert!(Instant::now() < deadline, "{what}");
            event_run_default_impl().unwrap();
        }
    };
    run_until("both events", &|| seen.lock().unwrap().len() == 3);
    assert_eq!(
        *seen.lock().unwrap(),
        [
            "suspended (paused)",
            "end of the first",
            "resumed (unpaused)"
        ]
    );

    drop(subscription);
    run_until("the closure is freed", &|| Arc::strong_count(&token) == 1);

    // The end of the connection is not reported by a driver in this process, and
    // whoever waited for it is freed, too.
    let (sender, receiver) = channel::<()>();
    let waiting = monitor.on_close(move |_| drop(sender));
    drop(waiting);
    let freed = thread::spawn(move || receiver.recv_timeout(LIMIT));
    run_until("the other closure is freed", &|| freed.is_finished());
    assert!(freed.join().unwrap().is_err());
}
