//! What the source does when GLib calls it. Nothing here unwinds: the caller
//! is C.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use glib::{ControlFlow, g_critical};
use virt_event_reactor::{Attachment, Turn, TurnError};

/// What GLib's log knows us by.
const LOG_DOMAIN: &str = "virt-event-glib";

/// Takes a turn, and says whether the source stays.
pub(crate) fn take(attachment: &Attachment) -> ControlFlow {
    match catch_unwind(AssertUnwindSafe(|| attachment.turn(Some(Duration::ZERO)))) {
        Ok(turned) => after(turned),
        Err(panic) => {
            // The panic hook has reported it, and the reactor has served
            // everybody else. What it carries may panic, too.
            mem::forget(panic);
            ControlFlow::Continue
        }
    }
}

/// Lets go of a source's attachment. If it held the last reference to a reactor
/// that was never installed, callbacks are freed here.
pub(crate) fn end(attachment: Box<Attachment>) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(attachment))) {
        mem::forget(panic);
    }
}

fn after(turned: Result<Turn, TurnError>) -> ControlFlow {
    match turned {
        // Whether more is pending, the descriptor says as well.
        Ok(_) => ControlFlow::Continue,
        // Another thread has got hold of the context while a turn is in
        // progress on the first. That is its owner's doing, and it passes.
        Err(TurnError::Busy) => ControlFlow::Continue,
        Err(TurnError::Detached) => ControlFlow::Break,
        // It would be the same the next time, and at once.
        Err(error) => {
            g_critical!(LOG_DOMAIN, "libvirt's events are not served: {error}");
            ControlFlow::Break
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::mpsc;

    use glib::LogLevels;

    use super::*;

    #[test]
    fn an_error_that_lasts_is_logged_and_ends_the_source() {
        let (sender, logged) = mpsc::channel();
        let handler = glib::log_set_handler(
            Some(LOG_DOMAIN),
            LogLevels::LEVEL_CRITICAL,
            false,
            false,
            move |_domain, _level, text| {
                let _ = sender.send(text.to_owned());
            },
        );
        let flow = after(Err(TurnError::Io(io::Error::other("no such descriptor"))));
        assert_eq!(flow, ControlFlow::Break);
        assert_eq!(
            logged.try_recv().as_deref(),
            Ok("libvirt's events are not served: cannot wait for events: no such descriptor")
        );

        assert_eq!(after(Err(TurnError::Forked)), ControlFlow::Break);
        assert!(logged.try_recv().is_ok_and(|text| text.contains("forked")));

        assert_eq!(after(Err(TurnError::Detached)), ControlFlow::Break);
        assert_eq!(after(Err(TurnError::Busy)), ControlFlow::Continue);
        assert_eq!(logged.try_recv().ok(), None);
        glib::log_remove_handler(Some(LOG_DOMAIN), handler);
    }
}
