//! Inside a `gio::Application`, which runs the default main context itself. It
//! needs neither a display nor D-Bus.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use gio::prelude::*;
use gio::{Application, ApplicationFlags};
use virt_event::{EventImpl, Period, TimeoutCallback};
use virt_event_glib::Reactor;
use virt_event_glib::glib::{self, ExitCode, MainContext, Priority};

/// After this long the test has failed.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn an_application_serves_the_reactor_and_an_event_quits_it() {
    let reactor = Reactor::new().unwrap();
    let driver =
        virt_event_glib::attach(&reactor, &MainContext::default(), Priority::DEFAULT).unwrap();
    let (sender, events) = async_channel::unbounded();
    let callback = TimeoutCallback::new(move |_| {
        let _ = sender.try_send(());
    });
    let timer = reactor.add_timeout(Period::millis(1), callback).unwrap();

    let application = Application::new(
        Some("org.example.VirtEventGlib"),
        ApplicationFlags::NON_UNIQUE,
    );
    let seen = Rc::new(Cell::new(0));
    application.connect_activate({
        let seen = Rc::clone(&seen);
        move |application| {
            // There is no window to keep it running.
            let hold = application.hold();
            let (application, seen) = (application.clone(), Rc::clone(&seen));
            let events = events.clone();
            glib::spawn_future_local(async move {
                let _hold = hold;
                while seen.get() < 3 && events.recv().await.is_ok() {
                    seen.set(seen.get() + 1);
                }
                application.quit();
            });
        }
    });
    glib::timeout_add_local_once(LIMIT, {
        let application = application.clone();
        move || application.quit()
    });
    let code = application.run_with_args::<&str>(&[]);
    assert_eq!(code, ExitCode::SUCCESS);
    assert_eq!(seen.get(), 3);

    reactor.remove_timeout(timer).unwrap();
    driver.drain(LIMIT).unwrap();
}
