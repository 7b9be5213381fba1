//! The command line of `console`.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;

use crate::host_loop::LoopKind;
use crate::options::{UsageError, loop_kind, usage, value};

/// What `--help` prints.
pub const HELP: &str = "\
Usage: console [OPTIONS] URI DOMAIN

Puts the serial console of a guest on this terminal. DOMAIN is a name, a UUID or
an id. While the guest is off, console waits for it to start; when it stops,
console detaches, and attaches again at the next start.

  --loop LOOP  the event loop to use: builtin (the default), mio, tokio, calloop
               or glib
  --log FILE   add a line to FILE for each change of the guest's state and of
               the attachment
  --force      take the console over from another client that has it
  --safe       refuse consoles for which the hypervisor cannot keep two clients
               apart
  -h, --help   print this

In a terminal, Ctrl-] leaves; every other key goes to the guest. Keys typed
while the guest is off are dropped. What a guest does not take waits; when more
waits than fits (64 KiB here, some more in libvirt), the keyboard is not read,
and since libvirt's daemon then reads nothing either, the connection counts as
dead after 20 s.

If stdin is no terminal, all of it goes to the guest, Ctrl-] too, and waits
while the guest is off. At its end, as at once for /dev/null, the guest's output
is shown until the guest stops; only then, and with status 0, console ends.

A first SIGINT, SIGTERM, SIGHUP or SIGQUIT leaves in order, for which libvirt
has 5 s, and a second one, or one after Ctrl-], leaves at once. The terminal is
restored in any case.

Exit status: 0 after Ctrl-], or if the guest stopped after the end of stdin, or
if nobody reads stdout any more; 1 after an error, such as a lost connection; 2
for a wrong command line; 130 after a signal.
";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// `--help`: print the help and exit with 0.
    Help,
    /// Run with these options.
    Run(Options),
}

/// The options of a run.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Where the guest is.
    pub uri: String,
    /// The guest's name, UUID or id.
    pub domain: String,
    /// `--loop NAME`.
    pub loop_kind: LoopKind,
    /// `--log FILE`.
    pub log: Option<PathBuf>,
    /// `--force`.
    pub force: bool,
    /// `--safe`.
    pub safe: bool,
}

/// Reads the arguments after the program's name.
///
/// # Errors
///
/// - Unknown options, options without their value, values that mean nothing,
///   and more or fewer arguments than the two.
pub fn parse<A>(arguments: A) -> Result<Request, UsageError>
where
    A: IntoIterator<Item = OsString>,
    A::IntoIter: 'static,
{
    let mut loop_chosen = LoopKind::Builtin;
    let (mut uri, mut domain, mut log) = (None, None, None);
    let (mut force, mut safe) = (false, false);
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next().map_err(usage)? {
        match argument {
            Long("loop") => loop_chosen = loop_kind(&mut parser)?,
            Long("log") => log = Some(PathBuf::from(value(&mut parser, "--log")?)),
            Long("force") => force = true,
            Long("safe") => safe = true,
            Short('h') | Long("help") => return Ok(Request::Help),
            Value(text) if uri.is_none() => uri = Some(text.string().map_err(usage)?),
            Value(text) if domain.is_none() => domain = Some(text.string().map_err(usage)?),
            other => return Err(usage(other.unexpected())),
        }
    }
    let missing = |what| UsageError(format!("{what} is missing: console URI DOMAIN"));
    Ok(Request::Run(Options {
        uri: uri.ok_or_else(|| missing("URI"))?,
        domain: domain.ok_or_else(|| missing("DOMAIN"))?,
        loop_kind: loop_chosen,
        log,
        force,
        safe,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(arguments: &[&str]) -> Result<Request, UsageError> {
        let arguments: Vec<_> = arguments.iter().map(OsString::from).collect();
        parse(arguments)
    }

    fn plain() -> Options {
        Options {
            uri: "test:///default".to_owned(),
            domain: "test".to_owned(),
            loop_kind: LoopKind::Builtin,
            log: None,
            force: false,
            safe: false,
        }
    }

    #[test]
    fn options_may_stand_anywhere() {
        assert_eq!(of(&["test:///default", "test"]), Ok(Request::Run(plain())));
        let all = Options {
            loop_kind: LoopKind::Tokio,
            log: Some("file".into()),
            force: true,
            safe: true,
            ..plain()
        };
        let arguments = [
            "--loop=tokio",
            "test:///default",
            "--force",
            "test",
            "--log",
            "file",
            "--safe",
        ];
        assert_eq!(of(&arguments), Ok(Request::Run(all)));
        assert_eq!(of(&["--help"]), Ok(Request::Help));
        assert_eq!(of(&["test:///default", "-h"]), Ok(Request::Help));
    }

    #[test]
    fn mistakes_are_named_with_what_to_do() {
        for (arguments, names) in [
            (&[][..], "URI"),
            (&["test:///default"], "DOMAIN"),
            (&["a", "b", "c"], "\"c\""),
            (&["--loop", "qt"], "qt"),
            (&["--log"], "--log"),
            (&["--uri", "x"], "--uri"),
            (&["--force=yes", "a", "b"], "--force"),
        ] {
            let message = of(arguments).unwrap_err().to_string();
            assert!(message.contains(names), "{arguments:?}: {message}");
            assert!(message.contains("--help"), "{message}");
        }
    }

    #[test]
    fn a_domain_may_begin_with_a_hyphen() {
        let hyphen = Options {
            domain: "-vm".to_owned(),
            ..plain()
        };
        let arguments = ["test:///default", "--", "-vm"];
        assert_eq!(of(&arguments), Ok(Request::Run(hyphen)));
    }

    #[test]
    fn the_help_fits_a_terminal() {
        assert!(HELP.lines().all(|line| line.len() <= 80));
    }
}
