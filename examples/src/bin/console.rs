//! Puts the serial console of a guest on the terminal.
//!
//! The main thread runs the loop, which only moves bytes that are there;
//! everything that may wait has a thread of its own. See
//! [`virt_event_examples::console`].

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use virt::connect::Connect;
use virt_event_examples::Failure;
use virt_event_examples::console::endpoint::Endpoint;
use virt_event_examples::console::log::Log;
use virt_event_examples::console::notices::{Notices, say};
use virt_event_examples::console::options::{self, HELP, Options, Request};
use virt_event_examples::console::relay::{Relay, Report};
use virt_event_examples::console::session::{self, Message, Setup};
use virt_event_examples::console::terminal::{self, RestoreOnDrop, Terminal};
use virt_event_examples::console::{ending, guest, signals};
use virt_event_examples::interrupt::Race;
use virt_event_examples::worker::run_beside;

/// How long libvirt may keep its callbacks after the connection is closed.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let result = match options::parse(std::env::args_os().skip(1)) {
        Ok(Request::Run(options)) => run(options),
        Ok(_) => io::stdout()
            .write_all(HELP.as_bytes())
            .map_err(Failure::from),
        Err(error) => {
            say(format_args!("console: {error}"));
            return ExitCode::from(2);
        }
    };
    ExitCode::from(ending::conclude(&result))
}

fn run(options: Options) -> Result<(), Failure> {
    // libvirt prints every error to stderr by itself; we do it.
    virt::error::clear_error_callback();

    let log = Log::open(options.log.as_deref())?;
    let terminal = Terminal::of(io::stdin())?;
    if let Some(terminal) = &terminal {
        terminal::restore_on_panic(terminal);
    }
    let _restore = RestoreOnDrop(terminal.clone());

    // Before the connection: libvirt looks for a loop when it opens one.
    let mut host_loop = options.loop_kind.install()?;
    let (sender, receiver) = mpsc::channel();
    let leaving = Race::default();
    let stdin = Endpoint::reader(io::stdin()).map_err(|error| named("stdin", &error))?;
    let stdout = Endpoint::writer(io::stdout()).map_err(|error| named("stdout", &error))?;
    let relay = Relay::new(stdin, stdout, reporter(&sender, &leaving, &terminal));
    let opening = Race::default();
    signals::watch(
        terminal.clone(),
        leaving,
        leaver(&sender, &relay, &terminal, &opening),
    )?;
    let setup = Setup {
        notices: Notices::new(&relay, terminal.clone()),
        relay: Arc::clone(&relay),
        options,
        terminal,
        log,
        closing_limit: None,
    };

    let talked = run_beside(&mut *host_loop, move || {
        talk(setup, &sender, &receiver, &opening)
    })?;

    // Every connection is closed; what libvirt still has on the loop goes now.
    relay.stop();
    let drained = host_loop.drain(DRAIN_LIMIT);
    let mut log = talked?;
    drained?;
    let left = host_loop.reactor().stats();
    log.add(format_args!(
        "drained: {} handles, {} timers left",
        left.watches, left.timers
    ))
}

/// What the relay tells, on the loop's thread for the most part.
fn reporter(
    sender: &Sender<Message>,
    leaving: &Race,
    terminal: &Option<Arc<Terminal>>,
) -> impl Fn(Report) + Send + Sync + 'static {
    let (sender, leaving, terminal) = (sender.clone(), leaving.clone(), terminal.clone());
    move |report| {
        if matches!(report, Report::Left) {
            // From here on Ctrl-C is a signal again, which ends the program at
            // once: for the case that the orderly way out hangs.
            let _ = leaving.win();
            if let Some(terminal) = &terminal {
                terminal.restore();
            }
        }
        // Nobody listens any more at the very end.
        let _ = sender.send(Message::Relay(report));
    }
}

/// What the first signal does, on the signals' thread.
fn leaver(
    sender: &Sender<Message>,
    relay: &Arc<Relay>,
    terminal: &Option<Arc<Terminal>>,
    opening: &Race,
) -> impl Fn() + Send + 'static {
    let (sender, relay) = (sender.clone(), Arc::downgrade(relay));
    let (terminal, opening) = (terminal.clone(), opening.clone());
    move || {
        if opening.win() {
            // Opening cannot be called off and may take for ever. Nothing is
            // open yet, so there is nothing to close either.
            say(format_args!(
                "console: interrupted while opening the connection"
            ));
            signals::end_now(&terminal);
        }
        if let Some(terminal) = &terminal {
            terminal.restore();
        }
        if let Some(relay) = relay.upgrade() {
            relay.leave();
        }
        let _ = sender.send(Message::Interrupted);
    }
}

/// Everything that calls libvirt. When it returns, the connection is closed.
fn talk(
    mut setup: Setup,
    sender: &Sender<Message>,
    receiver: &Receiver<Message>,
    opening: &Race,
) -> Result<Log, Failure> {
    let uri = setup.options.uri.clone();
    let opened = Connect::open(Some(&uri));
    while !opening.win() {
        // The signal came first, and its thread is ending the process.
        thread::park();
    }
    let connection =
        opened.map_err(|error| guest::failure(&format!("cannot open `{uri}`"), &error))?;
    // A host that is there but silent is noticed after 20 s. Drivers in this
    // process have no keepalive and refuse, which does not matter.
    let _ = connection.set_keep_alive(5, 3);

    let relay = Arc::clone(&setup.relay);
    let to_guest = thread::Builder::new()
        .name("to the guest".to_owned())
        .spawn(move || relay.send_until_stopped())?;
    let result = session::run(&mut setup, &connection, sender, receiver);
    setup.relay.stop();
    // It may be in the middle of a call, and then holds the connection open.
    to_guest
        .join()
        .map_err(|_| "sending to the guest panicked")?;
    drop(connection);
    result.map(|()| setup.log)
}

fn named(what: &str, error: &io::Error) -> Failure {
    format!("cannot open {what} anew, to read or write without waiting: {error}").into()
}
