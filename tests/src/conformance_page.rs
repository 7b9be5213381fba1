//! docs/conformance.md: the table, the reasons for the gaps, the mutants.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use virt_event_conformance::cases::cases;
use virt_event_conformance::{Mutant, Table};

use crate::expected::{GAPS, gap};
use crate::implementations::{EXAMINED, Standing};

/// The word in each cell of the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(BTreeMap<(String, String), String>);

impl Words {
    /// Sets the cell of a case and an implementation.
    pub fn set(&mut self, case: &str, implementation: &str, word: &str) {
        self.0.insert(
            (case.to_owned(), implementation.to_owned()),
            word.to_owned(),
        );
    }

    /// The word in a cell; `?` if none was set.
    pub fn word(&self, case: &str, implementation: &str) -> &str {
        let key = (case.to_owned(), implementation.to_owned());
        self.0.get(&key).map_or("?", String::as_str)
    }

    /// The words of a page that was [rendered](render) before.
    pub fn read(page: &str) -> Self {
        let mut words = Self::default();
        for line in page.lines() {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            let Some(case) = cells
                .next()
                .and_then(|cell| cell.strip_prefix('`')?.strip_suffix('`'))
            else {
                continue;
            };
            let cells: Vec<&str> = cells.collect();
            if cells.len() == EXAMINED.len() {
                for (examined, word) in EXAMINED.iter().zip(cells) {
                    words.set(case, examined.implementation.name, word);
                }
            }
        }
        words
    }
}

/// Where the page is.
pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/conformance.md")
}

/// The page.
pub fn render(words: &Words) -> String {
    let mut page = String::from(HEAD);
    let mut table = Table::new(EXAMINED.iter().map(|it| it.implementation.name));
    for case in cases() {
        let cells = EXAMINED
            .iter()
            .map(|it| words.word(case.name, it.implementation.name));
        table.row(case, cells);
    }
    page.push_str(&table.to_markdown());
    for examined in EXAMINED {
        page.push_str(&gaps_of(examined.implementation.name));
    }
    page.push_str(MUTANTS);
    for case in cases() {
        let _ = match case.mutant {
            Mutant::Broken { fault, .. } => writeln!(page, "- `{}`: {fault}", case.name),
            Mutant::Impossible(reason) => {
                writeln!(page, "- `{}`: no mutant can exist: {reason}", case.name)
            }
        };
    }
    page
}

/// What an implementation does otherwise, each reason once.
fn gaps_of(implementation: &str) -> String {
    let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
    for gap in cases().filter_map(|case| gap(implementation, case.name)) {
        let case = format!("`{}` ({})", gap.case, gap.kind.word());
        match reasons.iter_mut().find(|(reason, _)| *reason == gap.reason) {
            Some((_, cases)) => cases.push(case),
            None => reasons.push((gap.reason, vec![case])),
        }
    }
    let mut text = String::new();
    if !reasons.is_empty() {
        let _ = writeln!(text, "\n## What {implementation} does otherwise");
    }
    for (reason, cases) in reasons {
        let _ = writeln!(text, "\n{reason}:\n{}", cases.join(",\n"));
    }
    text
}

/// What is wrong with the committed list of gaps or with a page, in words.
pub fn faults(page: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for gap in GAPS {
        if !cases().any(|case| case.name == gap.case) {
            faults.push(format!(
                "a gap is listed for {}, which is no case",
                gap.case
            ));
        }
        if !EXAMINED
            .iter()
            .any(|it| it.implementation.name == gap.implementation)
        {
            faults.push(format!(
                "a gap is listed for {}, which is not examined",
                gap.implementation
            ));
        }
    }
    let words = Words::read(page);
    for case in cases() {
        for examined in EXAMINED {
            let name = examined.implementation.name;
            let word = words.word(case.name, name);
            let allowed = match gap(name, case.name) {
                Some(gap) => word == gap.kind.word(),
                None => word == "pass" || (word == "n/a" && examined.standing == Standing::Peer),
            };
            if !allowed {
                faults.push(format!("{name} {}: the page says {word}", case.name));
            }
        }
    }
    if render(&words) != page {
        faults.push("the page is not what would be written now".to_owned());
    }
    faults
}

const HEAD: &str = "\
# Conformance

Written by `cargo xtask conformance`; do not edit.

Each case of `virt-event-conformance` examines one clause of the
[contract](contract.md), whose id its name begins with. It runs in a process of
its own, with a deadline.

- **pass**: the implementation behaves as the contract says.
- **fail**: it does not, or the process was killed by a signal.
- **hang**: the deadline came first.
- **unstable**: several attempts differed.
- **n/a**: the case needs something that the implementation does not offer, such
  as a way to detach a driver.

What is not a pass has its reason below the table; a result that is not listed
there is a test failure.

R1, R2, R4 and the C boundary (F) are about libvirt and this process, not about
an implementation: their cases are in `tests/src/process_cases`, and the contract
names them.

";

const MUTANTS: &str = "
## Mutants

The proof that the cases can fail: for each there is a subject that is broken on
purpose, made out of the reactor on the built-in loop, which must fail it.

";
