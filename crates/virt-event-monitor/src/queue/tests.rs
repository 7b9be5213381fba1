use std::task::{Context, Poll, Waker};

use super::*;

fn poll(queue: &Queue<u32>) -> Poll<Option<Result<u32, StreamError>>> {
    queue.poll(&mut Context::from_waker(Waker::noop()))
}

fn ready(event: Result<u32, StreamError>) -> Poll<Option<Result<u32, StreamError>>> {
    Poll::Ready(Some(event))
}

#[test]
fn what_is_lost_is_told_first_and_what_had_arrived_comes_before_the_end() {
    let queue = Queue::new(2);
    for event in 0..5 {
        queue.accept(event);
    }
    queue.connection_closed(CloseReason::Keepalive);
    assert!(!queue.is_ended());
    assert_eq!(poll(&queue), ready(Err(StreamError::Lagged(3))));
    assert_eq!(poll(&queue), ready(Ok(3)));
    assert_eq!(poll(&queue), ready(Ok(4)));
    let closed = StreamError::Closed(CloseReason::Keepalive);
    assert_eq!(poll(&queue), ready(Err(closed)));
    assert!(queue.is_ended());
    assert_eq!(poll(&queue), Poll::Ready(None));
    assert_eq!(poll(&queue), Poll::Ready(None));
}

#[test]
fn what_a_nested_turn_kept_back_still_comes_before_the_end() {
    let queue = Queue::new(8);
    queue.connection_closed(CloseReason::Eof);
    queue.accept(0);
    assert_eq!(poll(&queue), ready(Ok(0)));
    let closed = StreamError::Closed(CloseReason::Eof);
    assert_eq!(poll(&queue), ready(Err(closed)));
    queue.accept(1);
    assert_eq!(poll(&queue), Poll::Ready(None));
}

#[test]
fn losses_add_up_until_they_are_told() {
    let queue = Queue::new(1);
    queue.accept(0);
    queue.accept(1);
    queue.accept(2);
    assert_eq!(poll(&queue), ready(Err(StreamError::Lagged(2))));
    queue.accept(3);
    assert_eq!(poll(&queue), ready(Err(StreamError::Lagged(1))));
    assert_eq!(poll(&queue), ready(Ok(3)));
    assert_eq!(poll(&queue), Poll::Pending);
}

#[test]
fn the_first_reason_stays() {
    let queue = Queue::new(1);
    queue.connection_closed(CloseReason::Eof);
    queue.connection_closed(CloseReason::Error);
    let closed = StreamError::Closed(CloseReason::Eof);
    assert_eq!(poll(&queue), ready(Err(closed)));
}

#[test]
fn after_the_end_nothing_is_kept() {
    let queue = Queue::new(8);
    queue.accept(0);
    queue.end();
    queue.accept(1);
    assert_eq!(poll(&queue), Poll::Ready(None));
    assert!(queue.is_ended());
}
