//! One command of a longer job, announced and timed.

use std::ffi::OsStr;
use std::process::Command;
use std::time::Instant;

use crate::failure::Failure;
use crate::say::say;

/// A named command.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) command: Command,
}

impl Step {
    pub(crate) fn new(name: &'static str, command: Command) -> Self {
        Self { name, command }
    }

    /// Runs it. `position` is shown before the name, such as `2/5`.
    pub(crate) fn run(mut self, position: &str) -> Result<(), Failure> {
        let line = line(&self.command);
        say!("==> {position} {}: {line}", self.name);
        let start = Instant::now();
        let result = self.command.status();
        let seconds = start.elapsed().as_secs_f64();
        match result {
            Ok(status) if status.success() => {
                say!("==> {position} {}: ok in {seconds:.1} s", self.name);
                Ok(())
            }
            Ok(status) => Err(Failure::new(format!(
                "{position} {} failed after {seconds:.1} s ({status}); to repeat it:\n  {line}",
                self.name
            ))),
            Err(error) => Err(Failure::new(format!(
                "{position} {}: cannot run `{line}`: {error}",
                self.name
            ))),
        }
    }
}

/// The command as one would type it, with the variables set for it.
pub(crate) fn line(command: &Command) -> String {
    let variables = command.get_envs().filter_map(|(name, value)| {
        let value = value?.to_string_lossy();
        Some(format!("{}={}", name.to_string_lossy(), quoted(&value)))
    });
    let words = std::iter::once(program_name(command.get_program()))
        .chain(
            command
                .get_args()
                .map(|word| word.to_string_lossy().into_owned()),
        )
        .map(|word| quoted(&word));
    variables.chain(words).collect::<Vec<_>>().join(" ")
}

/// Cargo gives its own path in `CARGO`; the name alone is easier to read.
fn program_name(program: &OsStr) -> String {
    let path = std::path::Path::new(program);
    match path.file_name() {
        Some(name) if name == "cargo" => "cargo".to_owned(),
        _ => program.to_string_lossy().into_owned(),
    }
}

/// Quotes a word for a shell, if it needs that.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_can_be_typed_again() {
        let mut command = Command::new("/usr/local/bin/cargo");
        command
            .env("RUSTDOCFLAGS", "-D warnings")
            .args(["doc", "a b", "it's", ""]);
        assert_eq!(
            line(&command),
            r"RUSTDOCFLAGS='-D warnings' cargo doc 'a b' 'it'\''s' ''"
        );
    }

    #[test]
    fn a_failing_step_says_how_to_repeat_it() {
        let message = Step::new("no", Command::new("false"))
            .run("1/1")
            .unwrap_err()
            .to_string();
        assert!(message.contains("1/1 no failed"), "{message}");
        assert!(message.ends_with("\n  false"), "{message}");
        Step::new("yes", Command::new("true")).run("1/1").unwrap();
    }
}
