//! The command line of `events`.

use std::ffi::OsString;
use std::num::NonZeroU64;
use std::time::Duration;

use lexopt::prelude::*;
use virt_event_monitor::{EventKind, ObjectKind};

use super::line::Style;
use crate::host_loop::LoopKind;
use crate::options::{UsageError, loop_kind, usage, value};

/// What `--help` prints.
pub const HELP: &str = "\
Usage: events [OPTIONS]

Prints what happens on a libvirt host, a line for each event: KIND: NAME: what
happened. Without --kind and --all, everything that happens to domains.

  --uri URI          where; without it, libvirt's default URI
  --kind KIND        only this kind of event; may be repeated
  --all              every kind, also those of networks, storage pools, devices
                     of the host and secrets
  --domain DOMAIN    only what happens to this domain: a name, a UUID or an id
  --json             print an object for each event: the kind is `event`
  --timestamp        with the time at which the event arrived, in UTC
  --count N          end after N events
  --timeout SECONDS  end so long after the start of the program; 0.5 is fine
  --reconnect        when the connection is lost, open it again, as often as it
                     takes; what happens meanwhile is missed
  --loop LOOP        the event loop to use: builtin (the default), mio, tokio,
                     calloop or glib
  --list             print the kinds of events, and since which version libvirt
                     has them
  -h, --help         print this

`following ... until Ctrl-C` on stderr means: from now on nothing is missed.
Ctrl-C or SIGTERM ends in order, for which the host may have to answer; a second
one ends at once.

Kinds that the connection does not report are left out, with a note on stderr,
unless --kind names them: then they are an error.

Exit status: 0 after Ctrl-C or SIGTERM, after --count events, or if nobody reads
stdout any more; 1 after an error, such as a lost connection; 2 for a wrong
option; 3 if --timeout came before --count events, or before any; 130 if Ctrl-C
or SIGTERM came before --count events, or cut the opening of a connection short.
";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// `--help`: print the help and exit with 0.
    Help,
    /// `--list`: print the kinds of events and exit with 0.
    List,
    /// Run with these options.
    Run(Options),
}

/// The options of a run.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// `--uri URI`, if given.
    pub uri: Option<String>,
    /// `--loop NAME`.
    pub loop_kind: LoopKind,
    /// `--domain DOMAIN`, if given.
    pub domain: Option<String>,
    /// `--kind KIND` and `--all`: what to subscribe to.
    pub kinds: Vec<EventKind>,
    /// Whether the user has named each of the kinds, and so wants no other.
    pub kinds_are_named: bool,
    /// `--json` and `--timestamp`.
    pub style: Style,
    /// `--timeout SECONDS`, if given.
    pub timeout: Option<Duration>,
    /// `--count N`, if given.
    pub count: Option<NonZeroU64>,
    /// `--reconnect`.
    pub reconnect: bool,
}

/// Reads the arguments after the program's name.
///
/// # Errors
///
/// - Unknown options, options without their value, values that mean nothing,
///   options that contradict each other, and arguments that are no options.
pub fn parse<A>(arguments: A) -> Result<Request, UsageError>
where
    A: IntoIterator<Item = OsString>,
    A::IntoIter: 'static,
{
    let mut options = Options {
        uri: None,
        loop_kind: LoopKind::Builtin,
        domain: None,
        kinds: Vec::new(),
        kinds_are_named: false,
        style: Style::default(),
        timeout: None,
        count: None,
        reconnect: false,
    };
    let (mut all, mut list) = (false, false);
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next().map_err(usage)? {
        match argument {
            Long("uri") => options.uri = Some(value(&mut parser, "--uri")?),
            Long("loop") => options.loop_kind = loop_kind(&mut parser)?,
            Long("domain") => options.domain = Some(value(&mut parser, "--domain")?),
            Long("kind") => options.kinds.push(kind(&mut parser)?),
            Long("all") => all = true,
            Long("list") => list = true,
            Long("json") => options.style.json = true,
            Long("timestamp") => options.style.timestamp = true,
            Long("timeout") => options.timeout = Some(seconds(&mut parser)?),
            Long("count") => options.count = Some(count(&mut parser)?),
            Long("reconnect") => options.reconnect = true,
            Short('h') | Long("help") => return Ok(Request::Help),
            other => return Err(usage(other.unexpected())),
        }
    }
    if list {
        return Ok(Request::List);
    }
    choose_kinds(&mut options, all)?;
    Ok(Request::Run(options))
}

