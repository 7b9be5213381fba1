//! Everything beside libvirt's default loop.

use super::loops::OURS;
use super::report::Report;
use crate::number::ratio;
use crate::{Cell, Column, Dot, Dots, Hue, Mark, Scale};

/// What is shown, and in what words.
const WORKLOADS: [(&str, &str); 20] = [
    ("ping-pong/0", "event, nothing else watched"),
    ("ping-pong/100", "event, 100 idle watches"),
    ("ping-pong/10000", "event, 10,000 idle watches"),
    ("active/64", "event, 64 active watches"),
    ("cross-thread", "event from another thread"),
    ("update-handle", "update_handle"),
    ("update-handle-busy", "update_handle, busy loop"),
    ("add-remove/0", "add and remove a watch"),
    ("add-remove/10000", "the same, 10,000 registered"),
    ("update-timeout", "update_timeout"),
    ("update-timeout-earlier", "the same, always earlier"),
    ("timers/together", "10,000 timers at once"),
    ("timers/spread", "10,000 timers spread out"),
    ("zero-timer", "timer of 0 ms"),
    ("rpc/alone", "call to a libvirtd"),
    ("rpc/idle-500", "the same, 500 idle connections"),
    ("rpc/threads-4", "the same from 4 threads"),
    ("open-close", "open and close a connection"),
    ("memory/watch", "memory of a watch"),
    ("memory/timer", "memory of a timer"),
];

pub(super) fn chart(report: &Report) -> Dots {
    let shown = WORKLOADS
        .iter()
        .filter_map(|(workload, words)| Some((*words, cell(report, workload)?)));
    let (rows, cells): (Vec<_>, Vec<_>) =
        shown.map(|(words, cell)| (words.to_owned(), cell)).unzip();
    let figures = cells.iter().flat_map(|cell| &cell.dots).map(|dot| dot.at);
    let (least, most) = figures.fold((1.0, 1.0), |(least, most), figure| {
        (f64::min(least, figure), f64::max(most, figure))
    });
    Dots {
        rows,
        names: 210,
        columns: vec![Column {
            title: "Cost ÷ that on libvirt's default loop; left is cheaper".to_owned(),
            scale: Scale::log(least * 0.7, most * 1.5, |value| format!("{value}")),
            share: 1,
            aside: Some((130, "virt-event".to_owned())),
            level: Some(1.0),
            cells,
        }],
        key: vec![
            (Mark::Circle, Hue::Blue, "virt-event, six loops".to_owned()),
            (Mark::Square, Hue::Orange, "libvirt-glib".to_owned()),
            (Mark::Diamond, Hue::Orange, "libvirtaio, Python".to_owned()),
        ],
    }
}

fn cell(report: &Report, workload: &str) -> Option<Cell> {
    let dot = |on: &str, mark, hue| {
        let (at, sure) = report.to_default(report.row(workload, on)?)?;
        Some(Dot {
            at,
            mark,
            hue,
            sure,
        })
    };
    let ours = OURS.map(|on| dot(on, Mark::Circle, Hue::Blue));
    let ours: Vec<_> = ours.into_iter().flatten().collect();
    let figures = ours.iter().map(|dot| dot.at);
    let least = figures.clone().reduce(f64::min)?;
    let most = figures.reduce(f64::max)?;
    let peers = [
        dot("libvirt-glib", Mark::Square, Hue::Orange),
        dot("libvirtaio", Mark::Diamond, Hue::Orange),
    ];
    let (from, to) = (ratio(least), ratio(most));
    Some(Cell {
        bar: Some((least, most, Hue::Blue)),
        dots: ours
            .into_iter()
            .chain(peers.into_iter().flatten())
            .collect(),
        words: if from == to {
            from
        } else {
            format!("{from} – {to}")
        },
    })
}
