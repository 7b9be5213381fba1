//! The source in a loop: whatever its data, and from any thread.

use std::cell::RefCell;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use calloop::{EventLoop, LoopHandle};
use virt_event::{EventImpl, Period};
use virt_event_calloop::{
    AttachError, Driver, InstallError, Reactor, Source, TurnError, attach, calloop, install,
};

use crate::{Count, PATIENCE, dispatch_until, timer, zero_timer};

/// `?` of anyhow and of a thread takes them.
const fn is_plain_error<E: std::error::Error + Send + Sync + 'static>() {}
const _: () = is_plain_error::<AttachError>();
const _: () = is_plain_error::<InstallError>();

const fn is_send<T: Send>() {}
const _: () = is_send::<Source>();
const _: () = is_send::<Driver>();

#[expect(dead_code, reason = "it only has to compile")]
fn question_marks(handle: &LoopHandle<'_, Rc<str>>) -> anyhow::Result<()> {
    attach(&Reactor::new()?, handle)?;
    install(handle)?;
    Ok(())
}

#[test]
fn data_may_borrow_and_need_not_be_send() {
    let reactor = Reactor::new().unwrap();
    let seen = RefCell::new(Vec::new());
    struct Data<'a>(&'a RefCell<Vec<u32>>, Rc<()>);
    let mut event_loop = EventLoop::<Data<'_>>::try_new().unwrap();
    let source = Source::new(&reactor).unwrap();
    event_loop
        .handle()
        .insert_source(source, |(), _, data| data.0.borrow_mut().push(1))
        .unwrap();
    let count = Count::default();
    let inside = count.clone();
    timer(&reactor, Period::millis(1), move || inside.up());

    let mut data = Data(&seen, Rc::new(()));
    dispatch_until(&mut event_loop, &mut data, |data| {
        count.get() >= 3 && data.0.borrow().len() >= 3
    });
    assert_eq!(Rc::strong_count(&data.1), 1);
}

#[test]
fn x1_a_change_on_another_thread_wakes_the_loop() {
    let reactor = Reactor::new().unwrap();
    let mut event_loop = EventLoop::<()>::try_new().unwrap();
    attach(&reactor, &event_loop.handle()).unwrap();
    let signal = event_loop.get_signal();
    let elsewhere = thread::spawn({
        let reactor = reactor.clone();
        move || {
            timer(&reactor, Period::millis(1), move || signal.stop());
        }
    });
    // Without limit: only the timer ends it.
    event_loop.run(None, &mut (), |()| {}).unwrap();
    elsewhere.join().unwrap();
}

#[test]
fn l1_a_signal_and_a_wake_end_a_dispatch() {
    let reactor = Reactor::new().unwrap();
    let mut event_loop = EventLoop::<()>::try_new().unwrap();
    let driver = attach(&reactor, &event_loop.handle()).unwrap();

    driver.wake();
    event_loop.dispatch(None, &mut ()).unwrap();
    assert_eq!(reactor.stats().turns, 1);

    let signal = event_loop.get_signal();
    let has_ended = Count::default();
    thread::scope(|scope| {
        scope.spawn(|| {
            // Until it counts: a run forgets a stop that came before it.
            while has_ended.get() == 0 {
                signal.stop();
                signal.wakeup();
                thread::yield_now();
            }
        });
        event_loop.run(None, &mut (), |()| {}).unwrap();
        has_ended.up();
    });
}

#[test]
fn t2_a_deadline_is_kept_whatever_the_dispatch_timeout() {
    let reactor = Reactor::new().unwrap();
    let mut event_loop = EventLoop::<()>::try_new().unwrap();
    attach(&reactor, &event_loop.handle()).unwrap();
    let count = Count::default();
    let inside = count.clone();
    let start = Instant::now();
    timer(&reactor, Period::millis(30), move || inside.up());
    while count.get() == 0 && start.elapsed() < PATIENCE {
        event_loop.dispatch(PATIENCE, &mut ()).unwrap();
    }
    assert!(start.elapsed() >= Duration::from_millis(30));
    assert!(start.elapsed() < PATIENCE);
}

#[test]
fn c7_a_callback_turns_the_reactor() {
    let reactor = Reactor::new().unwrap();
    let mut event_loop = EventLoop::<()>::try_new().unwrap();
    let driver = attach(&reactor, &event_loop.handle()).unwrap();
    let others = zero_timer(&reactor);
    let nested = Count::default();
    let (outer, inner) = (nested.clone(), others.clone());
    let timer = timer(&reactor, Period::millis(1), move || {
        let before = inner.get();
        let end = Instant::now() + PATIENCE;
        while inner.get() == before && Instant::now() < end {
            let _ = driver.reactor().turn(Some(Duration::ZERO)).unwrap();
        }
        assert_ne!(inner.get(), before);
        outer.up();
    });
    dispatch_until(&mut event_loop, &mut (), |()| nested.get() >= 2);
    // It holds the driver, which holds the reactor, which holds it.
    reactor.remove_timeout(timer).unwrap();
    event_loop.dispatch(Duration::ZERO, &mut ()).unwrap();
}

#[test]
fn l5_only_the_driver_turns() {
    let reactor = Reactor::new().unwrap();
    let event_loop = EventLoop::<()>::try_new().unwrap();
    attach(&reactor, &event_loop.handle()).unwrap();
    assert!(matches!(
        reactor.turn(Some(Duration::ZERO)),
        Err(TurnError::Attached)
    ));
    assert!(matches!(
        attach(&reactor, &event_loop.handle()),
        Err(AttachError::Reactor(
            virt_event_reactor::AttachError::AlreadyAttached
        ))
    ));
    assert!(virt_event_loop::EventLoop::attach(&reactor).is_err());
}

#[test]
fn a_refused_insertion_leaves_no_driver_and_a_loop_that_works() {
    let reactor = Reactor::new().unwrap();
    let mut event_loop = EventLoop::<()>::try_new().unwrap();
    // The reactor watches the loop that is to watch the reactor: no kernel
    // takes that.
    let watch = reactor
        .add_handle(
            std::os::fd::AsRawFd::as_raw_fd(&event_loop),
            virt_event::HandleEvents::READABLE,
            virt_event::HandleCallback::new(|_, _, _| {}),
        )
        .unwrap();
    assert!(matches!(
        attach(&reactor, &event_loop.handle()),
        Err(AttachError::Insert(_))
    ));
    event_loop.dispatch(Duration::ZERO, &mut ()).unwrap();

    reactor.remove_handle(watch).unwrap();
    attach(&reactor, &event_loop.handle()).unwrap();
    let count = zero_timer(&reactor);
    dispatch_until(&mut event_loop, &mut (), |()| count.get() > 0);
}
