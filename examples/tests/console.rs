//! The program `console`, as far as it goes without a guest. With guests, and
//! in a terminal, it is tested in the package `virt-event-tests`.

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

mod support;

use support::limit;

#[test]
fn a_wrong_command_line_is_named() {
    for (arguments, words) in [
        (&[][..], "URI is missing"),
        (&["test:///default"], "DOMAIN is missing"),
        (&["test:///default", "test", "more"], "\"more\""),
        (&["--loop", "qt", "test:///default", "test"], "`--loop qt`"),
        (&["--url", "x"], "--url"),
        (&["--log"], "`--log` needs a value"),
    ] {
        let ended = run(arguments);
        assert!(ended.stderr.contains(words), "{ended:?}");
        assert!(ended.stderr.contains("--help"), "{ended:?}");
        assert_eq!(ended.stdout, "");
        assert_eq!(ended.status.code(), Some(2));
    }
}

#[test]
fn help_is_printed_to_stdout() {
    let ended = run(&["--help"]);
    assert!(ended.stdout.starts_with("Usage: console"), "{ended:?}");
    assert_eq!(ended.stderr, "");
    assert_eq!(ended.status.code(), Some(0));
}

#[test]
fn a_domain_that_is_not_there_is_named_with_what_to_do() {
    let names = ["nobody", "99", "00000000-0000-0000-0000-000000000000"];
    for name in names {
        let ended = run(&["test:///default", name]);
        let words = format!("there is no domain with the name, UUID or id `{name}`");
        assert!(ended.stderr.contains(&words), "{ended:?}");
        assert!(ended.stderr.contains("`virsh list --all`"), "{ended:?}");
        assert_eq!(ended.status.code(), Some(1));
    }
}

#[test]
fn a_domain_is_found_by_name_by_uuid_and_by_id_on_every_loop() {
    // The mock driver has one domain, and no consoles.
    let names = ["test", "6695eb01-f6a4-8304-79aa-97f2502e193f", "1"];
    let loops = ["builtin", "mio", "tokio", "calloop", "glib"];
    let chosen = names.map(|name| ("builtin", name));
    for (name_of_loop, name) in chosen.into_iter().chain(loops.map(|own| (own, "test"))) {
        let ended = run(&["--loop", name_of_loop, "test:///default", name]);
        let words = format!("cannot open the console of `{name}`: this function is not supported");
        assert!(ended.stderr.contains(&words), "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
        assert_eq!(ended.stdout, "");
        assert_eq!(ended.status.code(), Some(1));
    }
}

#[test]
fn libvirts_message_is_printed_once() {
    let ended = run(&["test://[", "test"]);
    assert!(ended.stderr.contains("Unable to parse URI test://["));
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    assert_eq!(ended.status.code(), Some(1));
}

#[test]
fn a_log_that_cannot_be_written_is_named() {
    let ended = run(&["--log", "/", "test:///default", "test"]);
    let words = "console: cannot write the log `/`: Is a directory";
    assert!(ended.stderr.contains(words), "{ended:?}");
    assert_eq!(ended.status.code(), Some(1));
}

#[test]
fn the_log_says_how_it_ended() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let file = path.to_str().unwrap();
    run(&["--log", file, "test:///default", "test"]);
    let log = fs::read_to_string(&path).unwrap();
    assert!(
        log.contains("Z ends: cannot open the console of `test`"),
        "{log}"
    );
}

#[test]
fn a_signal_ends_the_opening_of_a_connection_at_once() {
    // A daemon that accepts and never answers: opening would take for ever.
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    let uri = format!("test+unix:///default?socket={}", socket.display());
    let console = Console::start(&[&uri, "test"]);
    let _connection = accept(&listener);
    console.signal("INT");
    let ended = console.end();
    let words = "console: interrupted while opening the connection\n";
    assert_eq!(ended.stderr, words);
    assert_eq!(ended.status.code(), Some(130));
}

#[derive(Debug)]
struct Ended {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

fn run(arguments: &[&str]) -> Ended {
    Console::start(arguments).end()
}

/// A running `console`; killed if the test ends before it does. It writes into
/// files, so that nobody has to read while it runs.
struct Console {
    child: Child,
    stdout: File,
    stderr: File,
}

impl Console {
    fn start(arguments: &[&str]) -> Self {
        let (stdout, stderr) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let child = Command::new(env!("CARGO_BIN_EXE_console"))
            .args(arguments)
            // The messages of libvirt and of the system are compared.
            .env("LC_ALL", "C")
            // No test here may start a daemon.
            .env("LIBVIRT_AUTOSTART", "0")
            .stdin(Stdio::null())
            .stdout(stdout.try_clone().unwrap())
            .stderr(stderr.try_clone().unwrap())
            .spawn()
            .unwrap();
        Self {
            child,
            stdout,
            stderr,
        }
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(status.success());
    }

    fn end(mut self) -> Ended {
        let status = wait("console does not end", || self.child.try_wait().unwrap());
        Ended {
            status,
            stdout: text(&mut self.stdout).unwrap(),
            stderr: text(&mut self.stderr).unwrap(),
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // Fails if it has ended, as it should have.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(file: &mut File) -> io::Result<String> {
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    Ok(text)
}

fn accept(listener: &UnixListener) -> std::os::unix::net::UnixStream {
    listener.set_nonblocking(true).unwrap();
    wait("nobody connects", || listener.accept().ok()).0
}

fn wait<T>(otherwise: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit();
    loop {
        match look() {
            Some(seen) => return seen,
            None => assert!(Instant::now() < deadline, "{otherwise}"),
        }
        thread::sleep(Duration::from_millis(2));
    }
}
