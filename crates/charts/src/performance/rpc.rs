//! Calls to a libvirtd: what they cost the client, by the lowest of the rounds.

use super::loops::{implementations, is_ours, words};
use super::report::{Report, Row};
use crate::number::time;
use crate::{Cell, Column, Dot, Dots, Hue, Mark, Scale};

const COLUMNS: [(&str, &str); 3] = [
    ("rpc/alone", "one connection"),
    ("rpc/idle-500", "beside 500 idle ones"),
    ("rpc/threads-4", "4 threads, 4 connections"),
];

pub(super) fn chart(report: &Report) -> Dots {
    let is_there = |on: &&str| {
        let row = |(workload, _): &(&str, _)| report.row(workload, on).is_some();
        COLUMNS.iter().any(row)
    };
    let loops = std::iter::once("floor").chain(implementations());
    let loops: Vec<_> = loops.filter(is_there).collect();
    let column = |(workload, title): (&str, &str)| {
        let rows = loops.iter().map(|on| report.row(workload, on));
        let cells: Vec<_> = rows.map(|row| row.map(cell).unwrap_or_default()).collect();
        let ends = cells.iter().flat_map(|cell| &cell.dots).map(|dot| dot.at);
        let most = ends.fold(1.0, f64::max);
        // Room for the words, and one to three steps.
        let step = [1e4, 2e4, 5e4, 1e5, 2e5, 5e5]
            .into_iter()
            .find(|step| most / step < 4.0)
            .unwrap_or(1e6);
        Column {
            title: format!("{title}, µs"),
            scale: Scale::linear(most * 1.5, step, |ns| format!("{}", ns / 1e3)),
            share: 1,
            aside: None,
            level: None,
            cells,
        }
    };
    Dots {
        rows: loops.iter().map(|on| words(on).to_owned()).collect(),
        names: 130,
        columns: COLUMNS.map(column).to_vec(),
        key: vec![],
    }
}

fn cell(row: &Row) -> Cell {
    let (hue, mark) = match &*row.r#loop {
        "floor" => (Hue::Grey, Mark::Diamond),
        on if is_ours(on) => (Hue::Blue, Mark::Circle),
        _ => (Hue::Orange, Mark::Triangle),
    };
    Cell {
        bar: Some((0.0, row.lowest, hue)),
        dots: vec![Dot {
            at: row.lowest,
            mark,
            hue,
            sure: true,
        }],
        words: time(row.lowest),
    }
}
