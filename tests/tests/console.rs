//! The example program `console` with real guests, in a terminal and with
//! pipes, on each of the loops.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use virt::connect::Connect;
use virt::sys;
use virt_event_tests::console::{OnTerminal, Piped};
use virt_event_tests::rig::{Daemon, Guest, patience, wait_until};

type Tested = Result<(), Box<dyn std::error::Error>>;

/// Ctrl-].
const ESCAPE: u8 = 0x1d;
const FLOOD_LENGTH: usize = 65_536;

fn session_on(name_of_loop: &str) -> Tested {
    let scene = Scene::new()?;
    let log = scene.daemon.directory().join("log");
    let log_name = log.to_string_lossy();
    let mut console = scene.on_terminal(&["--loop", name_of_loop, "--log", &log_name])?;
    attached(&mut console);
    assert!(!console.is_restored());
    scene.guest.domain().resume()?;
    assert_eq!(text(console.terminal.wait_for(Guest::BANNER)), "");

    // Every key is the guest's: no echo of our own, no line to end, no signal.
    let keys = b"hello, \x03\x1a\x11\x13\x7f\r";
    console.terminal.type_in(keys);
    assert_eq!(text(console.terminal.take(keys.len())), text(keys.to_vec()));

    console.terminal.type_in(&[Guest::FLOOD]);
    assert!(console.terminal.take(flood().len()) == flood());

    console.terminal.type_in(&[ESCAPE]);
    let (status, rest) = console.end();
    assert_eq!((status, rest.trim()), (0, ""));
    let log = fs::read_to_string(log)?;
    let told: Vec<_> = log.lines().map(|line| &line[21..]).collect();
    assert_eq!(
        told,
        [
            "attached to guest; Ctrl-] leaves",
            "guest: resumed (unpaused)",
            "left",
            "drained: 0 handles, 0 timers left"
        ]
    );
    Ok(())
}

#[test]
fn a_session_on_the_builtin_loop() -> Tested {
    session_on("builtin")
}

#[test]
fn a_session_on_mio() -> Tested {
    session_on("mio")
}

#[test]
fn a_session_on_tokio() -> Tested {
    session_on("tokio")
}

#[test]
fn a_session_on_calloop() -> Tested {
    session_on("calloop")
}

#[test]
fn a_session_on_glib() -> Tested {
    session_on("glib")
}

#[test]
fn a_mebibyte_is_shown_byte_for_byte() -> Tested {
    const FLOODS: usize = 16;

    let scene = Scene::new()?;
    let mut console = scene.ready(&[])?;
    for number in 0..FLOODS {
        console.terminal.type_in(&[Guest::FLOOD]);
        assert!(console.terminal.take(flood().len()) == flood(), "{number}");
    }
    console.terminal.type_in(&[ESCAPE]);
    let (status, rest) = console.end();
    assert_eq!((status, rest.trim()), (0, ""));
    Ok(())
}

#[test]
fn a_guest_that_stops_is_detached_and_attached_again_when_it_starts() -> Tested {
    let daemon = Daemon::start()?;
    let connection = Connect::open(Some(&daemon.qemu_uri()))?;
    let domain = connection.define_domain_xml(&daemon.guests().xml("guest")?)?;
    let mut console = OnTerminal::start([&daemon.qemu_uri(), "guest"])?;
    let waits = b"\r\n[guest is off: waiting for its start; Ctrl-] leaves]\r\n";
    console.terminal.wait_for(waits);
    for _ in 0..2 {
        domain.create_with_flags(sys::VIR_DOMAIN_START_PAUSED)?;
        attached(&mut console);
        domain.resume()?;
        console.terminal.wait_for(Guest::BANNER);
        console.terminal.type_in(b"x");
        assert_eq!(console.terminal.take(1), b"x");
        console.terminal.type_in(&[Guest::POWER_OFF]);
        let stopped = b"\r\n[detached: guest stopped]\r\n";
        assert_eq!(text(console.terminal.wait_for(stopped)), "");
    }
    // Nobody is there to hear this.
    console.terminal.type_in(b"y");
    console.terminal.type_in(&[ESCAPE]);
    assert_eq!(console.end().0, 0);
    Ok(())
}

