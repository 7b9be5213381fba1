//! docs/contract.md names the cases of each clause; this keeps it true.

use virt_event_conformance::cases;

use crate::{host_cases, process_cases};

/// Where the page is, below the root of the repository.
pub const PATH: &str = "docs/contract.md";

const LISTING: &str = "Cases:";

/// The page with the names of the cases under each clause as they are now.
///
/// # Errors
///
/// - In words: a clause without a case, or cases of a clause that the page
///   does not have.
pub fn render(page: &str) -> Result<String, String> {
    let names: Vec<&str> = cases::cases()
        .map(|case| case.name)
        .chain(process_cases::cases().map(|case| case.name))
        .chain(host_cases::cases().map(|case| case.name))
        .collect();
    render_with(page, &names)
}

fn render_with(page: &str, names: &[&str]) -> Result<String, String> {
    let mut unlisted = names.to_vec();
    let mut clause = String::new();
    let mut rendered = String::new();
    // A listing runs up to the next empty line.
    let mut in_listing = false;
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("### ") {
            heading
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .clone_into(&mut clause);
        }
        in_listing = (in_listing || line.starts_with(LISTING)) && !line.is_empty();
        if !in_listing {
            rendered.push_str(line);
            rendered.push('\n');
        } else if line.starts_with(LISTING) {
            let (own, rest) = unlisted
                .into_iter()
                .partition(|name| clause_of(name) == clause);
            unlisted = rest;
            rendered.push_str(&listing(&clause, own)?);
        }
    }
    if unlisted.is_empty() {
        Ok(rendered)
    } else {
        Err(format!("no clause in {PATH} for the cases {unlisted:?}"))
    }
}

fn listing(clause: &str, names: Vec<&str>) -> Result<String, String> {
    if names.is_empty() {
        return Err(format!("clause {clause} in {PATH} has no case"));
    }
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    Ok(format!("{LISTING}\n{}\n", names.join(",\n")))
}

/// `h05_same_fd_twice` is a case of `H5`.
fn clause_of(name: &str) -> String {
    let id = name.split('_').next().unwrap_or_default();
    let (letter, number) = id.split_at(id.len().min(1));
    format!(
        "{}{}",
        letter.to_uppercase(),
        number.trim_start_matches('0')
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str =
        "# Page\n\n### H5 ◆\n\nText.\n\nCases:\n`old`\n\nMore.\n\n### X10\n\nCases:\n";

    #[test]
    fn listings_are_replaced_and_nothing_else() {
        let page = render_with(PAGE, &["h05_a", "x10_b", "h05_c"]).unwrap();
        let expected = PAGE
            .replace("`old`", "`h05_a`,\n`h05_c`")
            .replace("### X10\n\nCases:", "### X10\n\nCases:\n`x10_b`");
        assert_eq!(page, expected);
        assert_eq!(render_with(&page, &["h05_a", "h05_c", "x10_b"]), Ok(page));
    }

    #[test]
    fn gaps_are_errors() {
        let clause_without_case = render_with(PAGE, &["h05_a"]).unwrap_err();
        assert!(clause_without_case.contains("X10"), "{clause_without_case}");
        let case_without_clause = render_with(PAGE, &["h05_a", "x10_b", "h06_c"]).unwrap_err();
        assert!(
            case_without_clause.contains("h06_c"),
            "{case_without_clause}"
        );
    }
}
