//! Jobs on a guest's disk, and what goes wrong with one.

use std::fs;

use virt::sys;
use virt_event_monitor::EventKind;
use virt_event_monitor::domain::{
    BlockJobStatus, BlockJobType, IoErrorAction, LifecycleChange, SuspendedDetail,
};
use virt_event_tests::rig::{Hardware, Poke};

use crate::case::{Case, Producer};
use crate::scene::{NAME, Scene, next};

pub(crate) const JOBS: Case = Case {
    name: "block_jobs",
    producer: Producer::Guest,
    kinds: &[
        EventKind::Lifecycle,
        EventKind::BlockJob,
        EventKind::BlockJob2,
    ],
    script: jobs,
};

pub(crate) const THRESHOLD: Case = Case {
    name: "a_block_threshold",
    producer: Producer::Guest,
    kinds: &[EventKind::Lifecycle, EventKind::BlockThreshold],
    script: threshold,
};

pub(crate) const ERROR: Case = Case {
    name: "an_io_error",
    producer: Producer::Guest,
    kinds: &[
        EventKind::Lifecycle,
        EventKind::IoError,
        EventKind::IoErrorReason,
    ],
    script: error,
};

/// What the BIOS calls the disk of [`devices`].
const DRIVE: u8 = 0x80;

/// The only disk, in a file.
fn devices(format: &str, file: &str) -> String {
    format!(
        "<memballoon model='none'/>
         <disk type='file' device='disk'>
           <driver name='qemu' type='{format}' error_policy='stop'/>
           <source file='{file}'/>
           <target dev='vda' bus='virtio'/>
         </disk>"
    )
}

fn jobs(scene: &mut Scene) {
    let file = scene.zeros("disk", 1 << 20);
    let (domain, _console) = scene.guest(&Hardware {
        devices: &devices("raw", &file),
        ..Hardware::default()
    });

    let copy = scene.path("copy");
    let virsh = |scene: &Scene, verb: &str, more: &[&str]| {
        let arguments = [&[verb, NAME, "vda"], more].concat();
        scene.daemon.virsh(&arguments).unwrap();
    };
    let more = ["--dest", &copy, "--format", "raw", "--transient-job"];
    virsh(scene, "blockcopy", &more);
    expect(scene, &file, BlockJobType::Copy, BlockJobStatus::Ready);
    virsh(scene, "blockjob", &["--abort"]);
    expect(scene, &file, BlockJobType::Copy, BlockJobStatus::Canceled);

    let overlay = scene.path("overlay");
    let xml = format!(
        "<domainsnapshot><disks>
           <disk name='vda' snapshot='external'><source file='{overlay}'/></disk>
         </disks></domainsnapshot>"
    );
    let flags = sys::VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY;
    domain.create_snapshot_xml(&xml, flags).unwrap();
    virsh(scene, "blockpull", &[]);
    expect(
        scene,
        &overlay,
        BlockJobType::Pull,
        BlockJobStatus::Completed,
    );
}

/// Both kinds of events that a job causes.
fn expect(scene: &mut Scene, file: &str, job: BlockJobType, status: BlockJobStatus) {
    let event = next!(scene, BlockJob);
    assert_eq!(event.disk, file);
    assert_eq!((event.job, event.status), (job, status));
    let event = next!(scene, BlockJob2);
    assert_eq!(event.disk, "vda");
    assert_eq!((event.job, event.status), (job, status));
}

fn threshold(scene: &mut Scene) {
    const THRESHOLD: u64 = 100;

    let file = scene.zeros("disk", 1 << 20);
    let (domain, mut console) = scene.guest(&Hardware {
        devices: &devices("raw", &file),
        ..Hardware::default()
    });
    domain.set_block_threshold("vda", THRESHOLD, 0).unwrap();
    console.poke([Poke::WriteSector(DRIVE)]);
    let event = next!(scene, BlockThreshold);
    assert_eq!(event.device, "vda");
    assert_eq!(event.path, Some(file));
    assert_eq!(event.threshold, THRESHOLD);
    assert_eq!(event.excess, 512 - THRESHOLD);
}

fn error(scene: &mut Scene) {
    let file = scene.path("damaged");
    fs::write(&file, damaged_image()).unwrap();
    scene.daemon.give(file.as_ref()).unwrap();
    let (_domain, console) = scene.guest(&Hardware {
        devices: &devices("qcow2", &file),
        ..Hardware::default()
    });
    console.send(&Poke::ReadSector(DRIVE).bytes());
    let event = next!(scene, IoError);
    assert_eq!(event.source_path, file);
    assert_eq!(event.device_alias, "virtio-disk0");
    assert_eq!(event.action, IoErrorAction::Pause);
    let event = next!(scene, IoErrorReason);
    assert_eq!(event.source_path, file);
    assert_eq!(event.device_alias, "virtio-disk0");
    assert_eq!(event.action, IoErrorAction::Pause);
    assert_eq!(event.reason, "");
    assert_eq!(
        scene.change(),
        LifecycleChange::Suspended(SuspendedDetail::IoError)
    );
}

/// A disk image (qcow2, version 2) of which nothing can be read: the data of its
/// first cluster is said to be compressed, and is not.
fn damaged_image() -> Vec<u8> {
    const CLUSTER_BITS: u32 = 16;
    const CLUSTER: u64 = 1 << CLUSTER_BITS;
    /// Of the disk: more than one of its cylinders, or the BIOS reads nothing.
    const SIZE: u64 = 1 << 20;
    /// Where things are, in clusters after that of the header.
    const L1: u64 = CLUSTER;
    const L2: u64 = 2 * CLUSTER;
    const REFERENCES: u64 = 3 * CLUSTER;
    const COUNTS: u64 = 4 * CLUSTER;
    const DATA: u64 = 5 * CLUSTER;
    const COPIED: u64 = 1 << 63;
    const COMPRESSED: u64 = 1 << 62;

    let header = [
        b"QFI\xfb".to_vec(),
        2_u32.to_be_bytes().to_vec(),
        vec![0; 12], // no backing file
        CLUSTER_BITS.to_be_bytes().to_vec(),
        SIZE.to_be_bytes().to_vec(),
        vec![0; 4],                   // not encrypted
        1_u32.to_be_bytes().to_vec(), // entries in the first table
        L1.to_be_bytes().to_vec(),
        REFERENCES.to_be_bytes().to_vec(),
        1_u32.to_be_bytes().to_vec(), // clusters of the table of references
        vec![0; 12],                  // no snapshots
    ];
    let counts = 1_u16.to_be_bytes().repeat(6);
    let mut image = vec![0; usize::try_from(6 * CLUSTER).unwrap()];
    for (at, bytes) in [
        (0, header.concat()),
        (L1, (COPIED | L2).to_be_bytes().to_vec()),
        (L2, (COMPRESSED | DATA).to_be_bytes().to_vec()),
        (REFERENCES, COUNTS.to_be_bytes().to_vec()),
        (COUNTS, counts),
        (DATA, vec![0xff; 512]),
    ] {
        let at = usize::try_from(at).unwrap();
        image[at..at + bytes.len()].copy_from_slice(&bytes);
    }
    image
}