#[test]
fn a_guest_that_comes_back_as_another_is_known_by_its_name() -> Tested {
    let scene = Scene::new()?;
    let mut console = scene.on_terminal(&[])?;
    attached(&mut console);
    scene.guest.domain().destroy()?;
    console.terminal.wait_for(b"[detached: guest stopped]\r\n");
    let again = scene.another_guest()?;
    attached(&mut console);
    again.domain().resume()?;
    console.terminal.wait_for(Guest::BANNER);
    console.terminal.type_in(&[ESCAPE]);
    assert_eq!(console.end().0, 0);
    Ok(())
}

#[test]
fn a_killed_guest_is_detached() -> Tested {
    let scene = Scene::new()?;
    let mut console = scene.on_terminal(&[])?;
    attached(&mut console);
    scene.guest.kill()?;
    console.terminal.wait_for(b"[detached: guest stopped]");
    console.terminal.type_in(&[ESCAPE]);
    assert_eq!(console.end().0, 0);
    Ok(())
}

#[test]
fn a_terminal_that_takes_nothing_for_a_while_loses_nothing() -> Tested {
    let scene = Scene::new()?;
    let mut console = scene.ready(&[])?;
    // More than the program, and the terminal, hold.
    console.terminal.type_in(&[Guest::FLOOD; 3]);
    held(&console)?;
    for _ in 0..3 {
        assert!(console.terminal.take(flood().len()) == flood());
    }
    console.terminal.type_in(&[ESCAPE]);
    let (status, rest) = console.end();
    assert_eq!((status, rest.trim()), (0, ""));
    Ok(())
}

#[test]
fn ctrl_right_bracket_leaves_a_terminal_that_takes_nothing() -> Tested {
    let scene = Scene::new()?;
    let mut console = scene.ready(&[])?;
    console.terminal.type_in(&[Guest::FLOOD; 3]);
    held(&console)?;
    console.terminal.type_in(&[ESCAPE]);
    // Nobody looks meanwhile, so that it cannot write anything more.
    wait_until("console ends", || has_ended(&console))?;
    assert_eq!(console.end().0, 0);
    Ok(())
}

#[test]
fn ctrl_right_bracket_leaves_a_guest_that_takes_nothing() -> Tested {
    let scene = Scene::new()?;
    let mut console = scene.on_terminal(&[])?;
    attached(&mut console);
    // The guest stands still, its console fills up, and the daemon, which has
    // nowhere to put input, reads no more of anything.
    Stuck::watch(&console)?.type_until(&mut console)?;
    console.terminal.type_in(&[ESCAPE]);
    let (status, said) = console.end();
    let words = "console: the host is slow to close the console";
    assert_eq!((status, said.trim()), (0, words));
    Ok(())
}

/// Three floods that the terminal has not taken, of a guest that has stopped.
fn stopped_with_output_waiting(scene: &Scene) -> Result<OnTerminal, Box<dyn std::error::Error>> {
    let mut console = scene.ready(&[])?;
    let before = received(&console);
    console.terminal.type_in(&[Guest::FLOOD; 3]);
    held(&console)?;
    // The kernel drops what is in the guest's terminal when QEMU ends, so all
    // of it has to be on this side.
    let length = 3 * flood().len() as u64;
    wait_until("console has received it all", || {
        received(&console) >= before + length && is_steady(|| received(&console))
    })?;
    scene.guest.domain().destroy()?;
    Ok(console)
}

#[test]
fn output_that_waits_when_a_guest_stops_is_shown_to_the_end() -> Tested {
    let scene = Scene::new()?;
    let mut console = stopped_with_output_waiting(&scene)?;
    for _ in 0..3 {
        assert!(console.terminal.take(flood().len()) == flood());
    }
    let stopped = b"\r\n[detached: guest stopped]\r\n";
    assert_eq!(text(console.terminal.wait_for(stopped)), "");
    console.terminal.type_in(&[ESCAPE]);
    assert_eq!(console.end().0, 0);
    Ok(())
}

/// Started again, with another UUID, before the end of the old stream has come.
#[test]
fn a_guest_that_comes_back_while_output_waits_is_attached_again() -> Tested {
    let scene = Scene::new()?;
    let mut console = stopped_with_output_waiting(&scene)?;
    let again = scene.another_guest()?;
    for _ in 0..3 {
        assert!(console.terminal.take(flood().len()) == flood());
    }
    console.terminal.wait_for(b"[detached: guest stopped]\r\n");
    assert!(again.domain().is_active()?);
    attached(&mut console);
    again.domain().resume()?;
    console.terminal.wait_for(Guest::BANNER);
    console.terminal.type_in(&[ESCAPE]);
    assert_eq!(console.end().0, 0);
    Ok(())
}

