//! Hundreds of connections in one process, on one loop.

use std::env;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use virt::domain::Domain;
use virt_event_examples::Failure;
use virt_event_examples::host_loop::LoopKind;
use virt_event_monitor::domain::Lifecycle;
use virt_event_tests::rig::{Daemon, wait_until};
use virt_event_tests::slower::slower;

use crate::client::{Client, DOMAIN, EVENTS_OF_A_CHANGE, change, description, idle};
use crate::scene::{Form, Forms, Played, Scene, scene};
use crate::stage::{Stage, descriptors};

pub(crate) const SCENES: &[Scene] = &[scene!(
    crowd::outlives_a_blocked_loop,
    LoopKind::ALL,
    Forms::Both {
        short: Duration::from_secs(180),
        // They wait for each other.
        long: Duration::from_secs(3_600),
    }
)];

/// How often both sides ask who is silent for a sign of life. They cut off who
/// is silent for one interval more.
const COUNT: u32 = 3;

/// For how many intervals a callback keeps the loop from answering. When it
/// begins, the last answer may be an interval old already. So when it ends the
/// daemon may have heard nothing for three intervals, and the fourth is for
/// answering all of its questions. The client's own timers wait for the loop as
/// well, and count once when it goes on, however long it was blocked (contract
/// T2).
const BLOCKED: u32 = 2;

/// Each connection has a socket and something to wake those who wait on it.
const DESCRIPTORS_EACH: usize = 2;

/// Each of many connections causes events and hears them. All outlive a
/// callback that blocks their loop for nearly as long as keepalive allows, and
/// are gone when they are closed.
fn outlives_a_blocked_loop(kind: LoopKind, form: Form) -> Played {
    // Programs on GLib are those that have no thread to spare for this, and the
    // ones that other bindings make slower with each connection.
    // Under memcheck an interval is too short for the answers of so many.
    let few = match kind {
        LoopKind::Glib if slower() == 1 => 500,
        _ => 100,
    };
    let count = form.choose(few, 2_000);
    let _alone = match form {
        Form::Short => None,
        Form::Long => Some(alone()?),
    };
    // The daemon's own loop takes longer with each connection: with thousands, a
    // question a second for each of them is all that it gets done.
    let interval = form.choose(1, 3);
    let second = Duration::from_secs(1);
    let block = interval * BLOCKED * second;
    let time = interval * (COUNT + form.choose(2, 20)) * second;
    // Before the daemon starts, which inherits it.
    allow_descriptors(count)?;
    let daemon = Daemon::builder().keepalive(interval, COUNT).start()?;
    let host = format!("<node>{}</node>", description(DOMAIN));
    let uri = daemon.test_uri_of("host.xml", &host)?;
    let mut stage = Stage::new(kind)?;
    let reactor = stage.reactor();
    stage.beside(move || {
        let before = descriptors();
        let mut crowd = Crowd::open(&uri, count, interval)?;
        assert!(descriptors() - before >= count * DESCRIPTORS_EACH);
        assert!(reactor.stats().watches >= count);

        let blocked = Arc::new(AtomicBool::new(false));
        let blocks = crowd.clients[0].monitor().subscribe::<Lifecycle>();
        let blocks = blocks.callback(move |_| {
            if !blocked.swap(true, Ordering::SeqCst) {
                thread::sleep(block);
            }
        })?;
        crowd.talks()?;
        assert!(reactor.stats().longest_callback >= block);
        idle(&crowd.clients, time)?;
        crowd.talks()?;
        drop(blocks);
        Ok(())
    })?;
    wait_until("the daemon has none of them any more", || {
        daemon.clients().is_ok_and(|clients| clients.is_empty())
    })?;
    stage.end();
    Ok(())
}

/// Connections, each to a host of its own that has one domain. With one host for
/// all, the daemon would have to offer each event to each of them.
struct Crowd {
    /// In the order in which they have to go.
    domains: Vec<Domain>,
    clients: Vec<Client>,
    /// What each of them has to have heard.
    events: usize,
}

impl Crowd {
    fn open(uri: &str, count: usize, interval: u32) -> Result<Self, Failure> {
        let open = |_| {
            let client = Client::open(uri)?;
            client.connection().set_keep_alive(interval as i32, COUNT)?;
            Ok((client.domain(DOMAIN)?, client))
        };
        let (domains, clients) = (0..count)
            .map(open)
            .collect::<Result<(Vec<_>, Vec<_>), Failure>>()?;
        Ok(Self {
            domains,
            clients,
            events: 0,
        })
    }

    /// Each changes its domain, and then each has heard of that.
    fn talks(&mut self) -> Played {
        self.domains.iter().try_for_each(change)?;
        self.events += EVENTS_OF_A_CHANGE;
        for client in &self.clients {
            client.wait_for(DOMAIN, self.events)?;
        }
        Ok(())
    }
}

/// Waits until no other scene is a crowd, for as long as what it returns lives.
/// libvirt's own loop in the daemon takes longer the more clients there are, and
/// with thousands it needs a processor for itself to keep up with keepalive.
fn alone() -> Result<File, Failure> {
    let program = File::open(env::current_exe()?)?;
    flock(&program, FlockOperation::LockExclusive)?;
    Ok(program)
}

/// Raises the limit on open files as far as `connections` need it, here and in
/// the daemon.
fn allow_descriptors(connections: usize) -> Played {
    let needed = (connections * DESCRIPTORS_EACH + 200) as u64;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if limit.maximum.is_some_and(|maximum| maximum < needed) {
        return Err(format!("{needed} descriptors are needed, see `ulimit -Hn`").into());
    }
    let raised = Rlimit {
        current: Some(needed),
        ..limit
    };
    Ok(setrlimit(Resource::Nofile, raised)?)
}
