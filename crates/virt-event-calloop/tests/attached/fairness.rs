//! The source beside others that always have something to do.

use std::time::Duration;

use calloop::EventLoop;
use calloop::channel;
use calloop::ping::make_ping;
use calloop::timer::{TimeoutAction, Timer};
use virt_event::Period;
use virt_event_calloop::{Reactor, attach, calloop};

use crate::{Count, dispatch_until, ready_watch, timer, zero_timer};

const OFTEN: usize = 200;

#[derive(Default)]
struct Data {
    pings: usize,
    timers: usize,
    idles: usize,
}

#[test]
fn busy_sources_and_a_busy_libvirt_all_proceed() {
    let reactor = Reactor::new().unwrap();
    let (_fd, watch) = ready_watch(&reactor);
    let zero = zero_timer(&reactor);
    let late = Count::default();
    let inside = late.clone();
    timer(&reactor, Period::millis(1), move || inside.up());

    let mut event_loop = EventLoop::<Data>::try_new().unwrap();
    let handle = event_loop.handle();
    let (ping, pinged) = make_ping().unwrap();
    ping.ping();
    handle
        .insert_source(pinged, move |(), _, data| {
            data.pings += 1;
            ping.ping();
        })
        .unwrap();
    attach(&reactor, &handle).unwrap();
    handle
        .insert_source(Timer::immediate(), |_, _, data| {
            data.timers += 1;
            TimeoutAction::ToDuration(Duration::ZERO)
        })
        .unwrap();

    let mut data = Data::default();
    dispatch_until(&mut event_loop, &mut data, |data| {
        handle.insert_idle(|data| data.idles += 1);
        let counts = [watch.get(), zero.get(), data.pings, data.timers, data.idles];
        counts.iter().all(|&count| count >= OFTEN) && late.get() >= 3
    });
}

#[test]
fn a_turn_ends_after_its_budget() {
    let reactor = Reactor::new().unwrap();
    let zero = zero_timer(&reactor);
    let mut event_loop = EventLoop::<()>::try_new().unwrap();
    let driver = attach(&reactor, &event_loop.handle()).unwrap();
    driver.set_budget(7.try_into().unwrap());
    for calls in [7, 14, 21] {
        event_loop.dispatch(None, &mut ()).unwrap();
        assert_eq!(zero.get(), calls);
    }
}

#[test]
fn what_callbacks_send_arrives_with_the_data() {
    let reactor = Reactor::new().unwrap();
    let mut event_loop = EventLoop::<Vec<usize>>::try_new().unwrap();
    attach(&reactor, &event_loop.handle()).unwrap();
    let (sender, receiver) = channel::channel();
    event_loop
        .handle()
        .insert_source(receiver, |event, _, data| {
            if let channel::Event::Msg(number) = event {
                data.push(number);
            }
        })
        .unwrap();
    let mut next = 0;
    timer(&reactor, Period::EVERY_ITERATION, move || {
        sender.send(next).unwrap();
        next += 1;
    });
    let mut data = Vec::new();
    dispatch_until(&mut event_loop, &mut data, |data| data.len() >= OFTEN);
    assert!(data.iter().copied().eq(0..data.len()));
}
