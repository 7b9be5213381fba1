//! A program that forks while it has connections (contract X3).

#![expect(unsafe_code, reason = "fork and _exit have no safe wrapper")]

use std::ffi::c_int;
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Pid, WaitOptions, waitpid};
use virt_event_examples::host_loop::LoopKind;
use virt_event_monitor::Error;
use virt_event_monitor::domain::{Lifecycle, Reboot};
use virt_event_reactor::Reactor;
use virt_event_tests::rig::wait_until;

use crate::client::{Client, DOMAIN, LIMIT, daemon, idle};
use crate::flow::Flow;
use crate::scene::{Form, Forms, Played, Scene, scene};
use crate::stage::Stage;

pub(crate) const SCENES: &[Scene] = &[scene!(
    fork::the_parent_notices_nothing,
    LoopKind::ALL,
    Forms::USUAL
)];

unsafe extern "C" {
    fn fork() -> c_int;
    safe fn _exit(status: c_int) -> !;
}

/// Events that have to come in after each fork.
const AFTERWARDS: usize = 20;

/// Forks on the thread that calls libvirt, and in a callback, while events come
/// in. The children end at once, or in order. The parent's connections hear of
/// every event, answer calls, and stay alive.
fn the_parent_notices_nothing(kind: LoopKind, form: Form) -> Played {
    let forks = form.choose(3, 50);
    let daemon = daemon()?;
    let uri = daemon.test_uri();
    let mut stage = Stage::new(kind)?;
    let reactor = stage.reactor();
    stage.beside(move || {
        let clients = (0..3)
            .map(|_| Client::kept_alive(&uri))
            .collect::<Result<Vec<_>, _>>()?;
        let flow = Flow::start(&uri)?;
        let mut whole = Some(clients);
        for _ in 0..forks {
            in_child(|| _exit(0));
            goes_on(&whole)?;
            in_child(|| leave_in_order(&mut whole, &reactor));
            goes_on(&whole)?;
        }
        let clients = whole.expect("the child's copy was taken, not this one");
        fork_in_callbacks(&clients[0], forks)?;

        let events = flow.stop()?;
        for client in &clients {
            client.wait_for(DOMAIN, events)?;
        }
        idle(&clients, form.choose(LIMIT * 4 / 3, LIMIT * 10))?;
        clients
            .iter()
            .try_for_each(|client| client.connection().hostname().map(drop))?;
        Ok(())
    })?;
    stage.end();
    Ok(())
}

/// The parent's connections hear of more, and answer.
fn goes_on(clients: &Option<Vec<Client>>) -> Played {
    for client in clients.as_ref().expect("they are here") {
        client.wait_for_more(AFTERWARDS)?;
        client.connection().hostname()?;
        client.assert_alive()?;
    }
    Ok(())
}

/// What a child may do with its copies. Connections and domains are not among
/// it: libvirt cannot be used between `fork` and `exec`.
fn leave_in_order(clients: &mut Option<Vec<Client>>, reactor: &Reactor) -> ! {
    assert!(reactor.is_forked());
    assert_eq!(reactor.stats().watches, 0, "none of them is the child's");
    for client in clients.take().expect("they are here") {
        let refused = client.monitor().subscribe::<Reboot>().callback(drop);
        assert!(matches!(refused, Err(Error::Forked)), "{refused:?}");
        let (subscription, monitor, connection) = client.into_parts();
        drop((subscription, monitor));
        mem::forget(connection);
    }
    let refused = virt_event::add_timeout(Duration::ZERO, || {});
    assert!(matches!(refused, Err(virt_event::Error::Forked)));
    process::exit(0)
}

/// Forks on the loop's own thread: two children at each of so many events.
fn fork_in_callbacks(client: &Client, events: usize) -> Played {
    let forked = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&forked);
    let forks = client.monitor().subscribe::<Lifecycle>();
    let forks = forks.callback(move |_| {
        if counts.load(Ordering::SeqCst) < events {
            in_child(|| _exit(0));
            in_child(|| process::exit(0));
            counts.fetch_add(1, Ordering::SeqCst);
        }
    })?;
    for event in 1..=events {
        wait_until("the next event has had its children", || {
            forked.load(Ordering::SeqCst) >= event
        })?;
    }
    drop(forks);
    Ok(())
}

/// Forks, and waits until the child has ended, which has to be with status 0.
fn in_child(body: impl FnOnce()) {
    // SAFETY: the child does not touch libvirt, and takes no lock that another
    // thread may have held; the allocator of the C library works after a fork.
    match unsafe { fork() } {
        ..0 => panic!("fork: {}", io::Error::last_os_error()),
        0 => {
            let _ = catch_unwind(AssertUnwindSafe(body));
            // The hook has said why.
            _exit(1)
        }
        child => {
            let child = Pid::from_raw(child);
            let mut ended = None;
            wait_until("the child ends", || {
                ended = waitpid(child, WaitOptions::NOHANG).expect("our child");
                ended.is_some()
            })
            .expect("it hangs");
            let status = ended.expect("it has ended").1;
            assert_eq!(status.exit_status(), Some(0), "the child's {status:?}");
        }
    }
}
