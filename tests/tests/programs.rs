//! The example programs on a libvirtd of their own, which goes away, and comes
//! back.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use virt::connect::Connect;
use virt::domain::Domain;
use virt::sys;
use virt_event_tests::program::{Program, program};
use virt_event_tests::rig::{Daemon, patience, wait_until};

type Tested = Result<(), Box<dyn std::error::Error>>;

const CLOSED: &str = "the connection was closed: end of file";

/// A program that prints the life of domains from the moment it likes.
fn watching(name: &str) -> Tested {
    let host = Host::start()?;
    let mut program = Program::start(name, [&host.uri])?;
    let first = host.toggle_until_a_line(&mut program)?;
    assert!(
        ["test: suspended (paused)", "test: resumed (unpaused)"].contains(&first.as_str()),
        "{first}"
    );
    host.domain.destroy()?;
    host.domain.create()?;
    program.stdout().wait_for("test: stopped (destroyed)");
    assert_eq!(program.stdout().wait_for("test"), "test: started (booted)");

    host.daemon.kill()?;
    let ended = program.end()?;
    assert_eq!(ended.stdout, [CLOSED], "{:?}", ended.stderr);
    assert_eq!(ended.status.code(), Some(0), "{:?}", ended.stderr);
    Ok(())
}

#[test]
fn tokio_watches_until_the_connection_is_closed() -> Tested {
    watching("watch-tokio")
}

#[test]
fn glib_watches_until_the_connection_is_closed() -> Tested {
    watching("watch-glib")
}

#[test]
fn calloop_watches_until_the_connection_is_closed() -> Tested {
    watching("watch-calloop")
}

#[test]
fn what_a_program_needs_is_25_lines() -> Tested {
    for name in ["watch-tokio", "watch-glib", "watch-calloop"] {
        let path = format!("../examples/src/bin/{name}.rs");
        let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))?;
        let code = source.lines().map(str::trim);
        let code = code.filter(|line| !line.is_empty() && !line.starts_with("//"));
        assert!(code.clone().count() <= 25, "{name}: {}", code.count());
    }
    Ok(())
}

#[test]
fn lifecycle_tells_why_the_connection_was_closed() -> Tested {
    let host = Host::start()?;
    let mut program = Program::start("lifecycle", ["--uri", &host.uri])?;
    program.stderr().wait_for("following");
    host.domain.suspend()?;
    program.stdout().wait_for("test: suspended (paused)");
    host.daemon.kill()?;
    let ended = program.end()?;
    let closed = format!(
        "lifecycle: the connection to {} was closed: end of file",
        host.uri
    );
    assert_eq!(ended.stderr, [closed]);
    assert_eq!(ended.status.code(), Some(1));
    Ok(())
}

/// On one loop: what is shown, and how it ends.
fn following(name_of_loop: &str) -> Tested {
    let host = Host::start()?;
    let mut events = host.events(&["--loop", name_of_loop])?;
    host.domain.suspend()?;
    host.domain.resume()?;
    let shown = [(); 2].map(|()| events.stdout().wait_for(""));
    assert_eq!(
        shown,
        [
            "lifecycle: test: suspended (paused)",
            "lifecycle: test: resumed (unpaused)"
        ]
    );
    host.daemon.kill()?;
    let ended = events.end()?;
    assert_eq!(ended.stdout, [""; 0]);
    let closed = format!(
        "events: the connection to `{}` was closed: end of file",
        host.uri
    );
    assert_eq!(ended.stderr, [closed]);
    assert_eq!(ended.status.code(), Some(1));
    Ok(())
}

#[test]
fn events_on_the_builtin_loop() -> Tested {
    following("builtin")
}

#[test]
fn events_on_mio() -> Tested {
    following("mio")
}

#[test]
fn events_on_tokio() -> Tested {
    following("tokio")
}

#[test]
fn events_on_calloop() -> Tested {
    following("calloop")
}

#[test]
fn events_on_glib() -> Tested {
    following("glib")
}

