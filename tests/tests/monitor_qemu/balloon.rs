//! A guest gives memory back.

use virt_event_monitor::EventKind;
use virt_event_tests::rig::Hardware;

use crate::case::{Case, Producer};
use crate::pci::Slot;
use crate::scene::{Scene, next};
use crate::virtio::Legacy;

pub(crate) const CASE: Case = Case {
    name: "balloon",
    producer: Producer::Guest,
    kinds: &[EventKind::Lifecycle, EventKind::BalloonChange],
    script,
};

const BALLOON: Slot = Slot(8);
const PORT: u16 = 0xc800;

/// The field in which the driver says how many pages, of 4 KiB, it has given.
const GIVEN: u16 = 4;

fn script(scene: &mut Scene) {
    let device = format!("<memballoon model='virtio'>{}</memballoon>", BALLOON.xml());
    let (_domain, mut console) = scene.guest(&Hardware {
        memory_mib: 16,
        devices: &device,
        ..Hardware::default()
    });
    let (balloon, pokes) = Legacy::at(BALLOON, PORT);
    console.poke(pokes);
    console.poke([balloon.configure(GIVEN, 256)]);
    assert_eq!(next!(scene, BalloonChange).actual_kib, 15 * 1024);
}
