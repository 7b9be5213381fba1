//! Subscriptions with a callback.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::Duration;

use virt_event_monitor::domain::{Lifecycle, LifecycleChange, Reboot, SuspendedDetail};
use virt_event_monitor::{AnyEvent, EventKind, Monitor};

use crate::support::{Host, LIMIT, connect, events, settle, wait_until};

#[test]
fn a_callback_gets_the_event_with_whom_it_is_about() {
    let host = Host::new();
    let (sender, received) = events();
    let _subscription = host
        .monitor
        .subscribe::<Lifecycle>()
        .of(&host.domain)
        .callback(move |event| sender.send((event, thread::current().id())).unwrap())
        .unwrap();
    host.domain.suspend().unwrap();
    let (event, thread) = received.recv_timeout(LIMIT).unwrap();
    assert_eq!(event.domain.name, host.name);
    assert_eq!(event.domain.uuid, host.domain.uuid().unwrap());
    assert_eq!(event.domain.id, host.domain.id());
    assert_eq!(
        event.change,
        LifecycleChange::Suspended(SuspendedDetail::Paused)
    );
    assert_eq!(
        event.to_string(),
        format!("{}: suspended (paused)", host.name)
    );
    assert_ne!(thread, thread::current().id(), "callbacks run on the loop");
}

#[test]
fn a_subscription_of_one_domain_hears_of_no_other() {
    let (host, other) = (Host::new(), Host::new());
    let (sender, received) = events();
    let _subscription = host
        .monitor
        .subscribe::<Lifecycle>()
        .of(&host.domain)
        .callback(move |event| sender.send(event.domain.name).unwrap())
        .unwrap();
    other.toggle();
    host.toggle();
    assert_eq!(received.recv_timeout(LIMIT).unwrap(), host.name);
    settle();
    assert!(received.try_recv().is_err());
}

#[test]
fn several_kinds_go_to_one_callback() {
    let host = Host::new();
    let (sender, received) = events();
    let _subscription = host
        .monitor
        .subscribe_any([EventKind::Lifecycle, EventKind::Reboot])
        .of(&host.domain)
        .callback(move |event| sender.send(event).unwrap())
        .unwrap();
    host.domain.suspend().unwrap();
    let event = received.recv_timeout(LIMIT).unwrap();
    assert_eq!(event.kind(), EventKind::Lifecycle);
    assert!(matches!(event, AnyEvent::Lifecycle(_)), "{event:?}");
}

#[test]
fn nothing_is_lost_and_the_order_is_kept() {
    const EVENTS: usize = 2_000;
    let host = Host::new();
    let (sender, received) = events();
    let _subscription = host
        .monitor
        .subscribe::<Lifecycle>()
        .of(&host.domain)
        .callback(move |event| sender.send(event.change).unwrap())
        .unwrap();
    for _ in 0..EVENTS / 2 {
        host.domain.suspend().unwrap();
        host.domain.resume().unwrap();
    }
    for number in 0..EVENTS {
        let change = received.recv_timeout(LIMIT).unwrap();
        let suspended = matches!(change, LifecycleChange::Suspended(_));
        assert_eq!(suspended, number % 2 == 0, "{number}: {change}");
    }
}

#[test]
fn a_subscription_may_end_inside_its_own_callback() {
    let host = Host::new();
    let (sender, received) = events();
    let (give, take) = events();
    let token = Arc::new(());
    let kept = Arc::clone(&token);
    let subscription = host
        .monitor
        .subscribe::<Lifecycle>()
        .of(&host.domain)
        .callback(move |_| {
            let _kept = &kept;
            // The subscription itself, once.
            drop(take.try_recv());
            sender.send(()).unwrap();
        })
        .unwrap();
    give.send(subscription).unwrap();
    host.toggle();
    received.recv_timeout(LIMIT).unwrap();
    wait_until("the closure is freed", || Arc::strong_count(&token) == 1);
    host.toggle();
    settle();
    assert!(received.try_recv().is_err(), "it has ended");
}

#[test]
fn the_last_thing_that_keeps_a_connection_may_go_inside_a_callback() {
    let host = Host::new();
    let other = connect();
    let domain = other.lookup_domain_by_name(&host.name).unwrap();
    let own = connect();
    let monitor = Monitor::new(&own).unwrap();
    let (give, take) = events();
    let (sender, done) = events();
    let name = host.name.clone();
    let subscription = monitor
        .subscribe::<Lifecycle>()
        .callback(move |event| {
            if event.domain.name == name {
                // All that there is of the connection, once.
                drop(take.try_recv());
                let _ = sender.send(());
            }
        })
        .unwrap();
    give.send((subscription, monitor, own)).unwrap();
    domain.suspend().unwrap();
    done.recv_timeout(LIMIT).unwrap();
    settle();
}

#[test]
fn a_kind_that_is_named_twice_is_delivered_once() {
    let host = Host::new();
    let (sender, received) = events();
    let _subscription = host
        .monitor
        .subscribe_any([EventKind::Lifecycle, EventKind::Lifecycle])
        .of(&host.domain)
        .callback(move |event| sender.send(event).unwrap())
        .unwrap();
    host.toggle();
    received.recv_timeout(LIMIT).unwrap();
    settle();
    assert!(received.try_recv().is_err());
}

