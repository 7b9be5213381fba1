//! What a program may rely on with one loop, and what of that is lost with two
//! reactors on two threads.

use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, ThreadId};
use std::time::Duration;

use scaling::{ShardThread, Sharded};
use virt_event::{
    EventImpl, HandleCallback, HandleEvents, Period, TimeoutCallback, TimerId, WatchId,
};

/// After which something that must happen is taken to be lost.
const PATIENCE: Duration = Duration::from_secs(60);

fn two() -> Arc<Sharded> {
    Sharded::new(2).unwrap()
}

fn driven(sharded: &Arc<Sharded>) -> [ShardThread; 2] {
    [0, 1].map(|shard| sharded.spawn(shard).unwrap())
}

fn add_timer(sharded: &Sharded, call: impl FnMut(TimerId) + Send + 'static) -> TimerId {
    let callback = TimeoutCallback::new(call);
    let added = sharded.add_timeout(Period::EVERY_ITERATION, callback);
    added.unwrap()
}

fn watch(fd: impl AsFd, sharded: &Sharded) -> WatchId {
    let fd = fd.as_fd().as_raw_fd();
    let callback = HandleCallback::new(|_, _, _| {});
    let added = sharded.add_handle(fd, HandleEvents::READABLE, callback);
    added.unwrap()
}

fn receive<T>(from: &Receiver<T>) -> T {
    from.recv_timeout(PATIENCE).expect("it happens")
}

fn watches(sharded: &Sharded) -> Vec<usize> {
    let reactors = sharded.reactors().iter();
    reactors.map(|reactor| reactor.stats().watches).collect()
}

/// A timer that removes itself, and tells the thread that it fired on.
fn one_shot(sharded: &Arc<Sharded>) -> Receiver<ThreadId> {
    let (fired, firing) = channel();
    let reactors = Arc::downgrade(sharded);
    add_timer(sharded, move |timer| {
        let removed = reactors.upgrade().map(|it| it.remove_timeout(timer));
        assert!(matches!(removed, Some(Ok(()))));
        fired.send(thread::current().id()).unwrap();
    });
    firing
}

#[test]
fn an_add_goes_where_its_thread_says() {
    let sharded = two();
    let (socket, _peer) = UnixStream::pair().unwrap();
    let elsewhere = watch(&socket, &sharded);
    let (first, second) = sharded.on(1, || {
        let first = watch(&socket, &sharded);
        // One inside the other.
        sharded.on(0, || assert_eq!(sharded.here(), 0));
        (first, watch(&socket, &sharded))
    });
    assert_eq!(watches(&sharded), [1, 2]);
    // By id, from wherever.
    sharded.update_handle(second, HandleEvents::empty());
    for id in [first, second] {
        sharded.remove_handle(id).unwrap();
    }
    assert_eq!(watches(&sharded), [1, 0]);
    sharded.remove_handle(elsewhere).unwrap();
    assert!(sharded.remove_handle(elsewhere).is_err());
}

#[test]
fn every_id_belongs_to_a_reactor() {
    for reactors in [1, 2, 3, 5] {
        let sharded = Sharded::new(reactors).unwrap();
        for id in [1, 2, i32::MAX / 2, i32::MAX / 2 + 1, i32::MAX - 1, i32::MAX] {
            assert!(sharded.remove_timeout(TimerId::new(id).unwrap()).is_err());
        }
    }
}

#[test]
fn what_a_callback_adds_stays_with_its_reactor() {
    let sharded = two();
    let threads = driven(&sharded);
    let (added, adding) = channel();
    let reactors = Arc::downgrade(&sharded);
    let outer = sharded.on(1, || {
        add_timer(&sharded, move |timer| {
            let reactors = reactors.upgrade().unwrap();
            reactors.remove_timeout(timer).unwrap();
            let inner = one_shot(&reactors);
            added.send((thread::current().id(), inner)).unwrap();
        })
    });
    let (thread, inner) = receive(&adding);
    assert_eq!(receive(&inner), thread);
    assert!(sharded.remove_timeout(outer).is_err());
    // Not of a thread that has chosen nothing.
    assert_ne!(receive(&one_shot(&sharded)), thread);
    drop(threads);
}

/// A callback that says that it has been entered and stays until it is let go.
fn staying(sharded: &Sharded, entered: Sender<()>) -> (TimerId, Sender<()>) {
    let (let_go, waits) = channel();
    let timer = add_timer(sharded, move |_| {
        entered.send(()).unwrap();
        // Also when the other end is gone.
        let _ = waits.recv();
    });
    (timer, let_go)
}

/// Contract C2, which two reactors keep each and together do not.
#[test]
fn lost_callbacks_run_one_at_a_time() {
    let sharded = two();
    let (entered, entering) = channel();
    let stays = |shard| sharded.on(shard, || staying(&sharded, entered.clone()));
    let (both, let_go): (Vec<_>, Vec<_>) = [stays(0), stays(1)].into_iter().unzip();
    let threads = driven(&sharded);
    // Neither has returned when the other is entered.
    receive(&entering);
    receive(&entering);
    for timer in both {
        sharded.remove_timeout(timer).unwrap();
    }
    drop(let_go);
    drop(threads);
}

/// Contract C4: on the loop's thread a removal is the end. Here it comes from a
/// callback, which is on a loop's thread, and the removed callback is running.
#[test]
fn lost_removal_in_a_callback_is_final() {
    let sharded = two();
    let (entered, entering) = channel();
    let (victim, let_go) = sharded.on(1, || staying(&sharded, entered));
    let threads = driven(&sharded);
    receive(&entering);
    let (removed, removing) = channel();
    let reactors = Arc::downgrade(&sharded);
    add_timer(&sharded, move |timer| {
        let reactors = reactors.upgrade().unwrap();
        reactors.remove_timeout(timer).unwrap();
        removed.send(reactors.remove_timeout(victim)).unwrap();
    });
    receive(&removing).unwrap();
    // It still waits to be let go, in the middle of its call.
    let_go.send(()).unwrap();
    drop(threads);
}
