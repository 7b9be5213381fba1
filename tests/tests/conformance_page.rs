//! docs/conformance.md, the cases and the list of gaps agree.

use virt_event_tests::conformance_page::{faults, path};

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