#[test]
fn a_callback_may_use_libvirt_and_subscribe() {
    let host = Host::new();
    let (sender, received) = events();
    let (monitor, domain) = (host.monitor.clone(), host.domain.clone());
    let inner_sender = sender.clone();
    let mut inner = None;
    let _subscription = host
        .monitor
        .subscribe::<Lifecycle>()
        .of(&host.domain)
        .callback(move |_| {
            let name = domain.name().unwrap();
            if inner.is_none() {
                let sender = inner_sender.clone();
                let subscribed = monitor
                    .subscribe::<Lifecycle>()
                    .of(&domain)
                    // It goes with the closure around it, a little later than the test.
                    .callback(move |event| drop(sender.send(format!("inner {event}"))));
                inner = Some(subscribed.unwrap());
            }
            sender.send(name).unwrap();
        })
        .unwrap();
    host.domain.suspend().unwrap();
    assert_eq!(received.recv_timeout(LIMIT).unwrap(), host.name);
    host.domain.resume().unwrap();
    let mut two = [(); 2].map(|()| received.recv_timeout(LIMIT).unwrap());
    two.sort();
    let inner = format!("inner {}: resumed (unpaused)", host.name);
    assert_eq!(two, [host.name.clone(), inner]);
}

#[test]
fn a_panic_ends_one_call_only() {
    let host = Host::new();
    let (sender, received) = events();
    let mut calls = 0;
    let _subscription = host
        .monitor
        .subscribe::<Lifecycle>()
        .of(&host.domain)
        .callback(move |_| {
            calls += 1;
            sender.send(calls).unwrap();
            assert_ne!(calls, 1, "a panic that the test wants");
        })
        .unwrap();
    host.toggle();
    host.toggle();
    assert_eq!(received.recv_timeout(LIMIT).unwrap(), 1);
    assert_eq!(received.recv_timeout(LIMIT).unwrap(), 2);
}

#[test]
fn a_closure_is_dropped_once_on_the_loop_and_may_panic_there() {
    struct OnDrop(
        Arc<AtomicUsize>,
        std::sync::mpsc::Sender<std::thread::ThreadId>,
    );
    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
            self.1.send(thread::current().id()).unwrap();
            panic!("a panic that the test wants");
        }
    }
    let host = Host::new();
    let drops = Arc::new(AtomicUsize::new(0));
    let (sender, dropped) = events();
    let on_drop = OnDrop(Arc::clone(&drops), sender);
    let subscription = host
        .monitor
        .subscribe::<Reboot>()
        .callback(move |_| {
            let _ = &on_drop;
        })
        .unwrap();
    drop(subscription);
    let thread = dropped.recv_timeout(LIMIT).unwrap();
    assert_ne!(thread, thread::current().id());
    settle();
    assert_eq!(drops.load(Ordering::SeqCst), 1);
}

#[test]
fn a_closure_may_own_what_calls_libvirt_when_it_is_dropped() {
    let host = Host::new();
    // libvirt frees with its locks held: a drop inside of that would deadlock.
    let inner = host
        .monitor
        .subscribe::<Lifecycle>()
        .callback(|_| {})
        .unwrap();
    let (domain, monitor) = (host.domain.clone(), host.monitor.clone());
    let (sender, freed) = events::<()>();
    let outer = host
        .monitor
        .subscribe::<Lifecycle>()
        .callback(move |_| {
            let _ = (&inner, &domain, &monitor, &sender);
        })
        .unwrap();
    drop(outer);
    assert_eq!(
        freed.recv_timeout(LIMIT),
        Err(RecvTimeoutError::Disconnected)
    );
}

#[test]
fn no_call_begins_after_the_end() {
    let host = Host::new();
    for _ in 0..200 {
        let calls = Arc::new(AtomicUsize::new(0));
        let counts = Arc::clone(&calls);
        let subscription = host
            .monitor
            .subscribe::<Lifecycle>()
            .of(&host.domain)
            .callback(move |_| {
                counts.fetch_add(1, Ordering::SeqCst);
            })
            .unwrap();
        // The loop may be about to call, or may do so at this moment.
        host.toggle();
        drop(subscription);
        host.toggle();
        settle();
        let before = calls.load(Ordering::SeqCst);
        assert!(before <= 1, "the second event came after the end");
        host.toggle();
        settle();
        assert_eq!(calls.load(Ordering::SeqCst), before);
    }
}

#[test]
fn subscriptions_come_and_go_while_events_rain() {
    let host = Host::new();
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let rain = thread::spawn({
        let (domain, stop) = (host.domain.clone(), Arc::clone(&stop));
        move || {
            while !stop.load(Ordering::Relaxed) {
                domain.suspend().unwrap();
                domain.resume().unwrap();
                thread::sleep(Duration::from_micros(200));
            }
        }
    });
    let token = Arc::new(());
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let (monitor, domain) = (host.monitor.clone(), host.domain.clone());
            let token = Arc::clone(&token);
            thread::spawn(move || {
                for round in 0..200 {
                    let kept = Arc::clone(&token);
                    let begun = monitor.subscribe::<Lifecycle>();
                    let begun = if round % 2 == 0 {
                        begun.of(&domain)
                    } else {
                        begun
                    };
                    let subscription = begun
                        .callback(move |_| {
                            let _ = &kept;
                        })
                        .unwrap();
                    drop(subscription);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    rain.join().unwrap();
    wait_until("every closure is freed", || Arc::strong_count(&token) == 1);
}
