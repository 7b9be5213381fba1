//! What a host does with a guest, from its definition to its end.

use std::sync::mpsc::channel;

use virt::sys;
use virt_event_monitor::EventKind;
use virt_event_monitor::domain::{
    Lifecycle, LifecycleChange, MetadataType, ResumedDetail, ShutdownDetail, StartedDetail,
    StoppedDetail, SuspendedDetail, TypedValue, UndefinedDetail,
};
use virt_event_tests::guest_console::GuestConsole;
use virt_event_tests::rig::{Guest, Hardware, patience};

use crate::case::{Case, Producer};
use crate::scene::{NAME, Scene, next};

pub(crate) const CASE: Case = Case {
    name: "life",
    producer: Producer::Guest,
    kinds: &[
        EventKind::Lifecycle,
        EventKind::Reboot,
        EventKind::MetadataChange,
        EventKind::MigrationIteration,
        EventKind::JobCompleted,
    ],
    script,
};

const PAUSED: LifecycleChange = LifecycleChange::Suspended(SuspendedDetail::Paused);
const UNPAUSED: LifecycleChange = LifecycleChange::Resumed(ResumedDetail::Unpaused);

fn script(scene: &mut Scene) {
    let (domain, mut console) = scene.guest(&Hardware::default());
    let expect = |scene: &mut Scene, changes: &[LifecycleChange]| {
        for change in changes {
            let event = next!(scene, Lifecycle);
            assert_eq!(event.change, *change);
            assert_eq!(event.domain.name, NAME);
            assert_eq!(event.domain.uuid, domain.uuid().unwrap());
        }
    };

    // The daemon is to keep the other domain's events to itself.
    let (sender, of_domain) = channel();
    let subscription = scene
        .monitor()
        .subscribe::<Lifecycle>()
        .of(&domain)
        .callback(move |event| {
            let _ = sender.send(event);
        })
        .unwrap();
    let other = scene.daemon.guests().xml("other").unwrap();
    let other = scene.connection().define_domain_xml(&other).unwrap();
    other.undefine().unwrap();
    for _ in 0..2 {
        assert_eq!(next!(scene, Lifecycle).domain.name, "other");
    }
    domain.suspend().unwrap();
    let event = of_domain.recv_timeout(patience()).unwrap();
    assert_eq!(event.change, PAUSED);
    assert_eq!(event.domain.id, domain.id());
    drop(subscription);
    domain.resume().unwrap();
    expect(scene, &[PAUSED, UNPAUSED]);

    console.send(&[Guest::RESET]);
    assert_eq!(next!(scene, Reboot).domain.name, NAME);
    console.wait_for(Guest::BANNER);

    let title = sys::VIR_DOMAIN_METADATA_TITLE as i32;
    let set = domain.set_metadata(title, Some("a title"), None, None, 0);
    set.unwrap();
    let event = next!(scene, MetadataChange);
    assert_eq!(event.metadata, MetadataType::Title);
    assert_eq!(event.namespace_uri, None);

    // A dump of all of the machine's state is a migration into a file.
    domain.core_dump(&scene.path("core"), 0).unwrap();
    assert_eq!(next!(scene, MigrationIteration).iteration, 1);
    let params = next!(scene, JobCompleted).params;
    let operation = TypedValue::Int(sys::VIR_DOMAIN_JOB_OPERATION_DUMP as i32);
    let of = |name| params.iter().find(|it| it.name == name).map(|it| &it.value);
    assert_eq!(of("operation"), Some(&operation));
    assert!(matches!(of("time_elapsed"), Some(TypedValue::Ullong(_))));
    expect(scene, &[PAUSED, UNPAUSED]);

    domain.managed_save(0).unwrap();
    let saved = LifecycleChange::Stopped(StoppedDetail::Saved);
    expect(scene, &[PAUSED, saved]);
    drop(console);
    domain.create().unwrap();
    let restored = LifecycleChange::Started(StartedDetail::Restored);
    let resumed = LifecycleChange::Resumed(ResumedDetail::FromSnapshot);
    expect(scene, &[restored, resumed]);

    let console = GuestConsole::open(scene.monitor(), &domain);
    console.send(&[Guest::POWER_OFF]);
    let shut_down = LifecycleChange::Shutdown(ShutdownDetail::Guest);
    let stopped = LifecycleChange::Stopped(StoppedDetail::Shutdown);
    expect(scene, &[shut_down, stopped]);
    domain.undefine().unwrap();
    let undefined = LifecycleChange::Undefined(UndefinedDetail::Removed);
    expect(scene, &[undefined]);
}
