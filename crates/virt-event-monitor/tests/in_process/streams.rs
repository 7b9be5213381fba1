//! Subscriptions as streams.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_core::Stream;
use futures_core::stream::FusedStream;
use virt_event_monitor::domain::{Lifecycle, LifecycleChange};
use virt_event_monitor::{Events, StreamError};

use crate::support::{Host, block_on, poll_once, settle};

#[test]
fn events_are_awaited_in_order() {
    let host = Host::new();
    let mut events: Events<Lifecycle> = host.monitor.subscribe().of(&host.domain).stream().unwrap();
    host.domain.suspend().unwrap();
    host.domain.resume().unwrap();
    block_on(async {
        let first = events.next().await.unwrap().unwrap();
        assert!(matches!(first.change, LifecycleChange::Suspended(_)));
        let second = events.next().await.unwrap().unwrap();
        assert!(matches!(second.change, LifecycleChange::Resumed(_)));
    });
    assert!(!events.is_terminated());
}

#[test]
fn a_next_that_is_dropped_has_taken_nothing() {
    let host = Host::new();
    let mut events = host
        .monitor
        .subscribe::<Lifecycle>()
        .of(&host.domain)
        .stream()
        .unwrap();
    for _ in 0..10 {
        let mut next = Box::pin(events.next());
        assert!(poll_once(&mut next).is_pending());
    }
    host.domain.suspend().unwrap();
    settle();
    drop(events.next());
    assert!(block_on(events.next()).unwrap().is_ok());
}

#[test]
fn a_slow_reader_is_told_what_it_missed_and_gets_the_newest() {
    let host = Host::new();
    let mut events = host
        .monitor
        .subscribe::<Lifecycle>()
        .of(&host.domain)
        .capacity(4)
        .stream()
        .unwrap();
    for _ in 0..5 {
        host.domain.suspend().unwrap();
        host.domain.resume().unwrap();
    }
    settle();
    block_on(async {
        assert_eq!(events.next().await, Some(Err(StreamError::Lagged(6))));
        for number in 0..4 {
            let event = events.next().await.unwrap().unwrap();
            let suspended = matches!(event.change, LifecycleChange::Suspended(_));
            assert_eq!(suspended, number % 2 == 0);
        }
    });
    assert!(poll_once(&mut Box::pin(events.next())).is_pending());
}

#[test]
fn the_newest_waker_is_woken_once_for_each_wait() {
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let host = Host::new();
    let mut events = host
        .monitor
        .subscribe::<Lifecycle>()
        .of(&host.domain)
        .stream()
        .unwrap();
    let (old, new) = (Arc::new(Count(0.into())), Arc::new(Count(0.into())));
    for count in [&old, &old, &new] {
        let waker = Waker::from(Arc::clone(count));
        let mut context = Context::from_waker(&waker);
        assert!(Pin::new(&mut events).poll_next(&mut context).is_pending());
    }
    host.toggle();
    host.toggle();
    settle();
    assert_eq!(old.0.load(Ordering::SeqCst), 0);
    assert_eq!(new.0.load(Ordering::SeqCst), 1);
    let polled = Pin::new(&mut events).poll_next(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Ready(Some(Ok(_)))));
    drop(events);
    assert_eq!(Arc::strong_count(&old), 1, "wakers go with the stream");
    assert_eq!(Arc::strong_count(&new), 1);
}

#[test]
fn a_stream_can_cross_threads_and_outlive_its_monitor() {
    let host = Host::new();
    let events = host.monitor.clone().lifecycle().unwrap();
    let name = host.name.clone();
    let reader = std::thread::spawn(move || {
        let mut events = events;
        block_on(async {
            loop {
                let event = events.next().await.unwrap().unwrap();
                if event.domain.name == name {
                    return;
                }
            }
        });
    });
    host.toggle();
    reader.join().unwrap();
}

const _: () = {
    const fn send_unpin_static<T: Send + Unpin + 'static>() {}
    send_unpin_static::<Events<Lifecycle>>();
    const fn send_sync<T: Send + Sync>() {}
    send_sync::<virt_event_monitor::Monitor>();
    send_sync::<virt_event_monitor::Subscription>();
    send_sync::<virt_event_monitor::StreamWatch>();
    send_sync::<virt_event_monitor::StreamHandle>();
    send_unpin_static::<virt_event_monitor::Closed>();
    send_unpin_static::<virt_event_monitor::CloseSubscription>();
};
