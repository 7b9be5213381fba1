//! The daemon loses its hold on a guest.

use std::fs;
use std::io;
use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use virt_event_monitor::EventKind;
use virt_event_monitor::domain::{LifecycleChange, SuspendedDetail};
use virt_event_tests::rig::{Hardware, patience};

use crate::case::{Case, Producer};
use crate::scene::{NAME, Scene, next};

pub(crate) const CASE: Case = Case {
    name: "control",
    producer: Producer::Guest,
    kinds: &[EventKind::Lifecycle, EventKind::ControlError],
    script,
};

fn script(scene: &mut Scene) {
    let (domain, console) = scene.guest(&Hardware::default());
    let number = domain.id().unwrap();
    drop((domain, console));

    scene.daemon.kill().unwrap();
    let socket = format!("home/.config/libvirt/qemu/lib/domain-{number}-{NAME}/monitor.sock");
    let socket = scene.daemon.directory().join(socket);
    let daemon = stand_between(&socket).unwrap();
    scene.daemon.give(&socket).unwrap();
    scene.daemon.restart().unwrap();
    scene.hear_again();
    let mut daemon = daemon.recv_timeout(patience()).unwrap();

    // When this is answered, the new daemon has the guest in its hands.
    let domain = scene.connection().lookup_domain_by_name(NAME).unwrap();
    domain.suspend().unwrap();
    assert_eq!(
        scene.change(),
        LifecycleChange::Suspended(SuspendedDetail::Paused)
    );
    daemon.write_all(b"this is no JSON\r\n").unwrap();
    assert_eq!(next!(scene, ControlError).domain.name, NAME);
}

/// Takes the place of QEMU's socket for its monitor, and hands on all that is
/// said. Gives the end on which the daemon listens, once it does.
fn stand_between(socket: &Path) -> io::Result<Receiver<UnixStream>> {
    let behind = socket.with_extension("qemu");
    fs::rename(socket, &behind)?;
    let listener = UnixListener::bind(socket)?;
    let (sender, connected) = channel();
    thread::spawn(move || -> io::Result<()> {
        let daemon = listener.accept()?.0;
        let qemu = UnixStream::connect(behind)?;
        let (to_qemu, from_daemon) = (qemu.try_clone()?, daemon.try_clone()?);
        let _ = sender.send(daemon.try_clone()?);
        thread::spawn(move || hand_on(from_daemon, to_qemu));
        hand_on(qemu, daemon);
        Ok(())
    });
    Ok(connected)
}

/// Until one of them ends.
fn hand_on(mut from: UnixStream, mut to: UnixStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
}
