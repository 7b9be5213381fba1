//! The machine that the figures belong to.

use std::{fs, thread};

use serde::Serialize;

use crate::libvirt;

/// What a reader has to know to place the figures. What cannot be found out
/// is `unknown`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    /// The model of the processor.
    pub(crate) cpu: String,
    /// How many of them this process may use.
    pub(crate) cpus: usize,
    /// The distribution.
    pub(crate) system: String,
    /// The release of the kernel.
    pub(crate) kernel: String,
    /// The version of the libvirt library.
    pub(crate) libvirt: String,
    /// Of the last minute, before the first round: other work on the machine
    /// widens the spread.
    pub(crate) load_average: String,
}

impl Machine {
    /// Describes this machine, now.
    pub(crate) fn look() -> Self {
        let known = |value: Option<String>| value.unwrap_or_else(|| "unknown".to_owned());
        let load = read("/proc/loadavg");
        Self {
            cpu: known(field(&read("/proc/cpuinfo"), "model name", ':')),
            cpus: thread::available_parallelism().map_or(0, Into::into),
            system: known(field(&read("/etc/os-release"), "PRETTY_NAME", '=')),
            kernel: known(line(&read("/proc/sys/kernel/osrelease"))),
            libvirt: known(libvirt::version()),
            load_average: known(load.split_whitespace().next().map(str::to_owned)),
        }
    }
}

/// A file, or nothing.
fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn line(text: &str) -> Option<String> {
    text.lines().next().map(|line| line.trim().to_owned())
}

/// The first value of `key` in lines of keys and values, without quotes.
fn field(text: &str, key: &str, separator: char) -> Option<String> {
    text.lines()
        .filter_map(|line| line.split_once(separator))
        .find(|(name, _)| name.trim() == key)
        .map(|(_, value)| value.trim().trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found() {
        let cpuinfo = "processor\t: 0\nmodel name\t: A (R) @ 1 GHz\nmodel name\t: B\n";
        assert_eq!(
            field(cpuinfo, "model name", ':').as_deref(),
            Some("A (R) @ 1 GHz")
        );
        assert_eq!(
            field("ID=x\nPRETTY_NAME=\"X 1\"\n", "PRETTY_NAME", '=').as_deref(),
            Some("X 1")
        );
        assert_eq!(field("", "model name", ':'), None);
    }
}
