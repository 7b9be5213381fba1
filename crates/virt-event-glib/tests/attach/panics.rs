use std::sync::mpsc;

use virt_event::{EventImpl, Period, TimeoutCallback};
use virt_event_glib::glib::Priority;

use crate::support::{Attached, Count, EVERY_MILLI, driven, iterate_until, readable, timer, watch};

#[test]
fn a_panicking_callback_starves_nobody() {
    let (reactor, context, driver) = driven();
    let [panics, ticks, idles] = [0; 3].map(|_| Count::default());
    let (ours, _theirs) = readable();
    // It panics in every iteration.
    watch(&reactor, &ours, {
        let panics = panics.clone();
        move || {
            panics.up();
            panic!("a callback that always panics (on purpose)");
        }
    });
    timer(&reactor, EVERY_MILLI, ticks.counter());
    let _idle = Attached::always_ready(&context, Priority::DEFAULT, idles.counter());
    iterate_until(&context, "everybody", || {
        [&panics, &ticks, &idles].iter().all(|it| it.get() >= 5)
    });
    assert!(driver.is_attached());
    assert_eq!(driver.stats().watches, 1, "it stays registered");
}

/// Panics when it is dropped; the callback's, and the panic's.
struct Bomb(mpsc::Sender<()>);

impl Drop for Bomb {
    fn drop(&mut self) {
        let _ = self.0.send(());
        panic!("a drop that panics (on purpose)");
    }
}

#[test]
fn a_panicking_free_starves_nobody() {
    let (reactor, context, driver) = driven();
    let (sender, drops) = mpsc::channel();
    let callback = TimeoutCallback::with_state(Bomb(sender), |_, _| {});
    let id = reactor.add_timeout(Period::DISABLED, callback).unwrap();
    let ticks = Count::default();
    timer(&reactor, EVERY_MILLI, ticks.counter());
    reactor.remove_timeout(id).unwrap();
    iterate_until(&context, "ticks", || ticks.get() > 3);
    assert_eq!(drops.try_iter().count(), 1);
    assert_eq!(driver.stats().pending_frees, 0);
}

#[test]
fn what_a_panic_carries_is_not_dropped() {
    let (reactor, context, _driver) = driven();
    let (sender, drops) = mpsc::channel();
    let mut bomb = Some(Bomb(sender));
    let [calls, ticks] = [0; 2].map(|_| Count::default());
    timer(&reactor, EVERY_MILLI, {
        let calls = calls.clone();
        move || {
            calls.up();
            if let Some(bomb) = bomb.take() {
                std::panic::panic_any(bomb);
            }
        }
    });
    timer(&reactor, EVERY_MILLI, ticks.counter());
    iterate_until(&context, "ticks", || calls.get() > 1 && ticks.get() > 3);
    assert_eq!(drops.try_iter().count(), 0);
}

#[test]
fn a_panic_in_a_nested_loop_stays_there() {
    let (reactor, context, _driver) = driven();
    let [panics, ended] = [0; 2].map(|_| Count::default());
    timer(&reactor, EVERY_MILLI, {
        let (context, panics, ended) = (context.clone(), panics.clone(), ended.clone());
        move || {
            let before = panics.get();
            iterate_until(&context, "a panic inside", || panics.get() > before);
            ended.up();
        }
    });
    timer(&reactor, EVERY_MILLI, {
        let panics = panics.clone();
        move || {
            panics.up();
            panic!("inside a nested loop (on purpose)");
        }
    });
    iterate_until(&context, "the outer callback", || ended.get() > 2);
}
