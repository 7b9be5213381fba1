//! The cost of an event beside idle watches.

use super::loops;
use super::report::Report;
use crate::number::{between, round_time, time, whole};
use crate::{Hue, Line, Lines, Mark, Plot, Point, Scale};

const SIZES: [f64; 5] = [0.0, 10.0, 100.0, 1_000.0, 10_000.0];

pub(super) fn chart(report: &Report) -> Lines {
    let points = |on: &str| {
        let point = |size: f64| {
            let row = report.row(&format!("ping-pong/{size}"), on)?;
            Some(Point {
                x: size,
                y: row.ns_cpu,
                sure: !row.inconclusive,
            })
        };
        SIZES.into_iter().filter_map(point).collect::<Vec<_>>()
    };
    let line = |on: &str, words: &str, hue, mark, dashed| {
        let points = points(on);
        let last = points.last()?.y;
        Some(Line {
            name: Some(format!("{words}: {}", time(last))),
            hue,
            mark,
            dashed,
            strong: false,
            points,
        })
    };
    let mut lines = vec![
        line("floor", "bare epoll", Hue::Grey, Mark::Diamond, true),
        line(
            "glib-native",
            "GLib's own sources",
            Hue::Grey,
            Mark::Square,
            false,
        ),
        line(
            "libvirtaio",
            "libvirtaio, Python",
            Hue::Orange,
            Mark::Diamond,
            true,
        ),
        line(
            "libvirt-glib",
            "libvirt-glib",
            Hue::Orange,
            Mark::Square,
            true,
        ),
        line(
            "libvirt-default",
            "libvirt's default loop",
            Hue::Orange,
            Mark::Triangle,
            false,
        ),
        line(
            "tokio-multi",
            "virt-event, tokio-multi",
            Hue::Blue,
            Mark::Circle,
            true,
        ),
    ];
    lines.extend(together(loops::FIVE.iter().map(|on| points(on)).collect()));
    let lines: Vec<_> = lines.into_iter().flatten().collect();
    let all = lines.iter().flat_map(|line| &line.points);
    let costs: Vec<_> = all.map(|point| point.y).collect();
    let least = costs.iter().copied().fold(1e3, f64::min);
    let most = costs.iter().copied().fold(1e6, f64::max);
    Lines {
        height: 430,
        panels: vec![Plot {
            title: "CPU time of one event, beside watches on which nothing happens".to_owned(),
            across: "idle watches".to_owned(),
            x: Scale::order(&SIZES, whole),
            y: Scale::log(least * 0.6, most * 1.6, round_time),
            lines,
            names: 226,
            first_apart: true,
            level: None,
            post: None,
        }],
    }
}

/// Ours lie so near to each other that they have one name, on the one in the
/// middle.
fn together(mut ours: Vec<Vec<Point>>) -> Vec<Option<Line>> {
    ours.retain(|points| !points.is_empty());
    let end = |points: &Vec<Point>| points.last().map_or(0.0, |point| point.y);
    ours.sort_by(|a, b| end(a).total_cmp(&end(b)));
    let ends: Vec<_> = ours.iter().map(end).collect();
    let name = ends
        .first()
        .zip(ends.last())
        .map(|(least, most)| format!("virt-event: {}", between(*least, *most)));
    let middle = ours.len() / 2;
    let line = |(index, points)| {
        Some(Line {
            name: name.clone().filter(|_| index == middle),
            hue: Hue::Blue,
            mark: Mark::Circle,
            dashed: false,
            strong: true,
            points,
        })
    };
    ours.into_iter().enumerate().map(line).collect()
}