#[test]
fn events_of_every_object_come_in_order_as_json_until_the_count() -> Tested {
    let host = Host::start()?;
    let events = host.events(&["--all", "--json", "--timestamp", "--count", "4"])?;
    let network = host.connection.lookup_network_by_name("default")?;
    host.domain.suspend()?;
    network.destroy()?;
    host.domain.resume()?;
    network.create()?;
    host.domain.suspend()?;
    let ended = events.end()?;
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let shown: Vec<Value> = ended
        .stdout
        .iter()
        .map(|line| serde_json::from_str(line))
        .collect::<Result<_, _>>()?;
    let kinds: Vec<_> = shown.iter().map(|event| &event["event"]).collect();
    let expected = ["lifecycle", "network-lifecycle"];
    assert_eq!(kinds, [expected, expected].concat());
    assert_eq!(shown[0]["domain"]["name"], "test");
    assert_eq!(shown[1]["network"]["name"], "default");
    assert_eq!(shown[1]["change"], "stopped");
    for event in &shown {
        let timestamp = event["timestamp"].as_str().ok_or("no timestamp")?;
        assert!(timestamp.starts_with("20"), "{timestamp}");
        assert!(timestamp.ends_with('Z'), "{timestamp}");
    }
    Ok(())
}

#[test]
fn only_what_is_asked_for_is_shown() -> Tested {
    let host = Host::start()?;
    let xml = "<domain type='test'><name>other</name><memory>1024</memory>\
               <os><type>hvm</type></os></domain>";
    let other = host.connection.create_domain_xml(xml, 0)?;
    let mut of_test = host.events(&["--domain", "test", "--all"])?;
    let mut titles = host.events(&["--kind", "metadata-change", "--timestamp"])?;
    other.suspend()?;
    host.domain.suspend()?;
    host.domain.resume()?;
    let title = sys::VIR_DOMAIN_METADATA_TITLE as i32;
    host.domain
        .set_metadata(title, Some("mine"), None, None, 0)?;
    other.destroy()?;
    let shown = of_test.stdout().wait_for("");
    assert_eq!(shown, "lifecycle: test: suspended (paused)");
    let shown = of_test.stdout().wait_for("metadata-change");
    assert_eq!(shown, "metadata-change: test: title changed");
    let shown = titles.stdout().wait_for("");
    assert!(
        shown.ends_with("Z metadata-change: test: title changed"),
        "{shown}"
    );
    host.daemon.kill()?;
    assert_eq!(of_test.end()?.stdout, [""; 0]);
    assert_eq!(titles.end()?.stdout, [""; 0]);
    Ok(())
}

#[test]
fn a_time_in_which_something_came_is_a_success() -> Tested {
    let host = Host::start()?;
    let mut events = host.events(&["--timeout", "5"])?;
    host.toggle_until_a_line(&mut events)?;
    assert_eq!(events.end()?.status.code(), Some(0));
    Ok(())
}

#[test]
fn a_reader_that_went_away_is_no_error() -> Tested {
    let host = Host::start()?;
    let (reader, writer) = UnixStream::pair()?;
    drop(reader);
    let mut events = Command::new(program("events"))
        .args(["--uri", &host.uri])
        .stdout(OwnedFd::from(writer))
        .spawn()?;
    let mut status = None;
    wait_until("it notices", || {
        let _ = host.domain.suspend().and_then(|_| host.domain.resume());
        status = events.try_wait().ok().flatten();
        status.is_some()
    })?;
    assert_eq!(status.and_then(|status| status.code()), Some(0));
    Ok(())
}

/// The daemon goes and comes back, twice.
fn reconnecting(name_of_loop: &str) -> Tested {
    let mut host = Host::start()?;
    let arguments = ["--reconnect", "--loop", name_of_loop, "--domain", "test"];
    let mut events = host.events(&arguments)?;
    for end in [Daemon::kill, Daemon::terminate] {
        host.domain.suspend()?;
        events.stdout().wait_for("test: suspended (paused)");
        end(&host.daemon)?;
        let told = events.stderr().wait_for("was closed: ");
        assert!(told.contains("; opening it again in "), "{told}");
        // Nobody is there.
        events.stderr().wait_for("cannot open");
        host.daemon.restart()?;
        let told = events.stderr().wait_for("following");
        assert!(told.contains("again"), "{told}");
        host.connect()?;
    }
    host.domain.suspend()?;
    events.stdout().wait_for("test: suspended (paused)");
    events.signal(Signal::INT);
    let ended = events.end()?;
    assert_eq!(ended.stderr, [""; 0]);
    assert_eq!(ended.status.code(), Some(0));
    Ok(())
}