#[test]
fn a_signal_leaves_in_order_and_restores_the_terminal() -> Tested {
    let scene = Scene::new()?;
    for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT] {
        let mut console = scene.on_terminal(&[])?;
        attached(&mut console);
        console.signal(signal);
        let (status, said) = console.end();
        assert_eq!((status, said.trim()), (130, "console: interrupted"));
    }
    Ok(())
}

#[test]
fn a_stopped_program_gives_the_terminal_back_until_it_goes_on() -> Tested {
    let scene = Scene::new()?;
    let mut console = scene.ready(&[])?;
    console.signal(Signal::TSTP);
    wait_until("the terminal is restored", || console.is_restored())?;
    wait_until("console stands still", || state(&console) == Some('T'))?;
    console.signal(Signal::CONT);
    wait_until("the terminal is raw", || !console.is_restored())?;
    console.terminal.type_in(b"x");
    assert_eq!(console.terminal.take(1), b"x");
    console.terminal.type_in(&[ESCAPE]);
    assert_eq!(console.end().0, 0);
    Ok(())
}

#[test]
fn a_terminal_that_hangs_up_ends_the_program() -> Tested {
    let scene = Scene::new()?;
    let log = scene.daemon.directory().join("log");
    let mut console = scene.on_terminal(&["--log", &log.to_string_lossy()])?;
    attached(&mut console);
    console.terminal.hang_up();
    wait_until("console ends", || has_ended(&console))?;
    let log = fs::read_to_string(&log)?;
    assert!(log.ends_with("ends: interrupted\n"), "{log}");
    Ok(())
}

#[test]
fn a_lost_connection_is_an_error_that_names_the_reason() -> Tested {
    let scene = Scene::new()?;
    let mut console = scene.on_terminal(&[])?;
    attached(&mut console);
    scene.daemon.kill()?;
    let (status, said) = console.end();
    assert_eq!(status, 1);
    let uri = scene.daemon.qemu_uri();
    let words = format!("console: the connection to {uri} is lost: end of file");
    assert_eq!(said.trim(), words);
    Ok(())
}

#[test]
fn a_daemon_that_hangs_loses_no_input() -> Tested {
    let scene = Scene::new()?;
    let mut console = scene.ready(&[])?;
    scene.daemon.freeze()?;
    let mut typed = Vec::new();
    let began = Instant::now();
    // Until the sockets, our queue and the terminal are full. The sockets alone
    // hold more than this; with less, the program had no processor for a while.
    loop {
        let next: Vec<_> = (typed.len()..typed.len() + 4000)
            .map(|n| b'a' + (n % 23) as u8)
            .collect();
        let count = console.terminal.try_type(&next);
        typed.extend_from_slice(&next[..count]);
        let is_full = count < next.len() && is_steady(|| console.terminal.takes_input());
        if is_full && typed.len() > 64 * 1024 {
            break;
        }
        assert!(began.elapsed() < patience(), "{} bytes", typed.len());
    }
    scene.daemon.thaw()?;
    assert!(console.terminal.take(typed.len()) == typed);
    console.terminal.type_in(&[ESCAPE]);
    assert_eq!(console.end().0, 0);
    Ok(())
}

#[test]
fn a_daemon_that_hangs_holds_up_neither_the_loop_nor_a_second_signal() -> Tested {
    let scene = Scene::new()?;
    let mut console = scene.ready(&[])?;
    let stuck = Stuck::watch(&console)?;
    scene.daemon.freeze()?;
    stuck.type_until(&mut console)?;
    // The thread that sends is stuck, and the loop takes the key.
    console.terminal.type_in(&[ESCAPE]);
    wait_until("the terminal is restored", || console.is_restored())?;
    // Closing is stuck as well. This is a signal again.
    console.terminal.type_in(&[0x03]);
    assert_eq!(console.end().0, 130);
    scene.daemon.thaw()?;
    Ok(())
}

