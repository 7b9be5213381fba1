//! The fixture with the real libvirtd and real guests: it starts them, it hurts
//! them, and nothing is left, whatever happens.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc;
use std::thread;

use rustix::process::Signal;
use virt::connect::Connect;
use virt_event_loop::{EventLoop, LoopThread};
use virt_event_monitor::Monitor;
use virt_event_tests::guest_console::GuestConsole;
use virt_event_tests::rig::{Daemon, Guest, RigError, Running, patience, wait_until};

type Tested = Result<(), Box<dyn std::error::Error>>;

#[test]
fn a_client_connects_and_asks() -> Tested {
    let daemon = Daemon::start()?;
    let connection = open(&daemon.test_uri())?;
    assert_eq!(connection.lookup_domain_by_name("test")?.name()?, "test");

    let node = "<node><domain type='test'><name>mine</name><memory>1024</memory>\
                <os><type>hvm</type></os></domain></node>";
    let own = open(&daemon.test_uri_of("node.xml", node)?)?;
    assert_eq!(own.lookup_domain_by_name("mine")?.name()?, "mine");

    let directory = daemon.directory().to_owned();
    assert!(directory.as_os_str().len() < 35, "{directory:?}");
    drop(daemon);
    assert_gone(&directory);
    Ok(())
}

#[test]
fn a_killed_daemon_is_noticed_and_replaced() -> Tested {
    let daemon = Daemon::start()?;
    for kill in [Daemon::kill, Daemon::terminate] {
        let connection = open(&daemon.test_uri())?;
        kill(&daemon)?;
        assert!(matches!(
            daemon.process().unwrap_err(),
            RigError::NotRunning(_)
        ));
        wait_until("the client notices", || !is_alive(&connection))?;
        connection.lookup_domain_by_name("test").unwrap_err();

        daemon.restart()?;
        let again = open(&daemon.test_uri())?;
        assert!(is_alive(&again));
    }
    let error = daemon.restart().unwrap_err().to_string();
    assert!(error.contains("runs already"), "{error}");
    Ok(())
}

#[test]
fn a_frozen_daemon_answers_when_it_is_thawed() -> Tested {
    let daemon = Daemon::start()?;
    let connection = open(&daemon.test_uri())?;
    daemon.freeze()?;
    let (sender, answer) = mpsc::channel();
    let client = thread::spawn(move || {
        let found = connection.lookup_domain_by_name("test").is_ok();
        let _ = sender.send(found);
    });
    daemon.thaw()?;
    assert!(answer.recv_timeout(patience())?);
    client.join().expect("it does not panic");
    Ok(())
}

#[test]
fn a_frozen_daemon_does_not_answer() -> Tested {
    let daemon = Daemon::start()?;
    let connection = open(&daemon.test_uri())?;
    connection.set_keep_alive(1, 2)?;
    daemon.freeze()?;
    wait_until("the client gives up", || !is_alive(&connection))?;
    daemon.thaw()?;
    assert!(is_alive(&open(&daemon.test_uri())?));
    Ok(())
}

#[test]
fn one_client_is_cut_off() -> Tested {
    let daemon = Daemon::start()?;
    let cut = open(&daemon.test_uri())?;
    let clients = daemon.clients()?;
    let other = open(&daemon.test_uri())?;
    assert_eq!(clients.len(), 1, "{clients:?}");
    daemon.disconnect(clients[0])?;
    wait_until("the client notices", || !is_alive(&cut))?;
    assert!(is_alive(&other));
    other.lookup_domain_by_name("test")?;
    Ok(())
}

#[test]
fn a_guest_prints_its_banner_and_outlives_the_daemon_but_not_the_fixture() -> Tested {
    let daemon = Daemon::start()?;
    let connection = open(&daemon.qemu_uri())?;
    let guest = Guest::create_paused(&connection, daemon.guests(), "guest")?;
    let monitor = Monitor::new(&connection)?;
    let mut console = GuestConsole::open(&monitor, guest.domain());
    guest.domain().resume()?;
    console.wait_for(Guest::BANNER);

    daemon.kill()?;
    let process = guest.process()?;
    daemon.restart()?;
    let connection = open(&daemon.qemu_uri())?;
    assert_eq!(guest.process()?, process);
    assert!(connection.lookup_domain_by_name("guest")?.is_active()?);

    let directory = daemon.directory().to_owned();
    drop(daemon);
    assert!(process.has_ended());
    assert_gone(&directory);
    Ok(())
}

#[test]
fn a_killed_guest_is_noticed_and_a_destroyed_one_is_gone() -> Tested {
    let daemon = Daemon::start()?;
    let connection = open(&daemon.qemu_uri())?;
    let killed = Guest::create_paused(&connection, daemon.guests(), "killed")?;
    killed.kill()?;
    wait_until("the daemon notices", || {
        killed.domain().is_active().is_ok_and(|active| !active)
    })?;

    let destroyed = Guest::create_paused(&connection, daemon.guests(), "destroyed")?;
    let process = destroyed.process()?;
    destroyed.domain().destroy()?;
    assert!(process.has_ended());
    assert!(matches!(
        destroyed.process().unwrap_err(),
        RigError::NotRunning(_)
    ));

    let dropped = Guest::create_paused(&connection, daemon.guests(), "dropped")?;
    let process = dropped.process()?;
    drop(dropped);
    wait_until("its QEMU ends", || process.has_ended())?;
    Ok(())
}

