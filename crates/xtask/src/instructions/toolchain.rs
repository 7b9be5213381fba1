//! What decides about the number of instructions besides the source.

use std::collections::BTreeMap;
use std::fmt;
use std::process::{Command, Stdio};

use crate::failure::Failure;

/// Tools and their versions.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Toolchain(BTreeMap<String, String>);

/// How each tool says which one it is: in its first line.
const TOOLS: &[(&str, &[&str])] = &[
    ("rustc", &["rustc", "--version"]),
    ("valgrind", &["valgrind", "--version"]),
    ("libvirt", &["pkg-config", "--modversion", "libvirt"]),
    ("C library", &["ldd", "--version"]),
];

impl Toolchain {
    /// That of this machine.
    pub(crate) fn find() -> Result<Self, Failure> {
        let mut toolchain = Self::of("processor", std::env::consts::ARCH);
        for (tool, command) in TOOLS {
            toolchain.add(tool, &version(command)?);
        }
        Ok(toolchain)
    }

    /// One tool.
    pub(crate) fn of(tool: &str, version: &str) -> Self {
        let mut toolchain = Self::default();
        toolchain.add(tool, version);
        toolchain
    }

    pub(crate) fn add(&mut self, tool: &str, version: &str) {
        self.0.insert(tool.to_owned(), version.to_owned());
    }

    /// In words, what is not the same in `other`.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let of = |toolchain: &Self, tool: &str| {
            let version = toolchain.0.get(tool).cloned();
            version.unwrap_or_else(|| "none".to_owned())
        };
        let mut tools: Vec<_> = self.0.keys().chain(other.0.keys()).collect();
        tools.sort();
        tools.dedup();
        tools
            .into_iter()
            .map(|tool| (tool, of(self, tool), of(other, tool)))
            .filter(|(_, then, now)| then != now)
            .map(|(tool, then, now)| format!("{tool}: {then} then, {now} now"))
            .collect()
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|(tool, version)| writeln!(f, "{tool}: {version}"))
    }
}

fn version(command: &[&str]) -> Result<String, Failure> {
    let [program, arguments @ ..] = command else {
        return Err(Failure::new("a tool without a command"));
    };
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Failure::new(format!("cannot run {program}: {error}")))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    match printed.lines().next() {
        Some(line) if output.status.success() => Ok(line.trim().to_owned()),
        _ => Err(Failure::new(format!(
            "`{}` says no version",
            command.join(" ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named_with_both_versions() {
        let mut then = Toolchain::of("rustc", "1");
        then.add("valgrind", "3");
        let mut now = Toolchain::of("rustc", "2");
        now.add("valgrind", "3");
        assert_eq!(then.differences(&now), ["rustc: 1 then, 2 now"]);
        assert!(then.differences(&then).is_empty());
        assert_eq!(
            Toolchain::default().differences(&Toolchain::of("rustc", "1")),
            ["rustc: none then, 1 now"]
        );
    }

    #[test]
    fn a_tool_that_says_nothing_is_an_error() {
        assert!(version(&["true"]).is_err());
        assert!(version(&["virt-event-no-such-program"]).is_err());
        assert!(
            version(&["rustc", "--version"])
                .unwrap()
                .starts_with("rustc")
        );
    }
}
