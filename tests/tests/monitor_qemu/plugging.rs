//! Devices that come and go, and limits that are changed, while a guest runs.

use std::fs;

use virt::sys;
use virt_event_monitor::EventKind;
use virt_event_monitor::domain::{
    DiskChangeReason, LifecycleChange, StoppedDetail, TrayChangeReason, TypedValue,
};
use virt_event_tests::rig::Hardware;

use crate::case::{Case, Producer};
use crate::pci::Slot;
use crate::scene::{NAME, Scene, next};

pub(crate) const DISK: Case = Case {
    name: "a_disk",
    producer: Producer::Guest,
    kinds: &[
        EventKind::Lifecycle,
        EventKind::DeviceAdded,
        EventKind::DeviceRemoved,
        EventKind::Tunable,
    ],
    script: disk,
};

pub(crate) const CDROM: Case = Case {
    name: "a_cdrom",
    producer: Producer::Guest,
    kinds: &[
        EventKind::Lifecycle,
        EventKind::TrayChange,
        EventKind::DiskChange,
    ],
    script: cdrom,
};

fn disk(scene: &mut Scene) {
    const SLOT: Slot = Slot(8);
    const ALIAS: &str = "virtio-disk0";

    let file = scene.zeros("disk", 1 << 20);
    let disk = format!(
        "<disk type='file' device='disk'>
           <driver name='qemu' type='raw'/>
           <source file='{file}'/>
           <target dev='vda' bus='virtio'/>
           {}
         </disk>",
        SLOT.xml()
    );
    let (domain, mut console) = scene.guest(&Hardware::default());
    domain.attach_device(&disk).unwrap();
    assert_eq!(next!(scene, DeviceAdded).device_alias, ALIAS);

    let limit = ["--total-bytes-sec", "1000000"];
    let tune = [["blkdeviotune", NAME].as_slice(), &["vda"], &limit].concat();
    scene.daemon.virsh(&tune).unwrap();
    let params = next!(scene, Tunable).params;
    let params: Vec<_> = params
        .iter()
        .map(|it| (it.name.as_str(), &it.value))
        .collect();
    let vda = TypedValue::String("vda".to_owned());
    let limit = TypedValue::Ullong(1_000_000);
    assert_eq!(
        params,
        [
            ("blkdeviotune.disk", &vda),
            ("blkdeviotune.total_bytes_sec", &limit)
        ]
    );

    // The call that the bindings have waits some seconds for the guest.
    let detach = ["detach-device-alias", NAME, ALIAS, "--live"];
    scene.daemon.virsh(&detach).unwrap();
    console.poke([SLOT.eject()]);
    assert_eq!(next!(scene, DeviceRemoved).device_alias, ALIAS);
}

fn cdrom(scene: &mut Scene) {
    const ALIAS: &str = "ide0-1-0";

    let file = scene.zeros("cd", 1 << 16);
    let cdrom = |source: &str| {
        format!(
            "<disk type='file' device='cdrom'>
               {source}<target dev='hdc' bus='ide'/><readonly/>
             </disk>"
        )
    };
    let full = cdrom(&format!("<source file='{file}' startupPolicy='optional'/>"));
    let (domain, console) = scene.guest(&Hardware {
        devices: &format!("<memballoon model='none'/>{full}"),
        ..Hardware::default()
    });
    for (device, reason) in [
        (cdrom(""), TrayChangeReason::Open),
        (full, TrayChangeReason::Close),
    ] {
        let live = sys::VIR_DOMAIN_DEVICE_MODIFY_LIVE;
        domain.update_device_flags(&device, live).unwrap();
        let event = next!(scene, TrayChange);
        assert_eq!(event.device_alias, ALIAS);
        assert_eq!(event.reason, reason);
    }

    drop(console);
    domain.destroy().unwrap();
    scene.until(LifecycleChange::Stopped(StoppedDetail::Destroyed));
    fs::remove_file(&file).unwrap();
    let _console = scene.start(&domain);
    let event = next!(scene, DiskChange);
    assert_eq!(event.old_source, Some(file));
    assert_eq!(event.new_source, None);
    assert_eq!(event.device_alias, ALIAS);
    assert_eq!(event.reason, DiskChangeReason::MissingOnStart);
}
