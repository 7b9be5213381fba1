//! A GLib main context as the loop of the real libvirt.

use std::process;
use std::sync::{Arc, mpsc};
use std::thread::{self, ThreadId};
use std::time::Duration;

use virt::connect::Connect;
use virt_event::{EventImpl, Period, TimeoutCallback};
use virt_event_glib::glib::{self, MainContext, MainLoop, Priority};
use virt_event_glib::{InstallError, Reactor};
use virt_event_libvirt::LibvirtImpl;

/// After this long the test has failed.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn libvirt_is_served_by_one_context_after_another() {
    let context = new_context();
    let driver = virt_event_glib::install(&context, Priority::DEFAULT).unwrap();
    let installed = Reactor::installed().unwrap();
    assert!(Arc::ptr_eq(&installed, driver.reactor()));
    assert_eq!(tick_on(&context), thread::current().id());

    // One driver at a time.
    let second = new_context();
    let refused = virt_event_glib::install(&second, Priority::DEFAULT);
    assert!(matches!(refused, Err(InstallError::Attach(_))));

    // What is registered through libvirt's own functions arrives here.
    let through_libvirt = LibvirtImpl::registered().unwrap();
    let (sender, called_on) = mpsc::channel();
    let callback = TimeoutCallback::new(move |_| {
        let _ = sender.send(thread::current().id());
    });
    let timer = through_libvirt
        .add_timeout(Period::millis(1), callback)
        .unwrap();
    assert_eq!(driver.stats().timers, 1);
    let served = loop {
        context.iteration(true);
        if let Ok(thread) = called_on.try_recv() {
            break thread;
        }
    };
    assert_eq!(served, thread::current().id());
    through_libvirt.remove_timeout(timer).unwrap();

    let connection = Connect::open(Some("test:///default")).unwrap();
    assert!(connection.is_alive().unwrap());
    drop(connection);
    driver.drain(LIMIT).unwrap();

    // The context that is freed makes way for the next.
    drop(context);
    assert!(!driver.is_attached());
    let driver = virt_event_glib::install(&second, Priority::DEFAULT).unwrap();
    assert!(Arc::ptr_eq(&installed, driver.reactor()));
    assert_eq!(tick_on(&second), thread::current().id());
    driver.drain(LIMIT).unwrap();
}

/// A context in which nobody waits in vain for ever.
fn new_context() -> MainContext {
    let context = MainContext::new();
    let alarm = glib::timeout_source_new(LIMIT, None, Priority::HIGH, || {
        eprintln!("in vain");
        process::abort();
    });
    alarm.attach(Some(&context));
    context
}

/// Runs the context until a timer has been called, and says on which thread.
fn tick_on(context: &MainContext) -> ThreadId {
    let main_loop = MainLoop::new(Some(context), false);
    let (sender, called_on) = mpsc::channel();
    let timer = virt_event::add_timeout(Period::millis(1), {
        let main_loop = main_loop.clone();
        move || {
            let _ = sender.send(thread::current().id());
            main_loop.quit();
        }
    });
    main_loop.run();
    drop(timer.unwrap());
    called_on.try_recv().unwrap()
}
