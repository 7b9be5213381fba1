//! Prose with figures between two comments.

use anyhow::{Context, bail};

const BEGIN: &str = "<!-- figures: ";
const NAME_ENDS: &str = " -->\n";
const END: &str = "<!-- end -->";

/// Puts what `figures` gives for a name between `<!-- figures: NAME -->` and
/// `<!-- end -->`, on lines of its own, in place of what is there.
///
/// # Errors
///
/// - A comment has no name or no end, or `figures` knows none of that name.
pub(super) fn fill(
    page: &str,
    figures: impl Fn(&str) -> anyhow::Result<String>,
) -> anyhow::Result<String> {
    let mut filled = String::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (name, after) = after
            .split_once(NAME_ENDS)
            .with_context(|| format!("a `{BEGIN}` has no end of its line"))?;
        let Some((old, after)) = after.split_once(END) else {
            bail!("the figures `{name}` have no `{END}`");
        };
        if old.contains(BEGIN) {
            bail!("the figures `{name}` have no `{END}` before the next ones");
        }
        let new = figures(name)?;
        let new = new.trim();
        filled.push_str(&format!("{before}{BEGIN}{name}{NAME_ENDS}\n{new}\n\n{END}"));
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn twice(name: &str) -> anyhow::Result<String> {
        if name.len() > 3 {
            bail!("no `{name}`");
        }
        Ok(format!("{name}{name}\n"))
    }

    #[test]
    fn what_is_between_is_replaced_and_nothing_else() {
        let page =
            "a\n<!-- figures: x -->\nold\n<!-- end -->\nb\n<!-- figures: y -->\n<!-- end -->";
        let filled = fill(page, twice).unwrap();
        let expected = "a\n<!-- figures: x -->\n\nxx\n\n<!-- end -->\nb\n\
                        <!-- figures: y -->\n\nyy\n\n<!-- end -->";
        assert_eq!(filled, expected);
        assert_eq!(fill(&filled, twice).unwrap(), filled);
    }

    #[test]
    fn a_page_that_is_not_whole_is_refused() {
        for (page, complaint) in [
            ("<!-- figures: x -->\nold", "`x` have no"),
            (
                "<!-- figures: x -->\n<!-- figures: y -->\n<!-- end -->",
                "`x` have no",
            ),
            ("<!-- figures: x --> old <!-- end -->", "no end of its line"),
            ("<!-- figures: nothing -->\n<!-- end -->", "no `nothing`"),
        ] {
            let error = fill(page, twice).unwrap_err().to_string();
            assert!(error.contains(complaint), "{error}");
        }
    }
}