#[test]
fn an_occupied_console_is_named_and_can_be_taken_over() -> Tested {
    let scene = Scene::new()?;
    let mut first = scene.on_terminal(&[])?;
    attached(&mut first);
    let second = scene.on_terminal(&[])?;
    let (status, said) = second.end();
    assert_eq!(status, 1);
    assert!(
        said.contains("cannot open the console of `guest`"),
        "{said}"
    );
    assert!(said.contains("`--force` takes it over"), "{said}");

    let mut third = scene.on_terminal(&["--force"])?;
    attached(&mut third);
    let (status, said) = first.end();
    assert_eq!(status, 1);
    assert!(
        said.contains("was closed while the guest goes on"),
        "{said}"
    );
    third.terminal.type_in(&[ESCAPE]);
    assert_eq!(third.end().0, 0);
    Ok(())
}

#[test]
fn a_pipe_goes_to_the_guest_to_its_last_byte_and_the_program_ends_with_the_guest() -> Tested {
    let scene = Scene::new()?;
    let mut console = scene.piped(Stdio::piped())?;
    wait_for_stderr(&console, "[attached to guest]\n")?;
    scene.guest.domain().resume()?;
    wait_until("the banner", || console.stdout() == Guest::BANNER)?;
    let mut stdin = console.stdin().ok_or("no stdin")?;
    stdin.write_all(b"a\x1db\n")?;
    let echoed = [Guest::BANNER, b"a\x1db\n"].concat();
    wait_until("the echo", || console.stdout() == echoed)?;
    stdin.write_all(&[Guest::POWER_OFF])?;
    drop(stdin);
    let ended = console.end()?;
    assert!(ended.stdout == echoed);
    assert!(ended.stderr.ends_with("[detached: guest stopped]\n"));
    assert_eq!(ended.status.code(), Some(0));
    Ok(())
}

#[test]
fn a_file_is_sent_from_where_it_stands() -> Tested {
    let scene = Scene::new()?;
    // What comes before the guest has set up its UART may be lost there.
    let mut first = scene.ready(&[])?;
    first.terminal.type_in(&[ESCAPE]);
    assert_eq!(first.end().0, 0);
    // More than our queue holds, for a guest that echoes it slowly.
    let input: Vec<_> = (0..80_000).map(|n| b'a' + (n % 23) as u8).collect();
    let path = scene.daemon.directory().join("input");
    fs::write(&path, [b"before".as_slice(), &input].concat())?;
    let mut file = fs::File::open(&path)?;
    file.read_exact(&mut [0; 6])?;
    let console = scene.piped(file)?;
    wait_until("the echo of all", || console.stdout().len() >= input.len())?;
    scene.guest.domain().destroy()?;
    let ended = console.end()?;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(ended.stdout == input, "{} bytes", ended.stdout.len());
    Ok(())
}

#[test]
fn without_input_the_output_is_shown_until_a_signal_or_the_guests_end() -> Tested {
    let scene = Scene::new()?;
    let first = scene.piped(Stdio::null())?;
    wait_for_stderr(&first, "[attached to guest]\n")?;
    scene.guest.domain().resume()?;
    wait_until("the banner", || first.stdout() == Guest::BANNER)?;
    first.signal(Signal::TERM);
    let ended = first.end()?;
    assert_eq!(ended.status.code(), Some(130));
    assert_eq!(ended.stdout, Guest::BANNER);
    assert!(ended.stderr.ends_with("console: interrupted\n"));

    let last = scene.piped(Stdio::null())?;
    wait_for_stderr(&last, "[attached to guest]\n")?;
    scene.guest.domain().destroy()?;
    let ended = last.end()?;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(ended.stderr.ends_with("[detached: guest stopped]\n"));
    Ok(())
}

/// A daemon with a guest that has not run yet.
struct Scene {
    // In this order: to close the connection of a daemon that stands still
    // would take for ever, and of one that is gone it does not.
    guest: Guest,
    daemon: Daemon,
    connection: Connect,
}

