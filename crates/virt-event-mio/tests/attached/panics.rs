//! A callback that panics.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use virt_event::{EventImpl, Period, TimeoutCallback};
use virt_event_mio::{Reactor, Source, attach};

use crate::{Count, Host, LIBVIRT, PATIENCE, ready_watch};

/// What callbacks panic with; `resume_unwind` keeps the panic hook silent.
struct Payload;

/// A timer that panics whenever it fires.
fn panicking(reactor: &Reactor, period: Period) -> Count {
    let count = Count::default();
    let inside = count.clone();
    let callback = TimeoutCallback::new(move |_| {
        inside.up();
        resume_unwind(Box::new(Payload));
    });
    reactor.add_timeout(period, callback).unwrap();
    count
}

fn unwinds(source: &Source) -> bool {
    match catch_unwind(AssertUnwindSafe(|| source.dispatch())) {
        Ok(outcome) => {
            outcome.unwrap();
            false
        }
        Err(payload) => payload.is::<Payload>(),
    }
}

#[test]
fn c8_unwinds_out_of_dispatch_and_the_edge_is_not_lost() {
    let reactor = Reactor::new().unwrap();
    let mut host = Host::new();
    let (source, driver) = attach(&reactor, host.poll.registry(), LIBVIRT).unwrap();
    // Nothing but the level of this one asks for the next turn.
    let (_fd, _, watch) = ready_watch(&reactor);
    panicking(&reactor, Period::EVERY_ITERATION);
    for calls in 1..100 {
        assert!(host.fired(PATIENCE).contains(&LIBVIRT), "an edge was lost");
        assert!(unwinds(&source));
        assert_eq!(watch.get(), calls);
    }
    assert!(driver.is_attached());
}

#[test]
fn c8_a_timer_that_panics_now_and_then_disturbs_nobody() {
    let reactor = Reactor::new().unwrap();
    let mut host = Host::new();
    let (source, _driver) = attach(&reactor, host.poll.registry(), LIBVIRT).unwrap();
    let panics = panicking(&reactor, Period::millis(1));
    let mut unwound = 0;
    while unwound < 20 {
        assert!(host.fired(PATIENCE).contains(&LIBVIRT), "an edge was lost");
        unwound += usize::from(unwinds(&source));
    }
    assert_eq!(panics.get(), unwound);
}
