//! Prints what happens on a libvirt host.
//!
//! The main thread runs the loop; a second one talks to libvirt and prints,
//! because both may block. Ctrl-C and the end of `--timeout` are events on the
//! loop like any other.

use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use virt_event_examples::Failure;
use virt_event_examples::events::options::{self, HELP, Options, Request};
use virt_event_examples::events::session::Following;
use virt_event_examples::interrupt::{self, Interrupt};
use virt_event_examples::output::{is_broken_pipe, print, say};
use virt_event_examples::reconnect::{CutShort, Link};
use virt_event_examples::stopping::{Stop, Stopping};
use virt_event_examples::worker::run_beside;
use virt_event_monitor::EventKind;

/// The exit status if the time was up before the events had come.
const TIMED_OUT: u8 = 3;
/// How long libvirt may keep its callbacks after the connection is closed.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let status = match options::parse(std::env::args_os().skip(1)) {
        Ok(Request::Run(options)) => run(options),
        Ok(Request::List) => list().map(|()| 0),
        Ok(_) => print(format_args!("{HELP}"))
            .map(|()| 0)
            .map_err(Failure::from),
        Err(error) => {
            tell(format_args!("{error}"));
            Ok(2)
        }
    };
    match status {
        Ok(status) => ExitCode::from(status),
        // Nobody reads our output any more, as after `| head -1`.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            tell(format_args!("{error}"));
            ExitCode::FAILURE
        }
    }
}

fn list() -> Result<(), Failure> {
    for kind in EventKind::ALL {
        let object = kind.object().to_string();
        print(format_args!(
            "{:<26} {object:<13} {}\n",
            kind.name(),
            kind.since()
        ))?;
    }
    Ok(())
}

/// Follows what the options ask for; the exit status.
fn run(options: Options) -> Result<u8, Failure> {
    // libvirt prints every error to stderr by itself; we do it.
    virt::error::clear_error_callback();

    // Before the first connection: libvirt looks for a loop when it opens one.
    let mut host_loop = options.loop_kind.install()?;
    let stopping = Stopping::default();
    let interrupt = Interrupt::watch({
        let stopping = stopping.clone();
        move || stopping.stop(Stop::Interrupted)
    })?;
    let timeout = options.timeout.map(|time| {
        let stopping = stopping.clone();
        virt_event::add_timeout(time, move || stopping.stop(Stop::TimedOut))
    });
    let timeout = timeout.transpose()?;

    let talked = run_beside(&mut *host_loop, move || talk(&options, &stopping))?;
    if let Ok(Talked {
        status,
        is_opening: true,
    }) = talked
    {
        // That cannot be called off and may take for ever.
        return Ok(status);
    }
    // Every connection is closed; what libvirt still has on the loop goes now.
    drop((timeout, interrupt));
    let drained = host_loop.drain(DRAIN_LIMIT);
    let status = talked?.status;
    drained?;
    Ok(status)
}

/// How talking to libvirt ended.
struct Talked {
    /// For the program to exit with.
    status: u8,
    /// Somewhere inside libvirt a connection is being opened.
    is_opening: bool,
}

/// Everything that calls libvirt.
fn talk(options: &Options, stopping: &Stopping) -> Result<Talked, Failure> {
    let link = Link {
        uri: options.uri.as_deref(),
        stopping,
        tell: &tell,
    };
    let mut following = Following::new(options, stopping, &tell);
    let ended = if options.reconnect {
        link.keep(&mut following)
    } else {
        link.once(&mut following)
    };
    let is_short = !following.is_satisfied();
    let cut_short = match ended {
        Ok(()) => None,
        Err(error) => Some(error.downcast::<CutShort>()?),
    };
    if let Some(cut_short) = &cut_short {
        tell(format_args!("{cut_short}"));
    }
    let is_opening = cut_short.is_some();
    let status = match stopping.why() {
        Some(Stop::TimedOut) if is_short => TIMED_OUT,
        Some(Stop::Interrupted) if is_opening || is_short && options.count.is_some() => {
            interrupt::EXIT_STATUS
        }
        _ => 0,
    };
    Ok(Talked { status, is_opening })
}

/// Tells the person at the terminal.
fn tell(line: fmt::Arguments<'_>) {
    say(format_args!("events: {line}"));
}
