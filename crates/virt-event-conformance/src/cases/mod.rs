//! Every case, in the contract's order, enumerated once.

use std::sync::LazyLock;

use crate::Case;

mod callbacks;
mod callbacks_drop;
mod callbacks_free;
mod callbacks_nested;
mod callbacks_panics;
mod callbacks_reentry;
mod callbacks_removal;
mod handles;
mod ids;
mod lifecycle;
mod registration;
mod threads;
mod timers;
mod timers_load;
mod timers_update;

/// The files that have cases.
const FILES: &[&[&[Case]]] = &[
    &[registration::CASES],
    &[ids::CASES],
    handles::CASES,
    &[timers::CASES, timers_update::CASES, timers_load::CASES],
    &[
        callbacks::CASES,
        callbacks_reentry::CASES,
        callbacks_removal::CASES,
        callbacks_free::CASES,
        callbacks_nested::CASES,
        callbacks_panics::CASES,
        callbacks_drop::CASES,
    ],
    &[threads::CASES],
    &[lifecycle::CASES],
];

/// Every case of the exam, in the contract's order.
///
/// This is the one enumeration: the harness, the table and the documents all
/// go through it.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    static SORTED: LazyLock<Vec<&'static Case>> = LazyLock::new(|| {
        let mut cases: Vec<&Case> = FILES.iter().copied().flatten().copied().flatten().collect();
        // Stable: within a clause the order is the files'.
        cases.sort_by_key(|case| place(case));
        cases
    });
    SORTED.iter().copied()
}

/// Where the clause of a case stands in the contract.
fn place(case: &Case) -> (Option<usize>, &str) {
    let letter = case.name.chars().next().unwrap_or_default();
    let number = case.name.get(1..3).unwrap_or_default();
    ("rihtcxlf".find(letter), number)
}

/// The case of this name.
pub fn case(name: &str) -> Option<&'static Case> {
    cases().find(|case| case.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// How many clauses the contract has under each letter.
    const CLAUSES: [(char, u32); 8] = [
        ('R', 5),
        ('I', 3),
        ('H', 10),
        ('T', 6),
        ('C', 9),
        ('X', 4),
        ('L', 5),
        ('F', 5),
    ];

    #[test]
    fn names_are_unique() {
        let mut names = BTreeSet::new();
        for case in cases() {
            assert!(names.insert(case.name), "{} twice", case.name);
        }
    }

    #[test]
    fn names_begin_with_a_clause() {
        for case in cases() {
            let clause = case.clause();
            let known = CLAUSES.iter().any(|(letter, count)| {
                let number = clause.strip_prefix(*letter).and_then(|it| it.parse().ok());
                number.is_some_and(|number: u32| (1..=*count).contains(&number))
            });
            assert!(known, "{}: there is no clause {clause}", case.name);
            let rest = case.name.get(3..).unwrap_or_default();
            assert!(rest.len() > 1 && rest.starts_with('_'), "{}", case.name);
        }
    }

    #[test]
    fn every_clause_of_these_letters_has_cases() {
        for (letter, count) in CLAUSES {
            // R and the C boundary change the process; others examine them.
            if matches!(letter, 'R' | 'F') {
                continue;
            }
            for number in 1..=count {
                let clause = format!("{letter}{number}");
                assert!(
                    cases().any(|case| case.clause() == clause),
                    "{clause} has no case"
                );
            }
        }
    }

    #[test]
    fn a_case_is_found_by_name() {
        for known in cases() {
            assert!(case(known.name).is_some_and(|found| found.name == known.name));
        }
        assert!(case("h99_nothing").is_none());
    }
}
