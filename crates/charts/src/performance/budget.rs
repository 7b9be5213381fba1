//! Speed and fairness against the budget of a turn.

use super::report::{Budget, Report};
use crate::{Hue, Line, Lines, Mark, Plot, Point, Scale};

const BUDGETS: [f64; 8] = [1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 16.0, 32.0];

/// That of `DEFAULT_BUDGET`.
const DEFAULT: f64 = 3.0;

/// The least that a source should have.
const FAIR: f64 = 0.3;

const LOOPS: [(&str, Hue, Mark); 4] = [
    ("mio", Hue::Purple, Mark::Square),
    ("tokio", Hue::Blue, Mark::Circle),
    ("calloop", Hue::Green, Mark::Triangle),
    ("glib", Hue::Orange, Mark::Diamond),
];

pub(super) fn chart(report: &Report) -> Lines {
    let lines = |of: fn(&Budget) -> Option<f64>| {
        let line = |(on, hue, mark): (&str, Hue, Mark)| Line {
            name: Some(on.to_owned()),
            hue,
            mark,
            dashed: false,
            strong: false,
            points: report
                .budgets
                .iter()
                .filter(|point| point.r#loop == on)
                .filter_map(|point| {
                    Some(Point {
                        x: f64::from(point.budget),
                        y: of(point)?,
                        sure: !point.inconclusive,
                    })
                })
                .collect(),
        };
        LOOPS.map(line).to_vec()
    };
    let plot = |title: &str, lines: Vec<Line>, level: f64, words: &str, step: f64| {
        let all = lines.iter().flat_map(|line| &line.points);
        let most = all.map(|point| point.y).fold(1.0, f64::max);
        Plot {
            title: title.to_owned(),
            across: "budget: iterations of a turn".to_owned(),
            x: Scale::log_at(&BUDGETS, |budget| format!("{budget}")),
            y: Scale::linear((most / step).ceil() * step, step, |value| {
                format!("{value:.1}")
            }),
            lines,
            names: 62,
            first_apart: false,
            level: Some((level, words.to_owned())),
            post: Some((DEFAULT, "default".to_owned())),
        }
    };
    Lines {
        height: 300,
        panels: vec![
            plot(
                "CPU of an event ÷ the host's own source",
                lines(|point| Some(point.to_host)),
                1.0,
                "the host itself",
                0.5,
            ),
            plot(
                "Fairness to the host's other sources",
                lines(|point| point.fairness),
                FAIR,
                "the bound",
                0.2,
            ),
        ],
    }
}
