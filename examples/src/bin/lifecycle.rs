//! Prints what happens to the domains of a libvirt host.
//!
//! Without `--uri` it makes four things happen on libvirt's built-in `test`
//! hypervisor, which needs no daemon. The main thread runs the loop; a second
//! one talks to libvirt, because those calls block, and a blocked loop answers
//! no keepalive.

use std::error::Error;
use std::process::{self, ExitCode};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use virt::connect::Connect;
use virt::domain::Domain;
use virt_event_examples::Failure;
use virt_event_examples::interrupt::{self, Interrupt, Interrupted, Race};
use virt_event_examples::options::{self, Options, Request};
use virt_event_examples::output::{is_broken_pipe, print, say};
use virt_event_examples::worker::run_beside;
use virt_event_monitor::domain::Lifecycle;
use virt_event_monitor::{CloseReason, Monitor};

const HELP: &str = "\
Usage: lifecycle [--uri URI] [--loop LOOP]

Prints the lifecycle events of domains as NAME: EVENT (DETAIL).

  --uri URI    follow this libvirt URI until Ctrl-C; without it, play a
               scenario on test:///default
  --loop LOOP  the event loop to use: builtin (the default), mio, tokio, calloop
               or glib
  -h, --help   print this

Exit status: 0; 1 after an error; 2 for a wrong option; 130 if Ctrl-C or SIGTERM
cut the scenario or the opening of a connection short. Following ends with 0.
";

/// How long the scenario waits for an event.
const EVENT_LIMIT: Duration = Duration::from_secs(10);
/// How long libvirt may keep its callbacks after the connection is closed.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let options = match options::parse(std::env::args_os().skip(1)) {
        Ok(Request::Run(options)) => options,
        Ok(_) => return conclude(print(format_args!("{HELP}")).map_err(Failure::from)),
        Err(error) => {
            say(format_args!("lifecycle: {error}"));
            return ExitCode::from(2);
        }
    };
    conclude(run(options))
}

/// Says what went wrong, if anything.
fn conclude(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody reads our output any more, as after `| head -1`.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("lifecycle: {error}"));
            ExitCode::from(exit_status(&*error))
        }
    }
}

