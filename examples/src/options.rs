//! The command line that the programs share.

use std::ffi::OsString;
use std::fmt;

use lexopt::prelude::*;

use crate::host_loop::LoopKind;

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
    /// `--uri URI`, if given.
    pub uri: Option<String>,
    /// `--loop NAME`.
    pub loop_kind: LoopKind,
}

/// A command line that makes no sense. The message names the option and says
/// what to do; the program should exit with 2.
#[derive(Debug, PartialEq, Eq)]
pub struct UsageError(pub(crate) String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; `--help` lists the options", self.0)
    }
}

impl std::error::Error for UsageError {}

/// Reads the arguments after the program's name.
///
/// # Errors
///
/// - Unknown options, options without their value, values that mean nothing,
///   and arguments that are no options.
pub fn parse<A>(arguments: A) -> Result<Request, UsageError>
where
    A: IntoIterator<Item = OsString>,
    A::IntoIter: 'static,
{
    let mut options = Options {
        uri: None,
        loop_kind: LoopKind::Builtin,
    };
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next().map_err(usage)? {
        match argument {
            Long("uri") => options.uri = Some(value(&mut parser, "--uri")?),
            Long("loop") => options.loop_kind = loop_kind(&mut parser)?,
            Short('h') | Long("help") => return Ok(Request::Help),
            other => return Err(usage(other.unexpected())),
        }
    }
    Ok(Request::Run(options))
}

/// The value of `--loop`.
pub(crate) fn loop_kind(parser: &mut lexopt::Parser) -> Result<LoopKind, UsageError> {
    let name = value(parser, "--loop")?;
    LoopKind::from_name(&name).ok_or_else(|| {
        UsageError(format!(
            "`--loop {name}`: there is no such loop, choose one of: {}",
            LoopKind::ALL
                .iter()
                .map(|kind| kind.name())
                .collect::<Vec<_>>()
                .join(", ")
        ))
    })
}

/// The value of `option`, which the parser has just read.
pub(crate) fn value(parser: &mut lexopt::Parser, option: &str) -> Result<String, UsageError> {
    parser
        .value()
        .and_then(|value| value.string())
        .map_err(|error| match error {
            lexopt::Error::MissingValue { .. } => {
                UsageError(format!("`{option}` needs a value after it"))
            }
            error => UsageError(format!("`{option}`: {error}")),
        })
}

pub(crate) fn usage(error: lexopt::Error) -> UsageError {
    UsageError(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(arguments: &[&str]) -> Result<Request, UsageError> {
        let arguments: Vec<_> = arguments.iter().map(OsString::from).collect();
        parse(arguments)
    }

    fn run(uri: Option<&str>) -> Result<Request, UsageError> {
        Ok(Request::Run(Options {
            uri: uri.map(str::to_owned),
            loop_kind: LoopKind::Builtin,
        }))
    }

    #[test]
    fn options_are_read_in_both_forms() {
        assert_eq!(of(&[]), run(None));
        assert_eq!(
            of(&["--loop", "builtin", "--uri=test:///default"]),
            run(Some("test:///default"))
        );
        assert_eq!(of(&["-h"]), Ok(Request::Help));
        assert_eq!(of(&["--help"]), Ok(Request::Help));
    }

    #[test]
    fn mistakes_are_named_with_what_to_do() {
        for (arguments, names) in [
            (&["--url", "x"][..], "--url"),
            (&["--uri"], "--uri"),
            (&["--loop", "qt"], "qt"),
            (&["--loop", "qt"], "builtin"),
            (&["test:///default"], "test:///default"),
        ] {
            let message = of(arguments).unwrap_err().to_string();
            assert!(message.contains(names), "{arguments:?}: {message}");
            assert!(message.contains("--help"), "{message}");
        }
    }
}
