//! The driver for QEMU in this process: its streams are descriptors, and its
//! events timers, on the program's own loop.

use std::sync::mpsc::channel;

use virt::connect::Connect;
use virt_event_examples::host_loop::LoopKind;
use virt_event_monitor::domain::Lifecycle;
use virt_event_monitor::{Error, Monitor};
use virt_event_tests::guest_console::GuestConsole;
use virt_event_tests::rig::{Embedded, Guest, Guests, patience};

use crate::scene::{Form, Forms, Played, Scene, scene};
use crate::stage::Stage;

pub(crate) const SCENES: &[Scene] = &[scene!(
    embedded::starts_talks_and_stops,
    LoopKind::ALL,
    Forms::USUAL
)];

/// A guest of our own process starts, talks and ends, twice, each time in a new
/// connection; nothing is left on the loop. The same in both forms.
fn starts_talks_and_stops(kind: LoopKind, _: Form) -> Played {
    let test = format!("embedded::starts_talks_and_stops::{}", kind.name());
    Embedded::play(&test, |embedded| {
        let mut stage = Stage::new(kind).unwrap();
        for power_off in [true, false] {
            let (uri, guests) = (embedded.uri(), embedded.guests().clone());
            stage
                .beside(move || talk(&uri, &guests, power_off))
                .unwrap();
            if power_off {
                // The driver stays in the process, with a descriptor of its own.
                stage.keep();
            }
        }
        stage.end();
    })?;
    Ok(())
}

fn talk(uri: &str, guests: &Guests, power_off: bool) -> Played {
    let connection = Connect::open(Some(uri))?;
    let monitor = Monitor::new(&connection)?;
    let (sender, events) = channel();
    let _subscription = monitor.subscribe::<Lifecycle>().callback(move |event| {
        let _ = sender.send(event.to_string());
    })?;
    let next = || events.recv_timeout(patience()).expect("another event");
    let heard = |expected: &[&str]| {
        for expected in expected {
            assert_eq!(next(), *expected);
        }
    };
    let guest = Guest::create_paused(&connection, guests, "guest")?;
    let mut console = GuestConsole::open(&monitor, guest.domain());
    guest.domain().resume()?;
    console.wait_for(Guest::BANNER);
    heard(&[
        "guest: defined (added)",
        "guest: started (booted)",
        "guest: suspended (paused)",
        "guest: resumed (unpaused)",
    ]);
    console.send(b"hello");
    assert_eq!(console.take(5), b"hello");
    console.send(&[Guest::FLOOD]);
    let flood = [&[b'x'; 65_536], Guest::DONE].concat();
    assert!(console.take(flood.len()) == flood);
    if power_off {
        console.send(&[Guest::POWER_OFF]);
        heard(&[
            "guest: shut down (by the guest)",
            "guest: stopped (shut down)",
        ]);
    } else {
        guest.domain().destroy()?;
        // Its QEMU was told to end, and may have managed to say so.
        let mut event = next();
        if event == "guest: shut down (by the host)" {
            event = next();
        }
        assert_eq!(event, "guest: stopped (destroyed)");
    }
    let ending = console.end();
    assert!(
        ending.error.as_ref().is_none_or(is_being_closed),
        "{ending:?}"
    );
    guest.domain().undefine()?;
    heard(&["guest: undefined (removed)"]);
    Ok(())
}

/// What libvirt says of a terminal whose other end QEMU, as it dies, is just
/// closing. An instant later the kernel has hung it up, and it is at its end. Here
/// nobody is in between who would tell either as the end.
fn is_being_closed(error: &Error) -> bool {
    matches!(error, Error::Libvirt { source, .. } if source.message().contains("Input/output error"))
}
