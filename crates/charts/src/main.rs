//! `charts soak [--out FILE] LOOP.csv…` draws the files that the scene `soak`
//! writes, and prints their figures as Markdown. `charts performance`, in the root
//! of the workspace, draws the figures of the benchmark and writes them into the
//! pages that show them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use charts::draw;
use charts::performance;
use charts::soak::{self, Soak};
use lexopt::prelude::*;

fn main() -> anyhow::Result<()> {
    let mut arguments = lexopt::Parser::from_env();
    let mut chart = None;
    let mut out = None;
    let mut files: Vec<PathBuf> = Vec::new();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("out") => out = Some(PathBuf::from(arguments.value()?)),
            Value(word) if chart.is_none() => chart = Some(word.string()?),
            Value(file) => files.push(file.into()),
            _ => return Err(argument.unexpected().into()),
        }
    }
    match chart.as_deref() {
        Some("soak") if !files.is_empty() => draw_soak(&files, out.as_deref()),
        Some("performance") if files.is_empty() && out.is_none() => write_performance(),
        _ => bail!("usage: charts soak [--out FILE] LOOP.csv..., or charts performance"),
    }
}

fn draw_soak(files: &[PathBuf], out: Option<&Path>) -> anyhow::Result<()> {
    let mut soaks = Vec::new();
    for file in files {
        let text = fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let parsed = Soak::parse(&name, &text).with_context(|| format!("{}", file.display()))?;
        soaks.push(parsed);
    }
    let svg = draw(&soak::panels(&soaks)?, "minutes")?;
    let out = out.unwrap_or(Path::new("docs/soak.svg"));
    fs::write(out, svg).with_context(|| format!("write {}", out.display()))?;
    println!("{}", soak::table(&soaks)?);
    eprintln!("charts: drew {}", out.display());
    Ok(())
}

fn write_performance() -> anyhow::Result<()> {
    for (path, text) in performance::files(Path::new(""))? {
        if fs::read_to_string(&path).is_ok_and(|old| old == text) {
            continue;
        }
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        eprintln!("charts: wrote {}", path.display());
    }
    Ok(())
}
