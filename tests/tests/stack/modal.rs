//! A modal dialog of a GTK program: a main loop inside a callback.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use glib::MainLoop;
use virt_event_examples::host_loop::LoopKind;
use virt_event_monitor::domain::Lifecycle;
use virt_event_tests::rig::{RigError, wait_until};

use crate::client::{Client, DOMAIN, EVENTS_OF_A_CHANGE, LIMIT, change, daemon, idle};
use crate::scene::{Form, Forms, Played, Scene, scene};
use crate::stage::Stage;

pub(crate) const SCENES: &[Scene] = &[scene!(
    modal::longer_than_keepalive,
    &[LoopKind::Glib],
    Forms::USUAL
)];

/// An event opens a dialog, which is open for longer than a connection may be
/// silent. Meanwhile other connections have their events, and all give signs of
/// life; the callback's own connection, whose events libvirt keeps back until
/// the callback returns, has missed nothing then.
fn longer_than_keepalive(kind: LoopKind, form: Form) -> Played {
    let open_for = form.choose(LIMIT * 3 / 2, LIMIT * 10);
    let daemon = daemon()?;
    let uri = daemon.test_uri();
    let mut stage = Stage::new(kind)?;
    stage.beside(move || {
        let clients = [Client::kept_alive(&uri)?, Client::kept_alive(&uri)?];
        let [own, other] = &clients;
        let dialog = Arc::new(Dialog::default());
        let shown = Arc::clone(&dialog);
        let opens = own.monitor().subscribe::<Lifecycle>();
        let opens = opens.callback(move |_| shown.show())?;
        let seen = Arc::clone(&dialog);
        let sees = other.monitor().subscribe::<Lifecycle>();
        let sees = sees.callback(move |_| seen.note())?;

        let domain = other.domain(DOMAIN)?;
        change(&domain)?;
        let closes = dialog.closes();
        dialog.wait_until_open()?;
        // All of the first change is heard by now, or will be in the dialog.
        other.wait_for(DOMAIN, EVENTS_OF_A_CHANGE)?;
        let before = dialog.events();
        change(&domain)?;
        dialog.wait_for(before + EVENTS_OF_A_CHANGE)?;
        let own_before = own.heard();
        idle(&clients, open_for)?;
        change(&domain)?;
        dialog.wait_for(before + 2 * EVENTS_OF_A_CHANGE)?;
        assert_eq!(own.heard(), own_before, "libvirt keeps them back");

        drop(closes);
        for client in &clients {
            client.wait_for(DOMAIN, 3 * EVENTS_OF_A_CHANGE)?;
            client.connection().hostname()?;
        }
        drop((opens, sees));
        Ok(())
    })?;
    stage.end();
    Ok(())
}

/// Opened once.
#[derive(Default)]
struct Dialog {
    main_loop: OnceLock<MainLoop>,
    is_open: AtomicBool,
    /// How many events came while it was open.
    events: AtomicUsize,
}

impl Dialog {
    /// Opens it, if it never was open, and returns when it is closed.
    fn show(&self) {
        let mut is_new = false;
        let main_loop = self.main_loop.get_or_init(|| {
            is_new = true;
            // On the context that the program runs, as GTK does.
            MainLoop::new(None, false)
        });
        if is_new {
            self.is_open.store(true, Ordering::SeqCst);
            main_loop.run();
            self.is_open.store(false, Ordering::SeqCst);
        }
    }

    fn note(&self) {
        if self.is_open.load(Ordering::SeqCst) {
            self.events.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn wait_until_open(&self) -> Result<(), RigError> {
        wait_until("the dialog is open", || self.is_open.load(Ordering::SeqCst))
    }

    fn events(&self) -> usize {
        self.events.load(Ordering::SeqCst)
    }

    /// Waits until there have been as many events inside it.
    fn wait_for(&self, events: usize) -> Result<(), RigError> {
        let what = format!("{events} events in the dialog");
        wait_until(&what, || self.events() >= events)?;
        assert_eq!(self.events(), events, "events in the dialog");
        Ok(())
    }

    /// What closes it when it is dropped, also if the scene fails.
    fn closes(self: &Arc<Self>) -> Closes {
        Closes(Arc::clone(self))
    }
}

struct Closes(Arc<Dialog>);

impl Drop for Closes {
    fn drop(&mut self) {
        if let Some(main_loop) = self.0.main_loop.get() {
            // Not before it runs.
            let quits = main_loop.clone();
            let quit = glib::idle_source_new(None, glib::Priority::DEFAULT, move || {
                quits.quit();
                glib::ControlFlow::Break
            });
            quit.attach(Some(&main_loop.context()));
        }
    }
}
