//! Memory that comes in modules, that changes its size, and that fails.

use virt_event_monitor::EventKind;
use virt_event_monitor::domain::{MemoryFailureAction, MemoryFailureFlags, MemoryFailureRecipient};
use virt_event_tests::rig::{Guest, Hardware, Poke};

use crate::case::{Case, Producer};
use crate::pci::Slot;
use crate::scene::{NAME, Scene, next};
use crate::virtio::Modern;

pub(crate) const MODULE: Case = Case {
    name: "a_memory_module",
    producer: Producer::Guest,
    kinds: &[EventKind::Lifecycle, EventKind::DeviceRemovalFailed],
    script: module,
};

pub(crate) const DEVICE: Case = Case {
    name: "a_memory_device",
    producer: Producer::Guest,
    kinds: &[EventKind::Lifecycle, EventKind::MemoryDeviceSizeChange],
    script: device,
};

pub(crate) const FAILURE: Case = Case {
    name: "a_memory_failure",
    producer: Producer::Guest,
    kinds: &[
        EventKind::Lifecycle,
        EventKind::MemoryFailure,
        EventKind::Reboot,
    ],
    script: failure,
};

/// Room for memory beside the first 16 MiB. That asks for a node to put it in.
const ROOM: &str = "<maxMemory slots='1' unit='MiB'>1024</maxMemory>
    <cpu><numa><cell id='0' cpus='0' memory='16' unit='MiB'/></numa></cpu>";

fn module(scene: &mut Scene) {
    /// The ports of the machine for its modules: which one is meant, what the
    /// guest reports on, and how that went.
    const MODULE: u16 = 0xa00;
    const REPORT_ON: u16 = 0xa04;
    const REPORT: u16 = 0xa08;
    // As ACPI numbers them: the request to give a module up, and its refusal.
    const EJECTION: u32 = 0x103;
    const FAILURE: u32 = 1;

    let (_domain, mut console) = scene.guest(&Hardware {
        memory_mib: 16,
        domain: ROOM,
        devices: "<memballoon model='none'/>
                  <memory model='dimm'>
                    <target><size unit='MiB'>16</size><node>0</node></target>
                  </memory>",
    });
    console.poke([
        Poke::Out32(MODULE, 0),
        Poke::Out32(REPORT_ON, EJECTION),
        Poke::Out32(REPORT, FAILURE),
    ]);
    assert_eq!(next!(scene, DeviceRemovalFailed).device_alias, "dimm0");
}

fn device(scene: &mut Scene) {
    const DEVICE: Slot = Slot(8);
    /// Where QEMU puts what is beside the first memory.
    const ADDRESS: u64 = 4 << 30;

    let devices = format!(
        "<memballoon model='none'/>
         <memory model='virtio-mem'>
           <target>
             <size unit='MiB'>128</size><node>0</node>
             <block unit='MiB'>2</block><requested unit='MiB'>64</requested>
           </target>
           {}
         </memory>",
        DEVICE.xml()
    );
    let (_domain, mut console) = scene.guest(&Hardware {
        memory_mib: 16,
        domain: ROOM,
        devices: &devices,
    });
    console.poke(Modern(DEVICE).begin());
    console.poke(Modern(DEVICE).ask(1, &plugging(ADDRESS, 3), 10));
    let event = next!(scene, MemoryDeviceSizeChange);
    assert_eq!(event.device_alias, "virtiomem0");
    assert_eq!(event.size_kib, 3 * 2 * 1024);
}

/// `VIRTIO_MEM_REQ_PLUG`: the driver wants to use some blocks.
fn plugging(address: u64, blocks: u16) -> Vec<u8> {
    [
        [0; 8].as_slice(), // the number of the request, and a gap
        &address.to_le_bytes(),
        &blocks.to_le_bytes(),
        &[0; 6],
    ]
    .concat()
}

fn failure(scene: &mut Scene) {
    // Under software emulation QEMU does not hear of the host's failures, but
    // can be told to pretend one, which the guest is not ready for: processor,
    // bank, status (an uncorrected error of memory), global status, address,
    // kind of address.
    let failure = "mce 0 1 0xbd00000000000000 0x05 0x1000 0x8c";
    let (_domain, mut console) = scene.guest(&Hardware::default());
    scene
        .daemon
        .virsh(&["qemu-monitor-command", NAME, "--hmp", failure])
        .unwrap();
    let event = next!(scene, MemoryFailure);
    assert_eq!(event.recipient, MemoryFailureRecipient::Guest);
    assert_eq!(event.action, MemoryFailureAction::Reset);
    assert_eq!(event.flags, MemoryFailureFlags::empty());
    assert_eq!(next!(scene, Reboot).domain.name, NAME);
    console.wait_for(Guest::BANNER);
}
