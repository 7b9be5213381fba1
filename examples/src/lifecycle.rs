//! A change in the life of a domain, in words.

use std::fmt;

use virt::sys;

/// One lifecycle event, as libvirt sends it.
///
/// Displayed as `NAME: EVENT (DETAIL)`, such as `test: suspended (paused)`.
/// Numbers that this program has no word for are shown as they are, because
/// another libvirt may know more than we do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifecycleEvent {
    /// The name of the domain.
    pub domain: String,
    /// One of `VIR_DOMAIN_EVENT_…`.
    pub event: i32,
    /// One of `VIR_DOMAIN_EVENT_<event>_…`; its meaning depends on `event`.
    pub detail: i32,
}

impl fmt::Display for LifecycleEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.domain)?;
        match event_word(self.event) {
            Some(word) => f.write_str(word)?,
            None => write!(f, "event {}", self.event)?,
        }
        match detail_word(self.event, self.detail) {
            Some(word) => write!(f, " ({word})"),
            None => write!(f, " (detail {})", self.detail),
        }
    }
}

fn event_word(event: i32) -> Option<&'static str> {
    Some(match u32::try_from(event).ok()? {
        sys::VIR_DOMAIN_EVENT_DEFINED => "defined",
        sys::VIR_DOMAIN_EVENT_UNDEFINED => "undefined",
        sys::VIR_DOMAIN_EVENT_STARTED => "started",
        sys::VIR_DOMAIN_EVENT_SUSPENDED => "suspended",
        sys::VIR_DOMAIN_EVENT_RESUMED => "resumed",
        sys::VIR_DOMAIN_EVENT_STOPPED => "stopped",
        sys::VIR_DOMAIN_EVENT_SHUTDOWN => "shut down",
        sys::VIR_DOMAIN_EVENT_PMSUSPENDED => "asleep",
        sys::VIR_DOMAIN_EVENT_CRASHED => "crashed",
        _ => return None,
    })
}

fn detail_word(event: i32, detail: i32) -> Option<&'static str> {
    let detail = u32::try_from(detail).ok()?;
    match u32::try_from(event).ok()? {
        sys::VIR_DOMAIN_EVENT_DEFINED => defined(detail),
        sys::VIR_DOMAIN_EVENT_UNDEFINED => undefined(detail),
        sys::VIR_DOMAIN_EVENT_STARTED => started(detail),
        sys::VIR_DOMAIN_EVENT_SUSPENDED => suspended(detail),
        sys::VIR_DOMAIN_EVENT_RESUMED => resumed(detail),
        sys::VIR_DOMAIN_EVENT_STOPPED => stopped(detail),
        sys::VIR_DOMAIN_EVENT_SHUTDOWN => shutdown(detail),
        sys::VIR_DOMAIN_EVENT_PMSUSPENDED => asleep(detail),
        sys::VIR_DOMAIN_EVENT_CRASHED => crashed(detail),
        _ => None,
    }
}

fn defined(detail: u32) -> Option<&'static str> {
    Some(match detail {
        sys::VIR_DOMAIN_EVENT_DEFINED_ADDED => "added",
        sys::VIR_DOMAIN_EVENT_DEFINED_UPDATED => "updated",
        sys::VIR_DOMAIN_EVENT_DEFINED_RENAMED => "renamed",
        sys::VIR_DOMAIN_EVENT_DEFINED_FROM_SNAPSHOT => "from snapshot",
        _ => return None,
    })
}

fn undefined(detail: u32) -> Option<&'static str> {
    Some(match detail {
        sys::VIR_DOMAIN_EVENT_UNDEFINED_REMOVED => "removed",
        sys::VIR_DOMAIN_EVENT_UNDEFINED_RENAMED => "renamed",
        _ => return None,
    })
}

fn started(detail: u32) -> Option<&'static str> {
    Some(match detail {
        sys::VIR_DOMAIN_EVENT_STARTED_BOOTED => "booted",
        sys::VIR_DOMAIN_EVENT_STARTED_MIGRATED => "migrated",
        sys::VIR_DOMAIN_EVENT_STARTED_RESTORED => "restored",
        sys::VIR_DOMAIN_EVENT_STARTED_FROM_SNAPSHOT => "from snapshot",
        sys::VIR_DOMAIN_EVENT_STARTED_WAKEUP => "woken up",
        sys::VIR_DOMAIN_EVENT_STARTED_RECREATED => "recreated",
        _ => return None,
    })
}

