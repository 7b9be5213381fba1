//! The agent in a guest, or what looks like one from outside.

use virt_event_monitor::EventKind;
use virt_event_monitor::domain::{AgentReason, AgentState};
use virt_event_tests::rig::Hardware;

use crate::case::{Case, Producer};
use crate::pci::Slot;
use crate::scene::{Scene, next};
use crate::virtio::Legacy;

pub(crate) const CASE: Case = Case {
    name: "agent",
    producer: Producer::Guest,
    kinds: &[EventKind::Lifecycle, EventKind::AgentLifecycle],
    script,
};

const CONTROLLER: Slot = Slot(8);
const PORT: u16 = 0xc800;

/// The queue in which the driver says what it does with the channels, and the
/// feature that there is one.
const CONTROL: u16 = 3;
const MULTIPORT: u32 = 1 << 1;

fn script(scene: &mut Scene) {
    let devices = format!(
        "<memballoon model='none'/>
         <controller type='virtio-serial' index='0'>{}</controller>
         <channel type='unix'>
           <target type='virtio' name='org.qemu.guest_agent.0'/>
           <address type='virtio-serial' port='1'/>
         </channel>",
        CONTROLLER.xml()
    );
    let (_domain, mut console) = scene.guest(&Hardware {
        memory_mib: 16,
        devices: &devices,
        ..Hardware::default()
    });
    let event = next!(scene, AgentLifecycle);
    assert_eq!(event.state, AgentState::Disconnected);
    assert_eq!(event.reason, AgentReason::DomainStarted);

    let (controller, pokes) = Legacy::at(CONTROLLER, PORT);
    console.poke(pokes);
    console.poke(controller.begin(MULTIPORT, CONTROL));
    for (turn, open, state) in [
        (1, true, AgentState::Connected),
        (2, false, AgentState::Disconnected),
    ] {
        console.poke(controller.ask(CONTROL, turn, &opening(1, open)));
        let event = next!(scene, AgentLifecycle);
        assert_eq!(event.state, state);
        assert_eq!(event.reason, AgentReason::Channel);
    }
}

/// `VIRTIO_CONSOLE_PORT_OPEN`: somebody in the guest has opened or closed a
/// channel.
fn opening(channel: u32, open: bool) -> Vec<u8> {
    const PORT_OPEN: u16 = 6;
    [
        channel.to_le_bytes().as_slice(),
        &PORT_OPEN.to_le_bytes(),
        &u16::from(open).to_le_bytes(),
    ]
    .concat()
}
