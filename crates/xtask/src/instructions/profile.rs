//! What callgrind wrote.

use std::collections::BTreeMap;

/// Instructions per operation, by path.
#[derive(Debug, PartialEq)]
pub(crate) struct Counts(pub(crate) BTreeMap<String, f64>);

/// The function whose calls are counted, by the end of its name.
const COUNTED: &str = "::counted";

impl Counts {
    /// From what the program printed, lines of `PATH OPERATIONS`, and callgrind's
    /// profile with all names written out.
    ///
    /// # Errors
    ///
    /// - The name of a path, or a line of the program, that the profile does not
    ///   fit to.
    pub(crate) fn new(printed: &str, profile: &str) -> Result<Self, String> {
        let mut counts = BTreeMap::new();
        for line in printed.lines() {
            let wrong = || line.to_owned();
            let (path, operations) = line.split_once(' ').ok_or_else(wrong)?;
            let operations: u64 = operations.parse().map_err(|_| wrong())?;
            let instructions = instructions(path, profile).ok_or_else(wrong)?;
            counts.insert(path.to_owned(), instructions as f64 / operations as f64);
        }
        Ok(Self(counts))
    }
}

/// The instructions of all calls of the counted function by the function `path`,
/// with what was called in turn.
///
/// The profile has a paragraph for each function, headed `fn=NAME`. A call in it
/// is `cfn=NAME`, perhaps with the file before it, then `calls=COUNT LINE`, then a
/// line with the place and the instructions.
fn instructions(path: &str, profile: &str) -> Option<u64> {
    let suffix = format!("::{path}");
    let mut in_path = false;
    let mut callee = "";
    let mut is_cost = false;
    let mut sum = None;
    for line in profile.lines() {
        if let Some(name) = line.strip_prefix("fn=") {
            in_path = name.ends_with(&suffix);
        } else if let Some(name) = line.strip_prefix("cfn=") {
            callee = name;
        } else if line.starts_with("calls=") {
            is_cost = in_path && callee.ends_with(COUNTED);
        } else if is_cost {
            let cost: u64 = line.split(' ').nth(1)?.parse().ok()?;
            *sum.get_or_insert(0) += cost;
            is_cost = false;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = "\
version: 1
events: Ir

fl=change.rs
fn=hot_paths::path::change::update
12 7
cfi=main.rs
cfn=hot_paths::counted
calls=1 30
14 2000
cfn=hot_paths::other
calls=1 30
15 999

fn=hot_paths::path::libvirt::libvirt_update
cfn=hot_paths::counted
calls=1 30
14 5000

fn=hot_paths::counted
30 100
cfn=alloc
calls=10 1
31 1900
";

    #[test]
    fn the_calls_of_a_path_are_told_from_others() {
        let counts = Counts::new("update 1000\nlibvirt_update 500\n", PROFILE).unwrap();
        let found: Vec<_> = counts.0.iter().map(|(name, of)| (&**name, *of)).collect();
        assert_eq!(found, [("libvirt_update", 10.0), ("update", 2.0)]);
    }

    #[test]
    fn a_path_that_callgrind_did_not_see_is_named() {
        assert_eq!(Counts::new("turn 10\n", PROFILE), Err("turn 10".to_owned()));
        assert!(Counts::new("update\n", PROFILE).is_err());
    }
}