fn suspended(detail: u32) -> Option<&'static str> {
    Some(match detail {
        sys::VIR_DOMAIN_EVENT_SUSPENDED_PAUSED => "paused",
        sys::VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED => "migrated",
        sys::VIR_DOMAIN_EVENT_SUSPENDED_IOERROR => "I/O error",
        sys::VIR_DOMAIN_EVENT_SUSPENDED_WATCHDOG => "watchdog",
        sys::VIR_DOMAIN_EVENT_SUSPENDED_RESTORED => "restored",
        sys::VIR_DOMAIN_EVENT_SUSPENDED_FROM_SNAPSHOT => "from snapshot",
        sys::VIR_DOMAIN_EVENT_SUSPENDED_API_ERROR => "API error",
        sys::VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY => "post-copy migration",
        sys::VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY_FAILED => "post-copy migration failed",
        sys::VIR_DOMAIN_EVENT_SUSPENDED_GUEST_SHUTDOWN => "guest shut down",
        _ => return None,
    })
}

fn resumed(detail: u32) -> Option<&'static str> {
    Some(match detail {
        sys::VIR_DOMAIN_EVENT_RESUMED_UNPAUSED => "unpaused",
        sys::VIR_DOMAIN_EVENT_RESUMED_MIGRATED => "migrated",
        sys::VIR_DOMAIN_EVENT_RESUMED_FROM_SNAPSHOT => "from snapshot",
        sys::VIR_DOMAIN_EVENT_RESUMED_POSTCOPY => "post-copy migration",
        sys::VIR_DOMAIN_EVENT_RESUMED_POSTCOPY_FAILED => "post-copy migration failed",
        _ => return None,
    })
}

fn stopped(detail: u32) -> Option<&'static str> {
    Some(match detail {
        sys::VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN => "shut down",
        sys::VIR_DOMAIN_EVENT_STOPPED_DESTROYED => "destroyed",
        sys::VIR_DOMAIN_EVENT_STOPPED_CRASHED => "crashed",
        sys::VIR_DOMAIN_EVENT_STOPPED_MIGRATED => "migrated",
        sys::VIR_DOMAIN_EVENT_STOPPED_SAVED => "saved",
        sys::VIR_DOMAIN_EVENT_STOPPED_FAILED => "failed",
        sys::VIR_DOMAIN_EVENT_STOPPED_FROM_SNAPSHOT => "from snapshot",
        sys::VIR_DOMAIN_EVENT_STOPPED_RECREATED => "recreated",
        _ => return None,
    })
}

fn shutdown(detail: u32) -> Option<&'static str> {
    Some(match detail {
        sys::VIR_DOMAIN_EVENT_SHUTDOWN_FINISHED => "finished",
        sys::VIR_DOMAIN_EVENT_SHUTDOWN_GUEST => "by the guest",
        sys::VIR_DOMAIN_EVENT_SHUTDOWN_HOST => "by the host",
        _ => return None,
    })
}

fn asleep(detail: u32) -> Option<&'static str> {
    Some(match detail {
        sys::VIR_DOMAIN_EVENT_PMSUSPENDED_MEMORY => "to memory",
        sys::VIR_DOMAIN_EVENT_PMSUSPENDED_DISK => "to disk",
        _ => return None,
    })
}

fn crashed(detail: u32) -> Option<&'static str> {
    Some(match detail {
        sys::VIR_DOMAIN_EVENT_CRASHED_PANICKED => "panicked",
        sys::VIR_DOMAIN_EVENT_CRASHED_CRASHLOADED => "crash kernel loaded",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(event: i32, detail: i32) -> String {
        let domain = "vm".to_owned();
        LifecycleEvent {
            domain,
            event,
            detail,
        }
        .to_string()
    }

    #[test]
    fn known_numbers_are_words() {
        // The numbers are libvirt's ABI, from libvirt-domain.h.
        assert_eq!(shown(0, 1), "vm: defined (updated)");
        assert_eq!(shown(2, 0), "vm: started (booted)");
        assert_eq!(shown(3, 0), "vm: suspended (paused)");
        assert_eq!(shown(4, 0), "vm: resumed (unpaused)");
        assert_eq!(shown(5, 1), "vm: stopped (destroyed)");
        assert_eq!(shown(6, 2), "vm: shut down (by the host)");
        assert_eq!(shown(8, 1), "vm: crashed (crash kernel loaded)");
    }

    #[test]
    fn unknown_numbers_are_kept() {
        assert_eq!(shown(9, 3), "vm: event 9 (detail 3)");
        assert_eq!(shown(3, 77), "vm: suspended (detail 77)");
        assert_eq!(shown(-1, -2), "vm: event -1 (detail -2)");
        assert_eq!(shown(1, -1), "vm: undefined (detail -1)");
    }

    #[test]
    fn details_have_no_gaps() {
        for (event, details) in [4, 2, 6, 10, 5, 8, 3, 2, 2].into_iter().enumerate() {
            let event = event as i32;
            assert!(event_word(event).is_some(), "{event}");
            for detail in 0..details {
                assert!(detail_word(event, detail).is_some(), "{event} {detail}");
            }
            assert_eq!(detail_word(event, details), None, "{event}");
        }
    }
}
