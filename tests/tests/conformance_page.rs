//! docs/conformance.md, the cases and the list of gaps agree.

use virt_event_conformance::cases::cases;
use virt_event_tests::conformance_page::{Words, faults, path, render};
use virt_event_tests::expected::gap;
use virt_event_tests::implementations::EXAMINED;

#[test]
fn the_page_is_up_to_date() {
    let page = std::fs::read_to_string(path()).expect("docs/conformance.md");
    let faults = faults(&page);
    assert!(
        faults.is_empty(),
        "run `cargo xtask conformance`:\n{}",
        faults.join("\n")
    );
}

#[test]
fn what_is_written_is_read_again() {
    let words = expected();
    let page = render(&words);
    assert_eq!(Words::read(&page), words);
    assert_eq!(faults(&page), Vec::<String>::new());
}

#[test]
fn every_case_is_in_one_table() {
    let page = render(&expected());
    for case in cases() {
        let row = format!("| `{}` ", case.name);
        let rows = page.lines().filter(|line| line.starts_with(&row));
        assert_eq!(rows.count(), 1, "{}", case.name);
    }
}

#[test]
fn a_wrong_mark_is_a_fault() {
    let words = expected();
    for (word, other) in [("fail", "pass"), ("pass", "fail"), ("pass", "hang")] {
        let (case, name) = cells()
            .find(|(case, name)| words.word(case, name) == word)
            .expect("both words occur");
        let mut wrong = words.clone();
        wrong.set(case, name, other);
        let faults = faults(&render(&wrong));
        assert_eq!(faults, [format!("{name} {case}: the page says {other}")]);
    }
}

#[test]
fn a_missing_mark_is_a_fault() {
    let faults = faults(&render(&Words::default()));
    assert_eq!(faults.len(), cells().count());
}

/// The words of a page without faults.
fn expected() -> Words {
    let mut words = Words::default();
    for (case, name) in cells() {
        let word = gap(name, case).map_or("pass", |gap| gap.kind.word());
        words.set(case, name, word);
    }
    words
}

/// Every case and every implementation's name.
fn cells() -> impl Iterator<Item = (&'static str, &'static str)> {
    cases().flat_map(|case| {
        EXAMINED
            .iter()
            .map(|it| (case.name, it.implementation.name))
    })
}
