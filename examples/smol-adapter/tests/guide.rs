//! docs/writing-an-adapter.md shows code of this package and no other, and all
//! of the adapter.

use std::collections::BTreeSet;
use std::path::Path;

const GUIDE: &str = "../../docs/writing-an-adapter.md";

/// Shown from the first line to the last, but for the crate's documentation.
const WHOLE: &[&str] = &["src/lib.rs"];

const IN_PART: &[&str] = &[
    "tests/conformance.rs",
    "tests/mistakes.rs",
    "tests/on_libvirt.rs",
];

#[test]
fn the_guide_shows_the_code_that_is_tested() {
    let sources: Vec<Source> = WHOLE
        .iter()
        .chain(IN_PART)
        .map(|it| Source::read(it))
        .collect();
    let manifest = Source::read("Cargo.toml");
    let mut faults = Vec::new();
    let mut shown = BTreeSet::new();
    for block in blocks(&read(GUIDE)) {
        let places = match block.language.as_str() {
            "rust" => places(&block, &sources),
            "toml" => places(&block, std::slice::from_ref(&manifest)),
            "sh" | "text" => continue,
            other => {
                faults.push(format!("line {}: a block in {other:?}", block.line));
                continue;
            }
        };
        if places.is_empty() {
            let line = block.line;
            faults.push(format!(
                "line {line}: this is not in the code:\n{}",
                block.lines.join("\n")
            ));
        }
        shown.extend(places);
    }
    for source in sources.iter().filter(|it| WHOLE.contains(&it.path)) {
        faults.extend(source.unshown(&shown));
    }
    assert!(faults.is_empty(), "{GUIDE}:\n{}", faults.join("\n"));
}

/// A fenced block of the guide.
struct Block {
    language: String,
    /// Of the first line after the fence, from 1.
    line: usize,
    lines: Vec<String>,
}

/// A file of this package.
struct Source {
    path: &'static str,
    lines: Vec<String>,
}

impl Source {
    fn read(path: &'static str) -> Self {
        let lines = read(path).lines().map(str::to_owned).collect();
        Self { path, lines }
    }

    /// What no block shows, in words.
    fn unshown(&self, shown: &BTreeSet<(&str, usize)>) -> Vec<String> {
        let lines = self.lines.iter().enumerate();
        lines
            .filter(|(_, line)| !line.is_empty() && !line.starts_with("//!"))
            .filter(|(at, _)| !shown.contains(&(self.path, *at)))
            .map(|(at, line)| format!("{}:{} is not shown: {line}", self.path, at + 1))
            .collect()
    }
}

/// The lines, by file and index, at which the block occurs.
fn places<'a>(block: &Block, sources: &'a [Source]) -> BTreeSet<(&'a str, usize)> {
    let mut places = BTreeSet::new();
    for source in sources {
        for (at, window) in source.lines.windows(block.lines.len().max(1)).enumerate() {
            if is_same(&block.lines, window) {
                places.extend((at..at + window.len()).map(|line| (source.path, line)));
            }
        }
    }
    places
}

/// Whether the lines are the same but for the indentation of the whole.
fn is_same(block: &[String], window: &[String]) -> bool {
    let Some(first) = block.first().filter(|first| !first.is_empty()) else {
        return false;
    };
    let Some(indentation) = window[0].strip_suffix(first.as_str()) else {
        return false;
    };
    indentation.trim().is_empty()
        && block
            .iter()
            .zip(window)
            .all(|(shown, line)| match shown.as_str() {
                "" => line.is_empty(),
                shown => line.strip_prefix(indentation) == Some(shown),
            })
}

fn blocks(guide: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (at, line) in guide.lines().enumerate() {
        open = match (open, line.strip_prefix("```")) {
            (None, None) => None,
            (None, Some(language)) => Some(Block {
                language: language.to_owned(),
                line: at + 2,
                lines: Vec::new(),
            }),
            (Some(mut block), None) => {
                block.lines.push(line.to_owned());
                Some(block)
            }
            (Some(block), Some(_)) => {
                blocks.push(block);
                None
            }
        };
    }
    assert!(open.is_none(), "the last block does not end");
    blocks
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn a_block_that_differs_in_anything_is_found_out() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let code = lines("fn f() {\n    if x {\n        y();\n\n    }\n}");
    let sources = [Source {
        path: "f",
        lines: code,
    }];
    let found = |text: &str| {
        let guide = format!("Text.\n\n```rust\n{text}\n```\n");
        let [block] = &blocks(&guide)[..] else {
            panic!("one block");
        };
        assert_eq!((block.language.as_str(), block.line), ("rust", 4));
        places(block, &sources)
            .into_iter()
            .map(|(_, line)| line)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        found("if x {\n    y();\n\n}"),
        [1, 2, 3, 4],
        "a part, outdented"
    );
    assert_eq!(found("fn f() {"), [0]);
    for other in [
        "",
        "if z {\n    y();",
        "if x {\ny();",
        "if x {\n\n    y();",
        "x {",
        "y()",
    ] {
        assert!(found(other).is_empty(), "{other:?}");
    }
    assert_eq!(
        sources[0]
            .unshown(&BTreeSet::from([("f", 0), ("f", 1)]))
            .len(),
        3
    );
}
