//! docs/contract.md and the cases agree: every clause has cases, and every
//! case is named under its clause.

use std::path::Path;

use virt_event_tests::contract_page::{PATH, render};

#[test]
fn the_page_names_the_cases_that_there_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = std::fs::read_to_string(root.join(PATH)).unwrap();
    match render(&page) {
        Ok(right) if right == page => {}
        Ok(_) => panic!("{PATH} names other cases than there are: run `cargo xtask conformance`"),
        Err(gap) => panic!("{gap}"),
    }
}
