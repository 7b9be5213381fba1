//! 10,000 timers: what a call costs, and how late it is.

use super::loops::{implementations, is_ours, words};
use super::report::{Report, Row};
use crate::number::{round_time, time};
use crate::{Cell, Column, Dot, Dots, Hue, Mark, Scale};

pub(super) fn chart(report: &Report) -> Dots {
    let loops: Vec<_> = implementations()
        .into_iter()
        .filter(|on| report.row("timers/spread", on).is_some())
        .collect();
    let cost = |row: &Row| vec![(row.ns_cpu, Mark::Circle)];
    let late = |row: &Row| {
        row.lateness_ns.map_or(vec![], |late| {
            vec![
                (late.p50, Mark::Circle),
                (late.p99, Mark::Square),
                (late.p100, Mark::Triangle),
            ]
        })
    };
    let column =
        |title: &str, workload: &str, share, room, of: &dyn Fn(&Row) -> Vec<(f64, Mark)>| {
            let cell = |on: &&str| {
                report
                    .row(workload, on)
                    .map_or_else(Cell::default, |row| cell(row, &of(row)))
            };
            let cells: Vec<_> = loops.iter().map(cell).collect();
            let figures = cells.iter().flat_map(|cell| &cell.dots).map(|dot| dot.at);
            let most = figures.clone().reduce(f64::max).unwrap_or(1.0);
            let least = figures.reduce(f64::min).unwrap_or(1.0);
            Column {
                title: title.to_owned(),
                scale: Scale::log(least * 0.6, most * room, round_time),
                share,
                aside: None,
                level: None,
                cells,
            }
        };
    Dots {
        rows: loops.iter().map(|on| words(on).to_owned()).collect(),
        names: 130,
        columns: vec![
            column("CPU, all due at once", "timers/together", 5, 6.0, &cost),
            column("CPU, spread out", "timers/spread", 5, 6.0, &cost),
            column("Late by, spread out", "timers/spread", 6, 10.0, &late),
        ],
        key: vec![
            (Mark::Circle, Hue::Grey, "median".to_owned()),
            (Mark::Square, Hue::Grey, "99th percentile".to_owned()),
            (Mark::Triangle, Hue::Grey, "the latest".to_owned()),
        ],
    }
}

fn cell(row: &Row, figures: &[(f64, Mark)]) -> Cell {
    let hue = if is_ours(&row.r#loop) {
        Hue::Blue
    } else {
        Hue::Orange
    };
    let dots = figures.iter().map(|(at, mark)| Dot {
        at: *at,
        mark: *mark,
        hue,
        sure: !row.inconclusive,
    });
    let ends = figures.first().zip(figures.last());
    Cell {
        bar: ends.map(|(first, last)| (first.0, last.0, hue)),
        dots: dots.collect(),
        words: ends.map(|(_, last)| time(last.0)).unwrap_or_default(),
    }
}
