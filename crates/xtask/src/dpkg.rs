//! What Debian's package database says is installed.

use std::collections::HashSet;
use std::process::{Command, Stdio};

use crate::failure::Failure;

/// The names of the installed packages, virtual ones included.
#[derive(Debug)]
pub(crate) struct Installed(HashSet<String>);

impl Installed {
    /// Asks `dpkg-query` once for everything. A query by name would fail for
    /// virtual packages, which have no entry of their own.
    pub(crate) fn query() -> Result<Self, Failure> {
        let output = Command::new("dpkg-query")
            .args([
                "--show",
                "--showformat=${db:Status-Status}\t${Package}\t${Provides}\n",
            ])
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| Failure::new(format!("cannot run dpkg-query: {error}")))?;
        if !output.status.success() {
            return Err(Failure::new(format!("dpkg-query: {}", output.status)));
        }
        Ok(Self::parse(&String::from_utf8_lossy(&output.stdout)))
    }

    /// Reads lines of `STATUS<tab>NAME<tab>PROVIDES`.
    fn parse(listing: &str) -> Self {
        let mut names = HashSet::new();
        for line in listing.lines() {
            let mut fields = line.split('\t');
            if fields.next() != Some("installed") {
                continue;
            }
            names.extend(fields.next().map(str::to_owned));
            // `NAME (= VERSION), NAME`
            let provided = fields.next().unwrap_or_default().split(',');
            names.extend(
                provided
                    .filter_map(|entry| entry.split_whitespace().next())
                    .map(str::to_owned),
            );
        }
        Self(names)
    }

    /// Whether `name` is installed, or provided by something installed.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &str = "\
installed\tgcc\tc-compiler, gcc-x86-64-linux-gnu (= 4:12.2.0-3)
installed\tpkgconf\tpkg-config (= 1.8.1-1)
config-files\tvalgrind\tvalgrind-if-available
not-installed\tlibvirt-dev\t
installed\tlibvirt0\t
";

    #[test]
    fn installed_packages_are_found() {
        let installed = Installed::parse(LISTING);
        assert!(installed.has("gcc"));
        assert!(installed.has("libvirt0"));
        assert!(!installed.has("strace"));
    }

    #[test]
    fn a_provided_name_counts_with_and_without_a_version() {
        let installed = Installed::parse(LISTING);
        assert!(installed.has("c-compiler"));
        assert!(installed.has("pkg-config"));
        assert!(!installed.has("(="));
    }

    #[test]
    fn removed_packages_with_files_left_are_missing() {
        let installed = Installed::parse(LISTING);
        assert!(!installed.has("valgrind"));
        assert!(!installed.has("valgrind-if-available"));
        assert!(!installed.has("libvirt-dev"));
    }

    #[test]
    fn nothing_means_nothing() {
        assert!(!Installed::parse("").has(""));
    }
}
