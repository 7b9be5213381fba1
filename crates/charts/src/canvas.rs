//! Marks and words at pixels of a chart.

use anyhow::anyhow;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::palette::{FONT, Hue, Mark};

pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Pixels from the left and from the top.
pub(crate) type At = (i32, i32);

/// An SVG of this size that `draw` draws.
pub(crate) fn svg(
    size: (u32, u32),
    draw: impl FnOnce(&Area<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        draw(&area)?;
        area.present().map_err(told)?;
    }
    Ok(svg)
}

/// The error of a library, which borrows what it could not draw on.
pub(crate) fn told(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("{error}")
}

/// Which end of a word is at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// How a word looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Font {
    pub(crate) hue: Hue,
    pub(crate) bold: bool,
}

/// Of axes, rows and notes.
pub(crate) const PLAIN: Font = Font {
    hue: Hue::Grey,
    bold: false,
};

/// Of panels.
pub(crate) const TITLE: Font = Font {
    hue: Hue::Grey,
    bold: true,
};

/// plotters writes a size of 15 as 12.1 pixels.
pub(crate) const TEXT: u32 = 15;

/// What a mark that is not filled means.
pub(crate) const UNSURE: &str = "not filled: inconclusive";

/// About as wide as a word is, in pixels. The font is the reader's.
pub(crate) fn width(text: &str) -> i32 {
    text.chars().count() as i32 * 13 / 2
}

/// Writes a word, whose middle is as high as `at`.
pub(crate) fn write(
    area: &Area<'_>,
    text: &str,
    at: At,
    side: Side,
    font: Font,
) -> anyhow::Result<()> {
    let horizontal = match side {
        Side::Left => HPos::Left,
        Side::Right => HPos::Right,
    };
    let style = if font.bold {
        FontStyle::Bold
    } else {
        FontStyle::Normal
    };
    let colour = font.hue.colour();
    let style = TextStyle::from((FONT, TEXT, style).into_font())
        .color(&colour)
        .pos(Pos::new(horizontal, VPos::Center));
    area.draw(&Text::new(text, at, style)).map_err(told)
}

/// A point. What is not filled is not to be relied on.
pub(crate) fn mark(
    area: &Area<'_>,
    at: At,
    mark: Mark,
    hue: Hue,
    filled: bool,
) -> anyhow::Result<()> {
    let style = ShapeStyle {
        color: hue.colour().into(),
        filled,
        stroke_width: 2,
    };
    let moved = |points: &[At]| {
        let points = points.iter().map(|by| (at.0 + by.0, at.1 + by.1));
        points.collect::<Vec<_>>()
    };
    let corners: &[At] = match mark {
        Mark::Circle => return area.draw(&Circle::new(at, 4, style)).map_err(told),
        Mark::Square => &[(-4, -4), (4, -4), (4, 4), (-4, 4)],
        Mark::Triangle => &[(-5, 4), (5, 4), (0, -5)],
        Mark::Diamond => &[(-5, 0), (0, -5), (5, 0), (0, 5)],
    };
    let mut points = moved(corners);
    if filled {
        return area.draw(&Polygon::new(points, style)).map_err(told);
    }
    points.extend([points[0], points[1]]);
    line(area, &points, style)
}

/// A line through these points.
pub(crate) fn line(
    area: &Area<'_>,
    points: &[At],
    style: impl Into<ShapeStyle>,
) -> anyhow::Result<()> {
    let path = PathElement::new(points.to_vec(), style);
    area.draw(&path).map_err(told)
}
