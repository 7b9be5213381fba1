//! docs/conformance.md: the tables, the reasons for the gaps, the mutants.

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
                for (examined, cell) in EXAMINED.iter().zip(cells) {
                    if let Some(mark) = MARKS.iter().find(|mark| mark.sign == cell) {
                        words.set(case, examined.implementation.name, mark.word);
                    }
                }
            }
        }
        words
    }

    /// How many cells of an implementation say this.
    fn count(&self, implementation: &str, word: &str) -> usize {
        cases()
            .filter(|case| self.word(case.name, implementation) == word)
            .count()
    }
}

/// What stands in a cell for a word, because seven words in a row are not read.
struct Mark {
    word: &'static str,
    sign: &'static str,
    meaning: &'static str,
}

const MARKS: &[Mark] = &[
    Mark {
        word: "pass",
        sign: "✓",
        meaning: "the implementation behaves as the contract says",
    },
    Mark {
        word: "fail",
        sign: "✗",
        meaning: "it does not, or the process was killed by a signal",
    },
    Mark {
        word: "hang",
        sign: "∞",
        meaning: "the deadline came first",
    },
    Mark {
        word: "unstable",
        sign: "±",
        meaning: "several attempts differed",
    },
    Mark {
        word: "n/a",
        sign: "–",
        meaning: "the case needs something that the implementation does not offer, such as a \
                  way to detach a driver",
    },
];

fn sign(word: &str) -> &'static str {
    MARKS
        .iter()
        .find(|mark| mark.word == word)
        .map_or("?", |mark| mark.sign)
}

/// The headings of docs/contract.md, by the letter that the names of their
/// cases begin with.
const GROUPS: &[(char, &str)] = &[
    ('r', "Registration"),
    ('i', "Ids"),
    ('h', "Handles"),
    ('t', "Timers"),
    ('c', "Callbacks and frees"),
    ('x', "Threads and processes"),
    ('l', "Life cycle"),
];

/// Where the page is.
pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/conformance.md")
}

/// The page.
pub fn render(words: &Words) -> String {
    let mut page = String::from(HEAD);
    for mark in MARKS {
        let _ = writeln!(page, "- {} **{}**: {}", mark.sign, mark.word, mark.meaning);
    }
    page.push_str(LEGEND_ENDS);
    page.push_str(&totals(words));
    for (letter, title) in GROUPS {
        let anchor = title.to_lowercase().replace(' ', "-");
        let _ = writeln!(page, "\n## [{title}](contract.md#{anchor})\n");
        page.push_str(&table_of(*letter, words));
    }
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

/// How often each implementation got each mark.
fn totals(words: &Words) -> String {
    let mut text = String::from("|");
    for mark in MARKS {
        let _ = write!(text, " | {} {}", mark.sign, mark.word);
    }
    let _ = writeln!(text, " |\n|---{}|", "|--:".repeat(MARKS.len()));
    for examined in EXAMINED {
        let name = examined.implementation.name;
        let _ = write!(text, "| {name}");
        for mark in MARKS {
            let _ = write!(text, " | {}", words.count(name, mark.word));
        }
        text.push_str(" |\n");
    }
    text
}

/// The cases whose names begin with a letter.
fn table_of(letter: char, words: &Words) -> String {
    let mut table = Table::new(EXAMINED.iter().map(|it| it.implementation.name));
    for case in cases().filter(|case| case.name.starts_with(letter)) {
        let cells = EXAMINED
            .iter()
            .map(|it| sign(words.word(case.name, it.implementation.name)));
        table.row(case, cells);
    }
    table.to_markdown()
}

/// What an implementation does otherwise, each reason once.
fn gaps_of(implementation: &str) -> String {
    let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
    for gap in cases().filter_map(|case| gap(implementation, case.name)) {
        let case = format!("`{}` {}", gap.case, sign(gap.kind.word()));
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
        let _ = writeln!(text, "\n- {reason}:\n  {}", cases.join(",\n  "));
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

";

const LEGEND_ENDS: &str = "
What is not a pass has its reason below the tables; a result that is not listed
there is a test failure. The peers, which are not this project's, are expected to
lack what they do not offer.

R1, R2, R4 and the C boundary (F) are about libvirt and this process, not about
an implementation: their cases are in `tests/src/process_cases`, and the contract
names them.

";

const MUTANTS: &str = "
## Mutants

The proof that the cases can fail: for each there is a subject that is broken on
purpose, made out of the reactor on the built-in loop, which must fail it.

";
