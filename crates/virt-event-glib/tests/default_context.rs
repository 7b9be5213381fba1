//! The default main context, and the future that the crate's documentation
//! leads with. A process of its own, because the context is everybody's.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use virt_event::{EventImpl, Period, TimeoutCallback};
use virt_event_glib::Reactor;
use virt_event_glib::glib::{self, MainContext, MainLoop, Priority};

/// After this long the test has failed.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn a_stream_of_events_in_spawn_future_local() {
    let context = MainContext::default();
    let reactor = Reactor::new().unwrap();
    let driver = virt_event_glib::attach(&reactor, &context, Priority::DEFAULT).unwrap();
    let (sender, events) = async_channel::unbounded();
    let callback = TimeoutCallback::new(move |_| {
        let _ = sender.try_send(());
    });
    let timer = reactor.add_timeout(Period::millis(1), callback).unwrap();

    let main_loop = MainLoop::new(None, false);
    let label = Rc::new(Cell::new(0));
    glib::spawn_future_local({
        let (label, main_loop) = (Rc::clone(&label), main_loop.clone());
        async move {
            while let Ok(()) = events.recv().await {
                label.set(label.get() + 1);
                if label.get() == 3 {
                    main_loop.quit();
                }
            }
            // The callback is freed, and its sender with it.
            label.set(-1);
            main_loop.quit();
        }
    });
    glib::timeout_add_local_once(LIMIT, {
        let main_loop = main_loop.clone();
        move || main_loop.quit()
    });
    main_loop.run();
    assert!(label.get() >= 3);

    reactor.remove_timeout(timer).unwrap();
    main_loop.run();
    assert_eq!(label.get(), -1, "the stream has ended");
    driver.drain(LIMIT).unwrap();
}