impl Scene {
    fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let daemon = Daemon::start()?;
        let connection = Connect::open(Some(&daemon.qemu_uri()))?;
        let guest = Guest::create_paused(&connection, daemon.guests(), "guest")?;
        Ok(Self {
            guest,
            connection,
            daemon,
        })
    }

    /// One with the same name and another UUID, in the place of the guest, which
    /// has ended.
    fn another_guest(&self) -> Result<Guest, Box<dyn std::error::Error>> {
        self.guest.domain().undefine()?;
        let guests = self.daemon.guests();
        Ok(Guest::create_paused(&self.connection, guests, "guest")?)
    }

    fn on_terminal(&self, options: &[&str]) -> std::io::Result<OnTerminal> {
        let uri = self.daemon.qemu_uri();
        OnTerminal::start(options.iter().copied().chain([uri.as_str(), "guest"]))
    }

    /// A program that is attached to a guest that has printed its banner.
    fn ready(&self, options: &[&str]) -> Result<OnTerminal, Box<dyn std::error::Error>> {
        let mut console = self.on_terminal(options)?;
        attached(&mut console);
        self.guest.domain().resume()?;
        console.terminal.wait_for(Guest::BANNER);
        Ok(console)
    }

    fn piped(&self, stdin: impl Into<Stdio>) -> std::io::Result<Piped> {
        Piped::start([self.daemon.qemu_uri().as_str(), "guest"], stdin)
    }
}

fn attached(console: &mut OnTerminal) {
    let words = b"\r\n[attached to guest; Ctrl-] leaves]\r\n";
    assert_eq!(text(console.terminal.wait_for(words)), "");
}

fn wait_for_stderr(console: &Piped, words: &str) -> Tested {
    Ok(wait_until(words, || console.stderr().ends_with(words))?)
}

/// What the guest prints for one [`Guest::FLOOD`].
fn flood() -> Vec<u8> {
    [&[b'x'; FLOOD_LENGTH], Guest::DONE].concat()
}

/// Waits until the terminal is full, and has been so for a while.
fn held(console: &OnTerminal) -> Tested {
    Ok(wait_until("the terminal is full", || {
        console.terminal.unread() > 0 && is_steady(|| console.terminal.unread())
    })?)
}

/// Whether what `look` sees does not change for a fifth of a second. It decides
/// when a test goes on, and never what it says.
fn is_steady<T: PartialEq>(look: impl Fn() -> T) -> bool {
    let first = look();
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(200) {
        if look() != first {
            return false;
        }
        thread::sleep(Duration::from_millis(2));
    }
    true
}

/// How many bytes the program has read so far, from anywhere.
fn received(console: &OnTerminal) -> u64 {
    let counts = fs::read_to_string(format!("/proc/{}/io", console.pid())).unwrap_or_default();
    let read = counts.lines().find_map(|line| line.strip_prefix("rchar: "));
    read.and_then(|count| count.parse().ok()).unwrap_or(0)
}

fn has_ended(console: &OnTerminal) -> bool {
    matches!(state(console), None | Some('Z' | 'X'))
}

fn state(console: &OnTerminal) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", console.pid())).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Tells when the thread that sends to the guest is stuck.
struct Stuck {
    thread: PathBuf,
    /// The system call that it waits in when there is nothing to send.
    idle: Option<String>,
}

impl Stuck {
    /// Nothing has been typed yet, or all of it has been echoed.
    fn watch(console: &OnTerminal) -> Result<Self, Box<dyn std::error::Error>> {
        let thread = thread_of(console, "to the guest")?;
        wait_until("nothing is sent", || is_steady(|| system_call(&thread)))?;
        let idle = system_call(&thread);
        Ok(Self { thread, idle })
    }

    /// Types until it is stuck, and not so much more that the program's queue is
    /// full as well: then it would read no key.
    fn type_until(&self, console: &mut OnTerminal) -> Tested {
        while system_call(&self.thread) == self.idle {
            console.terminal.type_in(&[b'x'; 10_000]);
            wait_until("all is sent, or nothing can be", || {
                is_steady(|| system_call(&self.thread))
            })?;
        }
        Ok(())
    }
}

/// The directory in /proc of the program's thread with this name.
fn thread_of(console: &OnTerminal, name: &str) -> Result<PathBuf, Box<dyn std::error::Error>> {
    for entry in fs::read_dir(format!("/proc/{}/task", console.pid()))? {
        let path = entry?.path();
        if fs::read_to_string(path.join("comm"))?.trim() == name {
            return Ok(path);
        }
    }
    Err(format!("no thread `{name}`").into())
}

/// The number of the system call that a thread waits in.
fn system_call(thread: &Path) -> Option<String> {
    let line = fs::read_to_string(thread.join("syscall")).ok()?;
    Some(line.split_whitespace().next()?.to_owned())
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}
