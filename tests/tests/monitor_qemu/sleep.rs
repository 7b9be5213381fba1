//! A guest's power management puts it to sleep.

use virt_event_monitor::EventKind;
use virt_event_monitor::domain::{
    LifecycleChange, PmSuspendedDetail, ShutdownDetail, StartedDetail, StoppedDetail,
};
use virt_event_tests::rig::{Hardware, Poke};

use crate::case::{Case, Producer};
use crate::scene::{Scene, next};

pub(crate) const CASE: Case = Case {
    name: "sleep",
    producer: Producer::Guest,
    kinds: &[
        EventKind::Lifecycle,
        EventKind::PmSuspend,
        EventKind::PmWakeup,
        EventKind::PmSuspendDisk,
    ],
    script,
};

const PM: &str = "<pm><suspend-to-mem enabled='yes'/><suspend-to-disk enabled='yes'/></pm>";

/// The control register of the machine's power management, the bit that makes
/// the guest sleep, and how deep.
const CONTROL: u16 = 0x604;
const SLEEP: u16 = 1 << 13;
const TO_MEMORY: u16 = 1 << 10;
const TO_DISK: u16 = 2 << 10;

fn script(scene: &mut Scene) {
    let (domain, console) = scene.guest(&Hardware {
        domain: PM,
        ..Hardware::default()
    });
    console.send(&Poke::Out16(CONTROL, SLEEP | TO_MEMORY).bytes());
    assert_eq!(next!(scene, PmSuspend).reason, 0);
    assert_eq!(
        scene.change(),
        LifecycleChange::PmSuspended(PmSuspendedDetail::Memory)
    );
    domain.pm_wakeup(0).unwrap();
    assert_eq!(next!(scene, PmWakeup).reason, 0);
    assert_eq!(
        scene.change(),
        LifecycleChange::Started(StartedDetail::Wakeup)
    );

    // It has no way to go on, so this one ends.
    domain.destroy().unwrap();
    scene.until(LifecycleChange::Stopped(StoppedDetail::Destroyed));
    let console = scene.start(&domain);
    console.send(&Poke::Out16(CONTROL, SLEEP | TO_DISK).bytes());
    assert_eq!(next!(scene, PmSuspendDisk).reason, 0);
    for change in [
        LifecycleChange::PmSuspended(PmSuspendedDetail::Disk),
        LifecycleChange::Shutdown(ShutdownDetail::Guest),
        LifecycleChange::Stopped(StoppedDetail::Shutdown),
    ] {
        assert_eq!(scene.change(), change);
    }
}