fn choose_kinds(options: &mut Options, all: bool) -> Result<(), UsageError> {
    let named = &mut options.kinds;
    if let Some(kind) = named.first().filter(|_| all) {
        return Err(UsageError(format!(
            "`--all` and `--kind {kind}`: choose one of them"
        )));
    }
    let is_of_domains = |kind: &EventKind| kind.object() == ObjectKind::Domain;
    let other = named.iter().find(|kind| !is_of_domains(kind));
    if let Some(kind) = other.filter(|_| options.domain.is_some()) {
        return Err(UsageError(format!(
            "`--domain` and `--kind {kind}`: that happens to a {}, not to a domain",
            kind.object()
        )));
    }
    options.kinds_are_named = !named.is_empty();
    if options.kinds_are_named {
        named.sort_unstable();
        // Twice would be each event twice.
        named.dedup();
    } else {
        let others = all && options.domain.is_none();
        let wanted = |kind: &EventKind| others || is_of_domains(kind);
        *named = EventKind::ALL.iter().copied().filter(wanted).collect();
    }
    Ok(())
}

fn kind(parser: &mut lexopt::Parser) -> Result<EventKind, UsageError> {
    let name = value(parser, "--kind")?;
    EventKind::from_name(&name).ok_or_else(|| {
        UsageError(format!(
            "`--kind {name}`: there is no such kind of event, `--list` shows those there are"
        ))
    })
}

fn seconds(parser: &mut lexopt::Parser) -> Result<Duration, UsageError> {
    let text = value(parser, "--timeout")?;
    let seconds = text.parse().ok().map(Duration::try_from_secs_f64);
    match seconds {
        Some(Ok(seconds)) if !seconds.is_zero() => Ok(seconds),
        _ => Err(UsageError(format!(
            "`--timeout {text}`: that is no number of seconds above 0"
        ))),
    }
}

fn count(parser: &mut lexopt::Parser) -> Result<NonZeroU64, UsageError> {
    let text = value(parser, "--count")?;
    text.parse().map_err(|_| {
        UsageError(format!(
            "`--count {text}`: that is no number of events from 1"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(arguments: &[&str]) -> Result<Request, UsageError> {
        let arguments: Vec<_> = arguments.iter().map(OsString::from).collect();
        parse(arguments)
    }

    fn run(arguments: &[&str]) -> Options {
        match of(arguments) {
            Ok(Request::Run(options)) => options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn without_a_choice_it_is_all_of_domains() {
        let options = run(&[]);
        assert!(options.kinds.contains(&EventKind::Lifecycle));
        assert!(options.kinds.contains(&EventKind::MemoryDeviceSizeChange));
        let mut objects = options.kinds.iter().map(|kind| kind.object());
        assert!(objects.all(|object| object == ObjectKind::Domain));
        assert!(!options.kinds_are_named);
        assert_eq!(options.uri, None);
    }

    #[test]
    fn all_is_everything_that_can_happen() {
        assert_eq!(run(&["--all"]).kinds, EventKind::ALL);
        let of_domain = run(&["--all", "--domain", "test"]);
        assert_eq!(of_domain.kinds, run(&[]).kinds);
        assert_eq!(of_domain.domain.as_deref(), Some("test"));
    }

    #[test]
    fn kinds_that_are_named_come_alone_and_once() {
        let options = run(&["--kind", "reboot", "--kind=lifecycle", "--kind", "reboot"]);
        assert_eq!(options.kinds, [EventKind::Lifecycle, EventKind::Reboot]);
        assert!(options.kinds_are_named);
    }

    #[test]
    fn numbers_are_read() {
        let options = run(&["--timeout", "0.25", "--count", "3"]);
        assert_eq!(options.timeout, Some(Duration::from_millis(250)));
        assert_eq!(options.count, NonZeroU64::new(3));
    }

    #[test]
    fn what_ends_at_once_needs_nothing_else() {
        assert_eq!(of(&["--list", "--json"]), Ok(Request::List));
        assert_eq!(of(&["--all", "-h"]), Ok(Request::Help));
    }

    #[test]
    fn mistakes_are_named_with_what_to_do() {
        for (arguments, names) in [
            (&["--kind", "lifecicle"][..], "`--kind lifecicle`"),
            (&["--kind", "lifecicle"], "--list"),
            (&["--kind"], "`--kind` needs a value"),
            (&["--all", "--kind", "reboot"], "`--kind reboot`"),
            (
                &["--domain", "d", "--kind", "network-lifecycle"],
                "a network",
            ),
            (&["--timeout", "soon"], "`--timeout soon`"),
            (&["--timeout", "0"], "`--timeout 0`"),
            (&["--timeout=-1"], "`--timeout -1`"),
            (&["--timeout", "inf"], "`--timeout inf`"),
            (&["--count", "0"], "`--count 0`"),
            (&["--count", "many"], "`--count many`"),
            (&["--loop", "qt"], "`--loop qt`"),
            (&["qemu:///system"], "qemu:///system"),
        ] {
            let message = of(arguments).unwrap_err().to_string();
            assert!(message.contains(names), "{arguments:?}: {message}");
            assert!(message.contains("--help"), "{message}");
        }
    }
}