fn exit_status(error: &(dyn Error + Send + Sync + 'static)) -> u8 {
    if error.is::<Interrupted>() {
        interrupt::EXIT_STATUS
    } else {
        1
    }
}

/// What the thread that talks to libvirt waits for.
enum Message {
    Event(Lifecycle),
    Closed(CloseReason),
    Interrupted,
}

fn run(options: Options) -> Result<(), Failure> {
    // libvirt prints every error to stderr by itself; we do it.
    virt::error::clear_error_callback();

    // Before the first connection: libvirt looks for a loop when it opens one.
    let mut host_loop = options.loop_kind.install()?;
    let (sender, receiver) = mpsc::channel();
    let opening = Race::default();
    let interrupt = Interrupt::watch({
        let opening = opening.clone();
        let sender = sender.clone();
        move || {
            if opening.win() {
                // Opening cannot be called off and may take for ever. Nothing
                // is open yet, so there is nothing to close either.
                say(format_args!(
                    "lifecycle: interrupted while opening the connection"
                ));
                process::exit(interrupt::EXIT_STATUS.into());
            }
            let _ = sender.send(Message::Interrupted);
        }
    })?;

    let talked = run_beside(&mut *host_loop, move || {
        talk(options.uri.as_deref(), sender, &receiver, &opening)
    })?;

    // Every connection is closed; what libvirt still has on the loop goes now.
    drop(interrupt);
    let drained = host_loop.drain(DRAIN_LIMIT);
    talked?;
    drained?;
    let left = host_loop.reactor().stats();
    print(format_args!(
        "drained: {} handles, {} timers left\n",
        left.watches, left.timers
    ))?;
    Ok(())
}

/// Everything that calls libvirt. When it returns, the connection is closed.
fn talk(
    uri: Option<&str>,
    sender: Sender<Message>,
    receiver: &Receiver<Message>,
    opening: &Race,
) -> Result<(), Failure> {
    let name = uri.unwrap_or("test:///default");
    let opened = Connect::open(Some(name));
    while !opening.win() {
        // The interrupt came first, and the loop's thread is ending the process.
        thread::park();
    }
    let connection = opened.map_err(|error| failure(&format!("cannot open `{name}`"), &error))?;
    // A host that is there but silent is noticed after 20 s. Drivers in this
    // process have no keepalive and refuse, which does not matter.
    let _ = connection.set_keep_alive(5, 3);

    // The callbacks run on the loop, so they only pass the news on. Declared
    // after the connection, the subscriptions end before it.
    let monitor = Monitor::new(&connection)?;
    let closed = sender.clone();
    let _events = monitor.subscribe::<Lifecycle>().callback(move |event| {
        let _ = sender.send(Message::Event(event));
    })?;
    let _end = monitor.on_close(move |reason| {
        let _ = closed.send(Message::Closed(reason));
    });
    match uri {
        Some(uri) => follow(uri, receiver),
        None => play(&connection, receiver),
    }
}

/// Prints events until Ctrl-C.
fn follow(uri: &str, receiver: &Receiver<Message>) -> Result<(), Failure> {
    say(format_args!("following {uri} until Ctrl-C"));
    for message in receiver {
        match message {
            Message::Event(event) => print(format_args!("{event}\n"))?,
            Message::Closed(reason) => {
                return Err(format!("the connection to {uri} was closed: {reason}").into());
            }
            Message::Interrupted => break,
        }
    }
    Ok(())
}

/// Makes four things happen to the domain `test` and prints what comes of it.
fn play(connection: &Connect, receiver: &Receiver<Message>) -> Result<(), Failure> {
    let domain = connection
        .lookup_domain_by_name("test")
        .map_err(|error| failure("cannot find the domain `test`", &error))?;
    type Action = fn(&Domain) -> Result<(), virt::error::Error>;
    let scenario: [(&str, Action); 4] = [
        ("suspend", |domain| domain.suspend().map(drop)),
        ("resume", |domain| domain.resume().map(drop)),
        ("destroy", |domain| domain.destroy()),
        ("start", |domain| domain.create().map(drop)),
    ];
    for (verb, action) in scenario {
        action(&domain).map_err(|error| failure(&format!("cannot {verb} `test`"), &error))?;
    }
    print_events(&scenario.map(|(verb, _)| verb), receiver)
}

/// Prints one event for each of `verbs`.
fn print_events(verbs: &[&str], receiver: &Receiver<Message>) -> Result<(), Failure> {
    let deadline = Instant::now() + EVENT_LIMIT;
    for (number, verb) in (1..).zip(verbs) {
        match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Message::Event(event)) => print(format_args!("{event}\n"))?,
            Ok(Message::Interrupted) => return Err(Interrupted.into()),
            Ok(Message::Closed(reason)) => {
                return Err(format!("the connection was closed: {reason}").into());
            }
            Err(_) => {
                return Err(format!(
                    "event {number} of {}, for `{verb}`, did not arrive within {} s",
                    verbs.len(),
                    EVENT_LIMIT.as_secs()
                )
                .into());
            }
        }
    }
    Ok(())
}

/// libvirt's own words, after ours.
fn failure(what: &str, error: &virt::error::Error) -> Failure {
    format!("{what}: {}", error.message()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_that_cuts_the_scenario_short_exits_with_130() {
        let (sender, receiver) = mpsc::channel();
        sender.send(Message::Interrupted).unwrap();
        let error = print_events(&["suspend"], &receiver).unwrap_err();
        assert_eq!(exit_status(&*error), 130);
    }

    #[test]
    fn an_event_that_does_not_come_is_an_error() {
        let (_, receiver) = mpsc::channel();
        let error = print_events(&["suspend", "resume"], &receiver).unwrap_err();
        assert!(
            error.to_string().contains("event 1 of 2, for `suspend`"),
            "{error}"
        );
        assert_eq!(exit_status(&*error), 1);
    }
}