#[test]
fn nothing_outlives_a_test_that_is_killed() -> Tested {
    let name = "nothing_outlives_a_test_that_is_killed";
    if env::var_os(VICTIM).is_some() {
        return be_killed();
    }
    let mut victim = Command::new(env::current_exe()?)
        .args([name, "--exact", "--nocapture"])
        .env(VICTIM, "")
        .stdout(Stdio::piped())
        .spawn()?;
    let output = victim.stdout.take().expect("it is piped");
    let (sender, directory) = mpsc::channel();
    thread::spawn(move || {
        let lines = BufReader::new(output).lines().map_while(Result::ok);
        let mut found = lines.filter_map(|line| Some(PathBuf::from(line.strip_prefix(VICTIM)?)));
        let _ = sender.send(found.next());
    });
    let directory = directory.recv_timeout(patience())?;
    let directory = directory.expect("it says where its daemon is");
    let processes = Running::all_of(&directory);
    assert!(
        processes.len() >= 3,
        "supervisor, daemon, guest: {processes:?}"
    );
    victim.kill()?;
    victim.wait()?;
    // The supervisor removes the directory, and ends after that.
    wait_until("all of it goes", || {
        processes.iter().all(|process| process.has_ended())
            && Running::all_of(&directory).is_empty()
            && !directory.exists()
    })?;
    Ok(())
}

/// Tells a process that it is to be killed.
const VICTIM: &str = "VIRT_EVENT_RIG_VICTIM";

fn be_killed() -> Tested {
    let daemon = Daemon::start()?;
    let connection = open(&daemon.qemu_uri())?;
    let _guest = Guest::create_paused(&connection, daemon.guests(), "guest")?;
    // The supervisor does not care what state they are in.
    daemon.freeze()?;
    println!("\n{VICTIM}{}", daemon.directory().display());
    thread::sleep(patience());
    Err("nobody killed it".into())
}

#[test]
fn a_panic_leaves_nothing() -> Tested {
    let (sender, directory) = mpsc::channel();
    let panicked = thread::spawn(move || {
        let daemon = Daemon::start().expect("a daemon");
        let _ = sender.send(daemon.directory().to_owned());
        std::panic::resume_unwind(Box::new("as a failing test does"));
    });
    panicked.join().unwrap_err();
    assert_gone(&directory.recv()?);
    Ok(())
}

#[test]
fn a_daemon_that_ends_at_once_says_why() -> Tested {
    let daemon = Daemon::start()?;
    daemon.kill()?;
    std::fs::write(
        daemon.directory().join("libvirtd.conf"),
        "max_clients = \"many\"\n",
    )?;
    let error = daemon.restart().unwrap_err().to_string();
    assert!(error.contains("ended during its start"), "{error}");
    assert!(error.contains("max_clients"), "{error}");
    Ok(())
}

#[test]
fn a_supervisor_that_is_told_to_end_takes_all_along() -> Tested {
    let daemon = Daemon::start()?;
    let directory = daemon.directory().to_owned();
    let process = daemon.process()?;
    // The supervisor names the directory first.
    let supervisor = Running::all_of(&directory)
        .into_iter()
        .find(|other| *other != process)
        .expect("it runs");
    supervisor.signal(Signal::TERM)?;
    wait_until("all of it goes", || {
        process.has_ended() && !directory.exists()
    })?;
    Ok(())
}

#[test]
fn the_daemon_is_not_root() -> Tested {
    let daemon = Daemon::start()?;
    let pid = daemon.process()?.pid();
    // As the system sees it, and in its own namespace.
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let words = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let user: u32 = words
        .unwrap_or_default()
        .split_whitespace()
        .next()
        .expect("a number")
        .parse()?;
    let map = std::fs::read_to_string(format!("/proc/{pid}/uid_map"))?;
    let inside: u32 = map.split_whitespace().next().expect("a number").parse()?;
    let own = rustix::process::geteuid().as_raw();
    if own != 0 {
        assert_eq!(user, own);
    } else if env::var_os(NO_NAMESPACES).is_some() || user != 0 {
        assert_eq!(user, 65534);
    } else {
        assert_eq!(inside, 1000, "{map}");
    }
    Ok(())
}

/// Lets the fixture do as if the kernel forbade user namespaces.
const NO_NAMESPACES: &str = "VIRT_EVENT_RIG_NO_NAMESPACES";

/// Root in a container often may not make one. Elsewhere this plays the tests
/// as they are, which is little, but does no harm.
#[test]
fn all_goes_well_without_user_namespaces() -> Tested {
    for test in [
        "the_daemon_is_not_root",
        "a_client_connects_and_asks",
        "one_client_is_cut_off",
        "a_guest_prints_its_banner_and_outlives_the_daemon_but_not_the_fixture",
    ] {
        let output = Command::new(env::current_exe()?)
            .args([test, "--exact", "--nocapture"])
            .env(NO_NAMESPACES, "")
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{test}: {said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(said.contains("1 passed"), "{test}: {said}");
    }
    Ok(())
}

/// Opens a connection, on a loop that runs for the life of this process.
fn open(uri: &str) -> Result<Connect, virt::error::Error> {
    static LOOP: OnceLock<LoopThread> = OnceLock::new();
    LOOP.get_or_init(|| {
        let event_loop = EventLoop::install().expect("the only loop here");
        event_loop.spawn().expect("a thread")
    });
    Connect::open(Some(uri))
}

fn is_alive(connection: &Connect) -> bool {
    connection.is_alive().unwrap_or(false)
}

fn assert_gone(directory: &Path) {
    assert!(!directory.exists(), "{}", directory.display());
    assert_eq!(Running::all_of(directory), []);
}
