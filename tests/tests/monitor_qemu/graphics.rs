//! Somebody looks at a guest's screen.

use std::io;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use virt_event_monitor::EventKind;
use virt_event_monitor::domain::{Graphics, GraphicsAddressType, GraphicsPhase};
use virt_event_tests::rig::{Hardware, patience};

use crate::case::{Case, Producer};
use crate::scene::{Scene, next};

pub(crate) const CASE: Case = Case {
    name: "graphics",
    producer: Producer::Guest,
    kinds: &[EventKind::Lifecycle, EventKind::Graphics],
    script,
};

fn script(scene: &mut Scene) {
    let socket = scene.path("vnc");
    let devices = format!("<memballoon model='none'/><graphics type='vnc' socket='{socket}'/>");
    let (_domain, _console) = scene.guest(&Hardware {
        devices: &devices,
        ..Hardware::default()
    });

    let check = |event: Graphics, phase| {
        assert_eq!(event.phase, phase);
        // libvirt's header promises the path in `node`.
        assert_eq!(event.local.family, GraphicsAddressType::Unix);
        assert_eq!(event.local.node, "");
        assert_eq!(event.local.service.as_deref(), Some(socket.as_str()));
        // The client's end has no name.
        assert_eq!(event.remote.family, GraphicsAddressType::Unix);
        assert_eq!(event.remote.node, "");
        assert_eq!(event.auth_scheme, "none");
        assert_eq!(event.subject, []);
    };
    let mut client = UnixStream::connect(&socket).unwrap();
    check(next!(scene, Graphics), GraphicsPhase::Connect);
    shake_hands(&mut client).unwrap();
    check(next!(scene, Graphics), GraphicsPhase::Initialize);
    drop(client);
    check(next!(scene, Graphics), GraphicsPhase::Disconnect);
}

/// The client's part of VNC (RFC 6143) until both sides are ready.
fn shake_hands(client: &mut UnixStream) -> io::Result<()> {
    const VERSION: &[u8; 12] = b"RFB 003.008\n";
    const NO_AUTHENTICATION: u8 = 1;
    const SUCCESS: [u8; 4] = [0; 4];
    const SHARED: u8 = 1;

    client.set_read_timeout(Some(patience()))?;
    client.read_exact(&mut [0; VERSION.len()])?;
    client.write_all(VERSION)?;
    let mut count = [0];
    client.read_exact(&mut count)?;
    let mut offered = vec![0; count[0].into()];
    client.read_exact(&mut offered)?;
    assert!(offered.contains(&NO_AUTHENTICATION), "{offered:?}");
    client.write_all(&[NO_AUTHENTICATION])?;
    let mut result = [0xff; 4];
    client.read_exact(&mut result)?;
    assert_eq!(result, SUCCESS);
    client.write_all(&[SHARED])
}