#[test]
fn a_lost_connection_is_opened_again_on_the_builtin_loop() -> Tested {
    reconnecting("builtin")
}

#[test]
fn a_lost_connection_is_opened_again_on_tokio() -> Tested {
    reconnecting("tokio")
}

#[test]
fn a_lost_connection_is_opened_again_on_glib() -> Tested {
    reconnecting("glib")
}

#[test]
fn an_interrupt_ends_the_pause_before_another_attempt() -> Tested {
    let host = Host::start()?;
    let mut events = host.events(&["--reconnect"])?;
    host.daemon.kill()?;
    // Each pause is twice as long as the one before.
    events.stderr().wait_for("again in 0.1 s");
    events.stderr().wait_for("again in 1.6 s");
    events.signal(Signal::INT);
    let ended = events.end()?;
    assert_eq!(ended.stderr, [""; 0]);
    assert_eq!(ended.status.code(), Some(0));
    Ok(())
}

/// Where a daemon should be is something that accepts and does not answer.
#[test]
fn an_interrupt_ends_an_attempt_that_hangs() -> Tested {
    let host = Host::start()?;
    let mut events = host.events(&["--reconnect", "--count", "1"])?;
    host.daemon.kill()?;
    events.stderr().wait_for("cannot open");
    let socket = host.daemon.socket();
    fs::remove_file(&socket)?;
    let listener = UnixListener::bind(&socket)?;
    listener.set_nonblocking(true)?;
    let mut accepted = None;
    wait_until("another attempt", || {
        accepted = listener.accept().ok();
        accepted.is_some()
    })?;
    events.signal(Signal::INT);
    let ended = events.end()?;
    let told = ended.stderr.last().map(String::as_str);
    assert_eq!(
        told,
        Some("events: interrupted while opening the connection")
    );
    assert_eq!(ended.status.code(), Some(130));
    Ok(())
}

/// A domain of the mock driver that somebody changes.
struct Host {
    domain: Domain,
    connection: Connect,
    uri: String,
    daemon: Daemon,
}

impl Host {
    fn start() -> Result<Self, Box<dyn std::error::Error>> {
        virt::error::clear_error_callback();
        let daemon = Daemon::start()?;
        let uri = daemon.test_uri();
        let connection = Connect::open(Some(&uri))?;
        let domain = connection.lookup_domain_by_name("test")?;
        Ok(Self {
            domain,
            connection,
            uri,
            daemon,
        })
    }

    /// Connects to another daemon, whose mock begins anew.
    fn connect(&mut self) -> Tested {
        self.connection = Connect::open(Some(&self.uri))?;
        self.domain = self.connection.lookup_domain_by_name("test")?;
        Ok(())
    }

    /// The program `events`, when it misses nothing any more.
    fn events(&self, arguments: &[&str]) -> Result<Program, Box<dyn std::error::Error>> {
        let uri = ["--uri", &self.uri];
        let mut events = Program::start("events", uri.iter().chain(arguments))?;
        events.stderr().wait_for("following");
        Ok(events)
    }

    /// Makes things happen until the program shows one.
    fn toggle_until_a_line(
        &self,
        program: &mut Program,
    ) -> Result<String, Box<dyn std::error::Error>> {
        let began = Instant::now();
        while began.elapsed() < patience() {
            self.domain.suspend()?;
            self.domain.resume()?;
            if let Some(line) = program.stdout().within(Duration::from_millis(20)) {
                return Ok(line);
            }
        }
        Err("it shows nothing".into())
    }
}
