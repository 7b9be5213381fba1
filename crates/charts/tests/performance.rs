//! What is published is what was measured.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use charts::performance::{CHARTS, DATA, files};

fn root() -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    crates.skip(2).map(Path::to_path_buf).next().unwrap()
}

#[test]
fn the_pages_and_the_charts_are_what_the_data_gives() {
    let mut stale = Vec::new();
    for (path, text) in files(&root()).unwrap() {
        if fs::read_to_string(&path).ok() != Some(text) {
            stale.push(path);
        }
    }
    assert!(
        stale.is_empty(),
        "not what {DATA} gives, or changed by hand: {stale:?}; `cargo xtask charts` writes them"
    );
}

#[test]
fn there_are_no_other_charts_and_all_are_shown() {
    let there = fs::read_dir(root().join(CHARTS)).unwrap();
    let there: BTreeSet<_> = there.map(|entry| entry.unwrap().path()).collect();
    let files = files(&root()).unwrap();
    let (drawn, pages): (Vec<_>, Vec<_>) = files
        .into_iter()
        .partition(|(path, _)| path.extension().is_some_and(|is| is == "svg"));
    assert_eq!(there, drawn.iter().map(|(path, _)| path.clone()).collect());
    for (path, _) in drawn {
        let name = path.file_name().unwrap().to_string_lossy();
        let link = format!("](performance/{name})");
        assert!(pages.iter().any(|(_, text)| text.contains(&link)), "{name}");
    }
}
