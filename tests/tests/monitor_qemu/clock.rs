//! A guest's clock, and the watchdog that it has to wind up.

use std::time::{SystemTime, UNIX_EPOCH};

use virt_event_monitor::EventKind;
use virt_event_monitor::domain::{LifecycleChange, SuspendedDetail, WatchdogAction};
use virt_event_tests::rig::{Hardware, Poke};

use crate::case::{Case, Producer};
use crate::scene::{Scene, next};

pub(crate) const CASE: Case = Case {
    name: "clock",
    producer: Producer::Guest,
    kinds: &[
        EventKind::Lifecycle,
        EventKind::RtcChange,
        EventKind::Watchdog,
    ],
    script,
};

/// The ports of the clock: which register, and its value.
const CLOCK_REGISTER: u16 = 0x70;
const CLOCK_VALUE: u16 = 0x71;
const YEAR: u8 = 0x09;

/// In seconds.
const ONE_YEAR: i64 = 31_556_952;

/// The port that winds the watchdog up, and the shortest time, none at all.
const WATCHDOG: u16 = 0x443;
const AT_ONCE: u8 = 0x0f;

fn script(scene: &mut Scene) {
    let (domain, mut console) = scene.guest(&Hardware {
        devices: "<watchdog model='ib700' action='pause'/><memballoon model='none'/>",
        ..Hardware::default()
    });
    // More than 68 years would be too much for QEMU.
    let year = (this_year() + 10) % 100;
    console.poke([
        Poke::Out8(CLOCK_REGISTER, YEAR),
        // Each half of the byte is a digit.
        Poke::Out8(CLOCK_VALUE, year / 10 * 16 + year % 10),
    ]);
    let offset = next!(scene, RtcChange).utc_offset;
    assert!(
        (8 * ONE_YEAR..12 * ONE_YEAR).contains(&offset),
        "{offset} s"
    );

    console.send(&Poke::Out8(WATCHDOG, AT_ONCE).bytes());
    assert_eq!(next!(scene, Watchdog).action, WatchdogAction::Pause);
    assert_eq!(
        scene.change(),
        LifecycleChange::Suspended(SuspendedDetail::Watchdog)
    );
    domain.destroy().unwrap();
}

/// The last two digits of this year; on the days around New Year, perhaps of
/// the one beside it.
fn this_year() -> u8 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let years = now.as_secs() / ONE_YEAR.unsigned_abs();
    u8::try_from((70 + years) % 100).unwrap()
}
